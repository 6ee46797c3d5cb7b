"""Euler sampling and saving for the networks that are called from Python."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

Array = Any  # of PyTorch or NumPy


def sample(
    evaluate: Callable[..., Array], inputs: Sequence[Array], steps: int, cfg_scale: float
) -> list[float]:
    """Sample and return the seconds of each step.

    Args:
        evaluate: The denoiser.
        inputs: Inputs of the denoiser, the noise first; with guidance (2, ...), the prompt second.
        steps: Number of steps.
        cfg_scale: Classifier-free guidance; 1 turns it off.

    Raises:
        FloatingPointError: Values overflowed, so that the timing is meaningless.
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
        raise FloatingPointError("values overflowed")
    return seconds


def save(pixels: np.ndarray, path: str) -> None:
    """Save a picture (1, 3, height, width), about -1 to 1, as diffusers' pipelines do."""
    from PIL import Image

    levels = ((pixels[0] / 2 + 0.5).clip(0, 1) * 255).round().astype("uint8")
    Image.fromarray(levels.transpose(1, 2, 0)).save(path)
