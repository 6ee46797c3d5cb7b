"""CUDA backend of gpustack-draw: a library that gpustack_draw loads."""
