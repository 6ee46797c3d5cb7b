"""Convert scenes to training tensors: pictures, latents, and captions as padded rows."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from train_demo_model.scenes import SLOT_NAMES, Layout, MaskStore, Scene, lay_out
from train_demo_model.vocabulary import (
    AFTER_PROMPT,
    BEFORE_PROMPT,
    OBJECT_NAMES,
    PROMPT_TOKENS,
    ROW,
)

#: Side of an image token in pixels.
TOKEN = 16

#: Share of an image token that an object covers at least, for the token to show it.
SHOWN = 0.25
#: The class of image tokens without an object.
NO_OBJECT = len(OBJECT_NAMES)


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

    def objects(self, layout: Layout, side: int) -> Tensor:
        """Return the index of the object that each image token shows, (N, tokens), or NO_OBJECT."""
        share, thing = F.avg_pool2d(self._cover(layout, side).float(), TOKEN).flatten(2).max(1)
        names = self._moved(layout.masks, side).long() // (len(SLOT_NAMES) * self.variations)
        shown = names.gather(1, thing)
        return torch.where(share < SHOWN * 255, NO_OBJECT, shown)

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


def tokens_of_latents(latents: Tensor) -> Tensor:
    """Return image tokens (N, H/2 * W/2, 128) of latents (N, 32, H, W)."""
    return F.pixel_unshuffle(latents, 2).flatten(2).transpose(1, 2).contiguous()


def latents_of_tokens(tokens: Tensor) -> Tensor:
    """Return latents of image tokens, the inverse of `tokens_of_latents` for square pictures."""
    side = math.isqrt(tokens.shape[1])
    return F.pixel_shuffle(tokens.transpose(1, 2).unflatten(2, (side, side)), 2)


#: Rows, RoPE positions and attention biases of a batch of captions.
Text = tuple[Tensor, Tensor, Tensor]


def pack_text(captions: list[list[tuple[int, int]]], pads: int, longest: int | None = None) -> Text:
    """Return captions of (row, position) as tensors, with a few random padding tokens.

    The engine pads a prompt to 512 tokens. Here each sampled padding token has a weight in the
    attention (a bias of the logarithm of their number), which is much cheaper than all tokens.
    """
    longest = longest or max(1, *(len(caption) for caption in captions))
    words = np.array([len(caption) for caption in captions])
    padded = [[*caption, *[(0, 0)] * (longest - len(caption))] for caption in captions]
    placed = torch.tensor(padded).view(len(captions), longest, 2)
    stride = PROMPT_TOKENS / pads
    spread = torch.arange(pads) * stride + torch.rand(len(captions), pads) * stride
    rows = F.pad(placed[..., 0], (0, pads))
    positions = torch.cat([placed[..., 1].float(), spread.floor()], 1)
    bias = np.full((len(captions), longest + pads), -1e4, np.float32)
    bias[:, longest:] = np.log((PROMPT_TOKENS - words) / pads)[:, None]
    bias[:, :longest][np.arange(longest) < words[:, None]] = 0
    return rows, positions, torch.from_numpy(bias)


def full_text(captions: list[list[tuple[int, int]]]) -> Text:
    """Return captions as in the engine, with 512 tokens each."""
    count = len(captions)
    rows = torch.zeros(count, PROMPT_TOKENS, dtype=torch.long)
    for i, caption in enumerate(captions):
        for row, position in caption:
            rows[i, position] = row
    positions = torch.arange(PROMPT_TOKENS).expand(count, -1).float()
    return rows, positions, torch.zeros(count, PROMPT_TOKENS)


def _framed(words: list[tuple[int, int]], length: int) -> list[tuple[int, int]]:
    """Return rows and positions of a prompt of `length` tokens within the chat template."""
    start = len(BEFORE_PROMPT)
    end = start + length
    template = [(name, i) for i, name in enumerate(BEFORE_PROMPT)]
    template += [(name, end + i) for i, name in enumerate(AFTER_PROMPT)]
    placed = [(row, start + position) for row, position in words]
    return [(ROW[name], position) for name, position in template if name] + placed


def placed_caption(scene: Scene, max_words: int) -> list[tuple[int, int]]:
    """Return rows and positions of a scene's caption and of the chat template."""
    placed, position = [], 0
    for row, gap in zip(scene.caption, scene.gaps, strict=True):
        position += gap
        placed.append((row, position))
        position += 1
    return _framed(placed[:max_words], position + scene.trailing)


def placed_rows(rows: list[int]) -> list[tuple[int, int]]:
    """Return rows and positions of a prompt, from a row for each token, and of the template."""
    return _framed([(row, i) for i, row in enumerate(rows) if row], len(rows))
