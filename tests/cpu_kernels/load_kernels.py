"""Loading of the extension cpu_kernels, which test_cpu_kernels.py builds."""

import importlib.util
import os
from types import ModuleType


def load_kernels() -> ModuleType:
    """Load the extension from the path in GPUSTACK_DRAW_EXTENSION."""
    path = os.environ["GPUSTACK_DRAW_EXTENSION"]
    spec = importlib.util.spec_from_file_location("cpu_kernels", path)
    assert spec is not None
    assert spec.loader is not None
    kernels = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(kernels)
    return kernels
