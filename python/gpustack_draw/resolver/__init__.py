"""From a model reference to the files that draw."""
