"""Tests of the oldest glibc for which wheels can be built.

A build is tied to the glibc that it is linked with: it takes the newest version of each function.
Wheels are built in images with glibc 2.28, which shows there. Here, the versions of each function
that the glibc of this machine has tell whether an older one would do.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpustack_draw.engine.import_core import import_core

Version = tuple[int, ...]
LIBRARIES = r"\s(/\S+/(?:libc|libm|libdl|libpthread|ld-linux[\w-]*)\.so\.\d)\s"
# With the headers of an older glibc, others are called: ggml makes the system call, the standard
# library of C++ looks elsewhere, stat() is a function of the header, numbers are read as in C17.
ONLY_WITH_NEW_HEADERS = re.compile(r"getcpu|__libc_single_threaded|f?stat|__isoc23_\w+")

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or not shutil.which("nm") or not shutil.which("ldd"),
    reason="needs Linux, nm and ldd",
)


def functions(library: str, which: str) -> Iterator[tuple[str, Version]]:
    """Yield the dynamic symbols of a library that have a version of glibc."""
    command = ["nm", "-D", "--with-symbol-versions", which, library]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    for name, version in re.findall(r"(\w+)@{1,2}GLIBC_([\d.]+)$", done.stdout, re.MULTILINE):
        yield name, tuple(map(int, version.split(".")))


def test_glibc_2_17_has_every_function() -> None:
    extension = str(import_core().__file__)
    linked = subprocess.run(["ldd", extension], capture_output=True, text=True, check=True).stdout
    oldest: dict[str, Version] = {}
    for library in re.findall(LIBRARIES, linked):
        for name, version in functions(str(Path(library).resolve()), "--defined-only"):
            oldest[name] = min(version, oldest.get(name, version))
    assert len(oldest) > 1000
    newer = {
        name: oldest.get(name)
        for name, _version in functions(extension, "--undefined-only")
        if oldest.get(name, (99,)) > (2, 17) and not ONLY_WITH_NEW_HEADERS.fullmatch(name)
    }
    assert newer == {}
