"""Loads the extension that is built with the stand-in."""

import importlib.util
import os
from types import ModuleType


def load_core() -> ModuleType:
    """Load the extension from the path in GPUSTACK_DRAW_EXTENSION."""
    path = os.environ["GPUSTACK_DRAW_EXTENSION"]
    spec = importlib.util.spec_from_file_location("_core", path)
    assert spec is not None
    assert spec.loader is not None
    core = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(core)
    return core
