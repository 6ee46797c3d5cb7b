"""Find the build tools and the engine's source that a build has left."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

SOURCE = Path(__file__).resolve().parents[2]
GGML_ARCHIVES = {"libggml.a", "libggml-base.a", "libggml-cpu.a"}


def tool(name: str) -> str | None:
    """Find a tool beside this Python (in its virtual environment), otherwise on the path."""
    beside = str(Path(sys.executable).parent)
    return shutil.which(name, path=os.pathsep.join([beside, os.environ.get("PATH", "")]))


def pybind11_dir() -> str:
    """Return the folder of pybind11's CMake files."""
    command = [sys.executable, "-m", "pybind11", "--cmakedir"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def engine_source() -> Path | None:
    """Find the engine's source: the folder in the environment, otherwise the copy of a build."""
    named = os.environ.get("GPUSTACK_DRAW_ENGINE_SOURCE")
    if named:
        return Path(named)
    return next(SOURCE.glob("build/*/engine-source-*/*/vendor/stable-diffusion.cpp"), None)


def ggml_archives() -> Path | None:
    """Find the folder with ggml's archives of a build of the package for CPUs only."""
    source = engine_source()
    if source is None:
        return None
    for folder in SOURCE.glob("build/*/stable-diffusion/ggml/src"):
        names = {path.name for path in folder.glob("**/*.a")}
        if names == GGML_ARCHIVES and _was_built_from(source, folder.parents[2]):
            return folder
    return None


def _was_built_from(source: Path, build: Path) -> bool:
    cache = (build / "CMakeCache.txt").read_text(encoding="utf-8")
    named = f"GPUSTACK_DRAW_ENGINE_SOURCE:PATH={source}\n"
    return source.is_relative_to(build) or named in cache


def load_tool(name: str) -> ModuleType:
    """Import a script of tools/, which is not a package."""
    path = SOURCE / "tools" / f"{name}.py"
    specification = importlib.util.spec_from_file_location(name, path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module
