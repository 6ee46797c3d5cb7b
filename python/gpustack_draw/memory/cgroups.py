"""Directories of the Linux control groups that limit this process, for both cgroup versions."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ControlGroup:
    """A control group that contains this process, directly or through a nested group.

    Attributes:
        directory: Directory of the group's files.
        version: 1 or 2; the file names depend on it.
    """

    directory: Path
    version: int


def control_groups(controller: str, root: Path) -> Iterator[ControlGroup]:
    """Find the control groups that limit this process.

    Inside a container some of the outer groups are not visible. The files are described in
    cgroups(7) and in the kernel's admin-guide/cgroup-v2.rst and admin-guide/cgroup-v1.

    Args:
        controller: The limited resource: ``memory`` or ``cpu``.
        root: Directory that contains ``proc`` and ``sys``; tests use their own.

    Yields:
        The innermost group first, then its parents.
    """
    for line in read_lines(root / "proc/self/cgroup"):
        number, controllers, group = line.split(":", 2)
        if number == "0" and not controllers:
            mount, version = root / "sys/fs/cgroup", 2
        elif controller in controllers.split(","):
            mount, version = root / "sys/fs/cgroup" / controller, 1
        else:
            continue
        folder = Path(group.strip("/"))
        for path in (folder, *folder.parents) if folder.parts else (folder,):
            yield ControlGroup(mount / path, version)


def read_lines(path: Path) -> list[str]:
    """Read the lines of a small file; return none if it cannot be read."""
    try:
        return path.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return []


def read_number(path: Path) -> int | None:
    """Read the number on a file's first line; return None for other text, such as ``max``."""
    lines = read_lines(path)
    return int(lines[0]) if lines and lines[0].isdecimal() else None
