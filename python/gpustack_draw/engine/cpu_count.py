"""How many cores this process may use."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from gpustack_draw.engine.cgroups import control_groups, lines_of, number_in


def usable_cores(root: Path = Path("/")) -> int:
    """Tell how many threads compute fastest: one a core that this process may use.

    On Linux the physical cores (hyper-threads of one core make each other slower) that its
    affinity allows, and no more than the quota of its control groups, in either version, is worth.
    A quota counts in whole cores: with more threads than that all are stopped for the rest of each
    period, most of the time while others wait for them.

    Args:
        root: Where ``proc`` and ``sys`` are; for tests.

    Returns:
        At least 1; 0 where the system is another one, and the engine is left to count.
    """
    system: str = sys.platform  # as a plain string, or mypy checks one system only
    if system != "linux":
        return 0
    siblings = root / "sys/devices/system/cpu"
    # Hyper-threads of one core list the same siblings. Without /sys each counts as a core.
    cores = {
        tuple(lines_of(siblings / f"cpu{cpu}/topology/thread_siblings_list")) or cpu
        for cpu in os.sched_getaffinity(0)
    }
    return max(1, min([len(cores), *_quotas(root)]))


def _quotas(root: Path) -> Iterator[int]:
    for group in control_groups("cpu", root):
        if group.version == 2:
            quota, period = (lines_of(group.directory / "cpu.max") or ["max 100000"])[0].split()
        else:
            # -1 is no quota, and no decimal number.
            quota = str(number_in(group.directory / "cpu.cfs_quota_us") or "max")
            period = str(number_in(group.directory / "cpu.cfs_period_us") or "")
        if quota.isdecimal() and period.isdecimal():
            yield int(quota) // int(period)
