"""The command ``gpustack-draw``."""
