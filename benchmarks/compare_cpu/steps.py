"""Seconds of single steps, from progress callbacks and logs."""

from __future__ import annotations

import re
from itertools import pairwise

_PROGRESS = re.compile(r"(\d+)/(\d+) - ([0-9.]+)(s/it|it/s)")
_TAKING = r"%s completed, taking ([0-9.]+)s"


def differences(ends: list[float]) -> list[float]:
    """Return the seconds of each step from the times at which the steps ended."""
    return [end - start for start, end in pairwise([0.0, *ends])]


def logged_seconds(log: str, phase: str) -> float:
    """Return the total seconds of a phase in the engine's log.

    Args:
        log: Output of sd-cli.
        phase: The phase as named in the log, such as ``decode_first_stage``.

    Raises:
        ValueError: The log does not contain them.
    """
    found = re.findall(_TAKING % re.escape(phase), log)
    if not found:
        raise ValueError(f"no seconds of {phase} in the engine's log")
    return sum(map(float, found))


def step_seconds(log: str) -> list[float]:
    """Return the seconds of each sampling step from the engine's log.

    The progress bar prints the running mean in hundredths, which is exact enough for the first
    step only. The rest of the sampling time is divided equally among the other steps.

    Raises:
        ValueError: The log does not contain them.
    """
    means = {}
    for step, total, number, unit in _PROGRESS.findall(log):
        mean = float(number)
        if mean > 0:
            means[int(step), int(total)] = mean if unit == "s/it" else 1 / mean
    steps = max((total for _step, total in means), default=0)
    if (1, steps) not in means:
        raise ValueError("no sampling steps in the engine's log")
    first, whole = means[1, steps], logged_seconds(log, "sampling")
    if steps == 1:
        return [whole]
    return [first, *[(whole - first) / (steps - 1)] * (steps - 1)]
