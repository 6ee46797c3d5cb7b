"""Convert scenes to training tensors: pictures, latents, and captions as padded rows."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from train_demo_model.scenes import MaskStore, Scene
from train_demo_model.vocabulary import (
    AFTER_PROMPT,
    BEFORE_PROMPT,
    COLORS,
    PROMPT_TOKENS,
    ROW,
)

#: Colors as a tensor in 0..1 by name.
PALETTE = {name: torch.tensor(rgb, dtype=torch.float32) / 255 for name, rgb in COLORS.items()}


def _shade(color: str, tint: tuple[float, float, float]) -> Tensor:
    return (PALETTE[color] + torch.tensor(tint)).clamp(0, 1)


def paint(scenes: list[Scene], store: MaskStore, side: int) -> Tensor:
    """Return pictures (N, 3, side, side) in 0..1. Objects of a scene must not overlap."""
    layers = 2  # a scene has at most two colors besides the background's
    alphas = np.zeros((len(scenes), layers, side, side), np.uint8)
    shades = torch.zeros(len(scenes), layers, 3)
    grounds = torch.stack([_shade(scene.background, scene.tint) for scene in scenes])
    for i, scene in enumerate(scenes):
        colors = list(dict.fromkeys((thing.color, thing.tint) for thing in scene.objects))
        for thing in scene.objects:
            j = colors.index((thing.color, thing.tint))
            np.maximum(alphas[i, j], store.pick(thing, side), out=alphas[i, j])
            shades[i, j] = _shade(thing.color, thing.tint) - grounds[i]
        x, y = (round(part * side) for part in scene.shift)
        if x or y:
            alphas[i] = np.roll(alphas[i], (y, x), (1, 2))
    cover = torch.from_numpy(alphas).view(len(scenes), layers, -1).float()
    pictures = torch.baddbmm(grounds[:, :, None], shades.mT, cover, alpha=1 / 255)
    return pictures.view(len(scenes), 3, side, side)


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
    count = len(captions)
    rows = torch.zeros(count, longest + pads, dtype=torch.long)
    positions = torch.zeros(count, longest + pads)
    bias = torch.full((count, longest + pads), -1e4)
    stride = PROMPT_TOKENS / pads
    spread = torch.arange(pads) * stride + torch.rand(count, pads) * stride
    positions[:, longest:] = spread.floor()
    for i, caption in enumerate(captions):
        words = len(caption)
        bias[i, longest:] = math.log((PROMPT_TOKENS - words) / pads)
        bias[i, :words] = 0
        for j, (row, position) in enumerate(caption):
            rows[i, j], positions[i, j] = row, position
    return rows, positions, bias


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
