"""Library files of GPU backends, which packages such as gpustack-draw-vulkan bring."""

import os
import struct
import sys
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path
from typing import BinaryIO

_BACKENDS = ("cuda", "rocm", "vulkan")
_SUFFIX = ".dll" if sys.platform == "win32" else ".so"

# The headers of a 64-bit ELF file: https://gabi.xinuos.com/elf/02-eheader.html
_ELF_MAGIC = b"\x7fELF"
_FILE_HEADER = struct.Struct(
    "<6s10x2xH12xQ14x2H6x"
)  # identity, machine, segments: offset, size, count
_SEGMENT = struct.Struct("<I4xQ16xQ16x")  # type, offset, size in the file
_DYNAMIC_SEGMENT = 2
_DAMAGED = "its library is damaged; reinstall it"


@dataclass(frozen=True)
class BackendFile:
    """The library file of an installed package that brings a GPU backend.

    Attributes:
        package: Name of the package.
        path: Absolute path of the file.
        problem: Why it must not be loaded; empty if it may be.
    """

    package: str
    path: Path
    problem: str = ""


def find_backend_files(extension: Path) -> list[BackendFile]:
    """Find the backends of installed packages; neither imports nor loads anything.

    Args:
        extension: The compiled engine, which a backend must fit.
    """
    places = [place for place in sys.path if place and not _is_current_folder(place)]
    files = []
    for backend in _BACKENDS:
        name = f"gpustack_draw_{backend}"
        spec = PathFinder.find_spec(name, places)
        if spec is not None and spec.origin is not None:
            path = Path(spec.origin).absolute().with_name(f"lib{name}{_SUFFIX}")
            package = name.replace("_", "-")
            files.append(BackendFile(package, path, check_library(path, extension)))
    return files


def _is_current_folder(place: str) -> bool:
    """Return True for the folder in which Python looks for scripts' modules, of any origin."""
    try:
        return Path(place).samefile(os.curdir)
    except OSError:
        return False


def check_library(path: Path, extension: Path) -> str:
    """Check that the system can load a library file.

    The loader of Linux trusts a file's headers: one that was cut short ends the process.

    Args:
        path: The library.
        extension: A library that this process has loaded.

    Returns:
        The problem; empty if there is none.
    """
    try:
        with extension.open("rb") as file:
            own = file.read(_FILE_HEADER.size)
        if not own.startswith(_ELF_MAGIC):
            return ""  # other systems check a file themselves
        with path.open("rb") as file:
            return _check_elf(file, _FILE_HEADER.unpack(own))
    except FileNotFoundError:
        return "its library is missing; reinstall it"
    except OSError as error:
        return f"its library cannot be read: {error.strerror}"
    except struct.error:
        return _DAMAGED


def _check_elf(file: BinaryIO, own: tuple[bytes, int, int, int, int]) -> str:
    header = file.read(_FILE_HEADER.size)
    identity, machine, offset, size, count = _FILE_HEADER.unpack(header)
    if not identity.startswith(_ELF_MAGIC) or size != _SEGMENT.size:
        return _DAMAGED
    if (identity, machine) != own[:2]:
        return "its library is for another type of processor"
    file.seek(offset)
    segments = [_SEGMENT.unpack(file.read(_SEGMENT.size)) for _ in range(count)]
    needed = max((begin + length for _, begin, length in segments), default=0)
    found = file.seek(0, os.SEEK_END)
    if found < needed:
        return f"its library is incomplete ({found} of at least {needed} bytes); reinstall it"
    for kind, begin, _ in segments:
        if kind == _DYNAMIC_SEGMENT:
            file.seek(begin)
            if any(file.read(8)):
                return ""
    return _DAMAGED  # parts of it are zeros
