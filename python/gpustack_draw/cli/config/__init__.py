"""The configuration file: defaults for the options of the command."""
