"""Convert scenes to pictures, and latents to image tokens."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from train_demo_model.scenes import Layout, MaskStore, Scene, lay_out

#: Noise of pictures to edit, up to this deviation, and the share of blurred ones, like pictures
#: that the model drew or that were JPEG.
PICTURE_NOISE, BLURRED = 0.04, 0.25


class Painter:
    """Paints scenes on a device, which keeps the masks of the objects."""

    def __init__(self, store: MaskStore, device: torch.device | None = None) -> None:
        """Copy the masks of a store to a device, by default the CPU."""
        self.variations = store.variations
        self.masks = {
            side: torch.from_numpy(masks).to(device or "cpu") for side, masks in store.masks.items()
        }

    def paint(self, layout: Layout, side: int) -> Tensor:
        """Return pictures (N, 3, side, side) in 0..1. Objects of a scene must not overlap."""
        cover = self._cover(layout, side).flatten(2).float()
        shades, grounds = (self._moved(part, side) for part in (layout.shades, layout.grounds))
        pictures = torch.baddbmm(grounds[:, :, None], shades.mT, cover, alpha=1 / 255)
        return pictures.unflatten(2, (side, side))

    def _cover(self, layout: Layout, side: int) -> Tensor:
        """Return how much of each pixel the objects cover, (N, 3, side, side) in 0..255."""
        masks = self.masks[side]
        index, shifts = (self._moved(part, side) for part in (layout.masks, layout.shifts))
        line = torch.arange(side, device=masks.device)
        columns, rows = ((line - (side * shifts).round().long()[:, i, None]) % side for i in (0, 1))
        return masks[index.long()[:, :, None, None], rows[:, None, :, None], columns[:, None, None]]

    def _moved(self, array: np.ndarray, side: int) -> Tensor:
        return to_device(array, self.masks[side].device)


def to_device(array: np.ndarray, device: torch.device) -> Tensor:
    """Copy an array to a device, without waiting for a GPU that still computes."""
    tensor = torch.from_numpy(array)
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def paint(scenes: list[Scene], store: MaskStore, side: int) -> Tensor:
    """Return pictures (N, 3, side, side) in 0..1. Objects of a scene must not overlap."""
    return Painter(store).paint(lay_out(scenes, store.variations), side)


def altered(pictures: Tensor) -> Tensor:
    """Return pictures (N, 3, H, W) with noise, some of them blurred, in 256 levels."""
    count = len(pictures)
    noise = PICTURE_NOISE * (2 * torch.rand(count, 1, 1, 1, device=pictures.device) - 1).clamp(0)
    noisy = pictures + noise * torch.randn_like(pictures)
    blurred = F.avg_pool2d(F.pad(noisy, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    chosen = torch.rand(count, 1, 1, 1, device=pictures.device) < BLURRED
    return (torch.where(chosen, blurred, noisy).clamp(0, 1) * 255).round() / 255


def tokens_of_latents(latents: Tensor) -> Tensor:
    """Return image tokens (N, H/2 * W/2, 128) of latents (N, 32, H, W)."""
    return F.pixel_unshuffle(latents, 2).flatten(2).transpose(1, 2).contiguous()


def latents_of_tokens(tokens: Tensor) -> Tensor:
    """Return latents of image tokens, the inverse of `tokens_of_latents` for square pictures."""
    side = math.isqrt(tokens.shape[1])
    return F.pixel_shuffle(tokens.transpose(1, 2).unflatten(2, (side, side)), 2)
