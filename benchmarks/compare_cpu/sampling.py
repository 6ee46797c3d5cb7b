"""The same Euler sampling for every network that is called from Python."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

Array = Any  # of PyTorch or NumPy


def sample(
    evaluate: Callable[..., Array], inputs: Sequence[Array], steps: int, cfg_scale: float
) -> list[float]:
    """Sample and give the seconds of each step.

    Args:
        evaluate: The denoiser.
        inputs: Noise first; (2, ...) with guidance, where the prompt's half comes second.
        steps: How many.
        cfg_scale: Classifier-free guidance; 1 for none.

    Raises:
        FloatingPointError: The numbers overflowed, and what was timed is no drawing.
    """
    noisy, *rest = inputs
    seconds = []
    for _ in range(steps):
        began = time.perf_counter()
        noise = evaluate(noisy, *rest)
        if cfg_scale != 1:
            without = noise[:1]
            noise = without + cfg_scale * (noise[1:] - without)
        noisy = noisy - noise / steps
        seconds.append(time.perf_counter() - began)
    if not abs(float(noisy.mean())) < float("inf"):
        raise FloatingPointError("the numbers overflowed")
    return seconds
