"""Masks of the outlines of objects, with which the training pictures are painted."""

from __future__ import annotations

import math

import numpy as np

from train_demo_model.scenes import MaskStore

#: Width of an outline as a fraction of the picture's side.
STROKE = 0.032


class OutlineStore(MaskStore):
    """Masks of the outlines of objects."""

    def __init__(self, variations: int) -> None:
        """Draw all masks."""
        super().__init__(variations)
        for side, masks in self.masks.items():
            for mask in masks.reshape(-1, side, side):
                np.subtract(mask, _eroded(mask, round(STROKE * side)), out=mask)


def _eroded(mask: np.ndarray, radius: int) -> np.ndarray:
    """Return a mask without the points that are at most `radius` away from its outside."""
    result = mask.copy()
    for distance in (radius, radius / 2):
        for step in range(16):
            angle = step * math.pi / 8
            shift = (round(distance * math.sin(angle)), round(distance * math.cos(angle)))
            np.minimum(result, np.roll(mask, shift, (0, 1)), out=result)
    return result
