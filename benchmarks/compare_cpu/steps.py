"""Seconds of single steps from what programs tell."""

from __future__ import annotations

import re
from itertools import pairwise

_PROGRESS = re.compile(r"(\d+)/(\d+) - ([0-9.]+)(s/it|it/s)")
_TAKING = r"%s completed, taking ([0-9.]+)s"


def differences(ends: list[float]) -> list[float]:
    """Seconds of each step from the seconds at which each ended."""
    return [end - start for start, end in pairwise([0.0, *ends])]


def taken(log: str, what: str) -> float:
    """Seconds that the engine's log tells of a part of its work, all of them together.

    Args:
        log: What sd-cli printed.
        what: The part as the log calls it, ``decode_first_stage``.

    Raises:
        ValueError: The log does not tell.
    """
    found = re.findall(_TAKING % re.escape(what), log)
    if not found:
        raise ValueError(f"the engine's log tells no seconds of {what}")
    return sum(map(float, found))


def step_seconds(log: str) -> list[float]:
    """Seconds of each sampling step from the engine's log.

    Its bar tells the mean so far, to a hundredth: that is exact enough for the first step alone,
    so those after it are given as equal parts of what the sampling took in all.

    Raises:
        ValueError: The log does not tell.
    """
    means = {}
    for step, total, number, unit in _PROGRESS.findall(log):
        mean = float(number)
        if mean > 0:
            means[int(step), int(total)] = mean if unit == "s/it" else 1 / mean
    steps = max((total for _step, total in means), default=0)
    if (1, steps) not in means:
        raise ValueError("the engine's log tells no sampling steps")
    first, whole = means[1, steps], taken(log, "sampling")
    if steps == 1:
        return [whole]
    return [first, *[(whole - first) / (steps - 1)] * (steps - 1)]
