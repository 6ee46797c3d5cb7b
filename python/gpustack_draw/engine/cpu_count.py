"""Number of CPU cores that this process may use."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from gpustack_draw.memory.cgroups import control_groups, read_lines, read_number


def usable_cores(root: Path = Path("/")) -> int:
    """Return the number of threads that compute fastest: one per core this process may use.

    On Linux this is the number of physical cores in the process's affinity mask, limited by the
    CPU quota of its control groups. Hyper-threads of one core slow each other down. A quota is
    rounded down to whole cores: with more threads, the kernel stops all of them for the rest of
    each period, mostly while some wait for the others.

    Args:
        root: Directory that contains ``proc`` and ``sys``; tests use their own.

    Returns:
        At least 1 on Linux; 0 on other systems, where the engine counts the cores itself.
    """
    system: str = sys.platform  # as a plain string, or mypy checks one system only
    if system != "linux":
        return 0
    topology = root / "sys/devices/system/cpu"
    # Hyper-threads of one core list the same siblings. Without /sys each CPU counts as a core.
    cores = {
        tuple(read_lines(topology / f"cpu{cpu}/topology/thread_siblings_list")) or cpu
        for cpu in os.sched_getaffinity(0)
    }
    return max(1, min([len(cores), *_quotas(root)]))


def _quotas(root: Path) -> Iterator[int]:
    for group in control_groups("cpu", root):
        if group.version == 2:
            quota, period = (read_lines(group.directory / "cpu.max") or ["max 100000"])[0].split()
        else:
            # -1 means no quota; read_number() returns None for it.
            quota = str(read_number(group.directory / "cpu.cfs_quota_us") or "max")
            period = str(read_number(group.directory / "cpu.cfs_period_us") or "")
        if quota.isdecimal() and period.isdecimal():
            yield int(quota) // int(period)
