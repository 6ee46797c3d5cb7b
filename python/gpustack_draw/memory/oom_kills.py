"""Processes that Linux has killed because memory ran out."""

from pathlib import Path

from gpustack_draw.memory.cgroups import control_groups, read_lines

_FILES = {1: "memory.oom_control", 2: "memory.events"}


def oom_kills(root: Path = Path("/")) -> int | None:
    """Return how many processes of this one's memory control group were killed so far.

    A group without a limit counts kills, too: those for lack of memory on the whole machine. Where
    no group is visible, as in some containers, all kills of the machine count.

    Args:
        root: Directory that contains ``proc`` and ``sys``; tests use their own.

    Returns:
        The number; ``None`` if the system does not count them.
    """
    for group in control_groups("memory", root):
        count = _counted(group.directory / _FILES[group.version])
        if count is not None:
            return count
    return _counted(root / "proc/vmstat")


def _counted(path: Path) -> int | None:
    for line in read_lines(path):
        name, _, number = line.partition(" ")
        if name == "oom_kill" and number.isdecimal():
            return int(number)
    return None
