"""The one way to the compiled engine."""

import os
from types import ModuleType

from gpustack_draw.errors import EngineError

# Threads wait for each other after every operation, and by default turn in circles for
# milliseconds: with one of two cores busy elsewhere, drawing took twice as long. GCC's OpenMP reads
# this once, when its library is loaded; where torch was imported first, it brought that library,
# and its setting stays. https://gcc.gnu.org/onlinedocs/libgomp/GOMP_005fSPINCOUNT.html
_SETTING, _TURNS = "GOMP_SPINCOUNT", "1000"


def import_core() -> ModuleType:
    """Import the compiled engine, with OpenMP set to wait without taking a core from others.

    The environment is as it was afterwards: what this process starts, and what it loads besides,
    keeps its own setting. A setting that is there already counts.

    Raises:
        EngineError: It was built for another Python, or for a machine with other libraries: CUDA's
            driver, for one.
    """
    is_ours = _SETTING not in os.environ
    os.environ.setdefault(_SETTING, _TURNS)
    try:
        from gpustack_draw import _core
    except ImportError as error:
        raise EngineError(
            f"the engine cannot be loaded: {error}",
            hint="install what it asks for, or gpustack-draw anew on this machine",
        ) from error
    finally:
        if is_ours:
            os.environ.pop(_SETTING, None)
    return _core
