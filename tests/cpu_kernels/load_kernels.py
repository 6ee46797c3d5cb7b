"""Loading of the kernels that test_cpu_kernels.py or test_arm_kernels.py builds."""

import importlib.util
import os
import shlex
from types import ModuleType

from kernel_server import KernelServer


def load_kernels() -> ModuleType | KernelServer:
    """Load the extension from the path in GPUSTACK_DRAW_EXTENSION.

    A path of a program, not an extension, is run by the command in GPUSTACK_DRAW_EMULATOR.
    """
    path = os.environ["GPUSTACK_DRAW_EXTENSION"]
    if not path.endswith(".so"):
        return KernelServer([*shlex.split(os.environ.get("GPUSTACK_DRAW_EMULATOR", "")), path])
    spec = importlib.util.spec_from_file_location("cpu_kernels", path)
    assert spec is not None
    assert spec.loader is not None
    kernels = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(kernels)
    return kernels
