"""Where Linux keeps the limits of this process's control groups, of both versions."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ControlGroup:
    """A control group that has this process in it, itself or through a group inside.

    Attributes:
        directory: Its files.
        version: 1 or 2, which name their files differently.
    """

    directory: Path
    version: int


def control_groups(controller: str, root: Path) -> Iterator[ControlGroup]:
    """Give the groups whose limits this process is under; inside a container some are out of sight.

    Described in cgroups(7); Linux's documentation of the files is admin-guide/cgroup-v2.rst and
    admin-guide/cgroup-v1.

    Args:
        controller: What is limited: ``memory`` or ``cpu``.
        root: Where ``proc`` and ``sys`` are; for tests.
    """
    for line in lines_of(root / "proc/self/cgroup"):
        number, controllers, group = line.split(":", 2)
        if number == "0" and not controllers:
            mount, version = root / "sys/fs/cgroup", 2
        elif controller in controllers.split(","):
            mount, version = root / "sys/fs/cgroup" / controller, 1
        else:
            continue
        folder = Path(group.strip("/"))
        for place in (folder, *folder.parents) if folder.parts else (folder,):
            yield ControlGroup(mount / place, version)


def lines_of(path: Path) -> list[str]:
    """Give a small file's lines; none where it cannot be read."""
    try:
        return path.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return []


def number_in(path: Path) -> int | None:
    """Give the number that is a file's first line; None where it holds none, such as ``max``."""
    lines = lines_of(path)
    return int(lines[0]) if lines and lines[0].isdecimal() else None
