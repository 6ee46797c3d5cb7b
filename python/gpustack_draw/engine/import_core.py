"""Import of the compiled engine."""

import os
from functools import cache
from pathlib import Path
from types import ModuleType

from gpustack_draw.engine.backend_files import find_backend_files
from gpustack_draw.errors import EngineError

# OpenMP threads wait for each other after every operation and by default spin for milliseconds.
# With one of two cores busy elsewhere, drawing took twice as long. GCC's OpenMP runtime reads this
# variable once, when it is loaded; if torch was imported first, torch has loaded the runtime.
# https://gcc.gnu.org/onlinedocs/libgomp/GOMP_005fSPINCOUNT.html
_SPIN_VARIABLE, _SPIN_COUNT = "GOMP_SPINCOUNT", "1000"


def import_core() -> ModuleType:
    """Import the compiled engine with a short OpenMP spin time, and name it the GPU backends.

    A value the user has set takes precedence. The environment is restored afterwards, so that
    child processes and other libraries are not affected.

    Raises:
        EngineError: The extension was built for another Python version or for a newer CPU, or a
            shared library such as CUDA's driver is missing.
    """
    was_unset = _SPIN_VARIABLE not in os.environ
    os.environ.setdefault(_SPIN_VARIABLE, _SPIN_COUNT)
    try:
        from gpustack_draw import _core
    except ImportError as error:
        raise EngineError(
            f"the engine cannot be loaded: {error}",
            hint="install the missing library, or reinstall gpustack-draw on this machine",
        ) from error
    finally:
        if was_unset:
            os.environ.pop(_SPIN_VARIABLE, None)
    if missing := _core.missing_instructions():
        raise EngineError(
            f"the engine was compiled for CPUs with {', '.join(missing)}, which this CPU lacks",
            hint="compile it for this CPU: pip install --force-reinstall --no-deps"
            " --no-binary=gpustack-draw gpustack-draw",
        )
    _set_backend_files(_core)
    return _core


@cache
def _set_backend_files(core: ModuleType) -> None:
    """Pass the GPU backends of installed packages to the engine, which loads them when needed."""
    found = find_backend_files(Path(str(core.__file__)))
    core.set_backend_files([(file.package, os.fsencode(file.path), file.problem) for file in found])
