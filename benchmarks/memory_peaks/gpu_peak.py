"""The memory that ggml's Vulkan backend allocates, from its own log."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

# "ggml_vulkan memory: NAME: +12.50 MiB device at 0x1. Total device: 1.20 GiB, total host: 0 B"
_TOTAL = re.compile(r"ggml_vulkan memory: .* Total device: ([\d.]+) (\w+),")
_UNITS = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


def log_allocations() -> None:
    """Make engines that start from now on log each allocation."""
    os.environ["GGML_VK_MEMORY_LOGGER"] = "1"


def gpu_peak(lines: Iterable[str]) -> float:
    """Return the largest number of bytes that were allocated at a time on the device.

    Args:
        lines: The log of a drawing.
    """
    totals = (_TOTAL.search(line) for line in lines)
    return max((float(each[1]) * _UNITS[each[2]] for each in totals if each), default=0.0)
