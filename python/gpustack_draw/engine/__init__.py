"""The engine on this machine: its process, its devices, its models."""
