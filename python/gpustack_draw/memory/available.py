"""The memory that is available on this machine."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from gpustack_draw.memory.cgroups import control_groups, read_lines, read_number

# Address space that the engine's process reserves and never touches: libraries and empty buffers,
# and per core the stack and heap of a thread.
RESERVED_ADDRESSES = 650_000_000
RESERVED_ADDRESSES_PER_CORE = 75_000_000


def available_memory(root: Path = Path("/")) -> int | None:
    """Return the memory that a new process can use without swapping, in bytes.

    On Linux this is the minimum of the kernel's ``MemAvailable``, the unused part of the memory
    limits of this process's control groups (both versions), and the unused part of its address
    space limit. On Windows it is the free memory, on macOS the installed memory.

    Args:
        root: Directory that contains ``proc`` and ``sys``; tests use their own.

    Returns:
        Bytes; ``None`` if the system does not report it.
    """
    system: str = sys.platform  # as a plain string, or mypy checks one system only
    if system == "linux":
        return min(_linux_limits(root), default=None)
    if system == "win32":
        return _windows_free()
    with contextlib.suppress(OSError, ValueError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None


def _linux_limits(root: Path) -> Iterator[int]:
    for line in read_lines(root / "proc/meminfo"):
        if line.startswith("MemAvailable:"):
            yield int(line.split()[1]) * 1024
    for group in control_groups("memory", root):
        names = {
            2: ("memory.max", "memory.current", "inactive_file"),
            1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        }
        limit_name, usage_name, cache_name = names[group.version]
        limit = read_number(group.directory / limit_name)
        usage = read_number(group.directory / usage_name)
        if limit is None or usage is None:
            continue  # no limit
        # The kernel drops this part of the file cache when the group needs the memory.
        cache = sum(
            int(line.split()[1])
            for line in read_lines(group.directory / "memory.stat")
            if line.startswith(f"{cache_name} ")
        )
        yield max(0, limit - max(0, usage - cache))
    if root == Path("/"):
        yield from _address_space_left()


def _address_space_left() -> Iterator[int]:
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    pages = read_lines(Path("/proc/self/statm"))
    if soft != resource.RLIM_INFINITY and pages:
        this_process = int(pages[0].split()[0]) * resource.getpagesize()
        engine_process = RESERVED_ADDRESSES + RESERVED_ADDRESSES_PER_CORE * (os.cpu_count() or 1)
        yield max(0, soft - max(this_process, engine_process))


def _windows_free() -> int | None:
    import ctypes

    class Status(ctypes.Structure):
        _fields_ = (
            ("length", ctypes.c_ulong),
            ("load", ctypes.c_ulong),
            ("total", ctypes.c_ulonglong),
            ("available", ctypes.c_ulonglong),
            ("rest", ctypes.c_ulonglong * 5),
        )

    status = Status(length=ctypes.sizeof(Status))
    kernel32 = ctypes.windll.kernel32  # type: ignore[attr-defined,unused-ignore]
    if kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):
        return int(status.available)
    return None
