"""Draw with the PyTorch model and with the noise, schedule and steps of the engine.

For contact sheets during training, and for comparing the engine with PyTorch.
"""

from __future__ import annotations

import itertools
import math
import random

import numpy as np
import torch
from torch import Tensor

from train_demo_model.autoencoder import Decoder
from train_demo_model.captions import Text, full_text, pack_text, prompt_of_rows
from train_demo_model.painting import latents_of_tokens
from train_demo_model.transformer import IMAGE_CHANNELS, Transformer
from train_demo_model.vocabulary import rows_of

#: Side of an image token in pixels.
TOKEN = 16
_LOW = np.uint64(0xFFFFFFFF)


def philox_normal(seed: int, count: int) -> np.ndarray:
    """Return normal random numbers of the engine's "cuda" generator (Philox 4x32, Box-Muller)."""
    counter = [np.zeros(count, np.uint64) for _ in range(4)]
    counter[2] = np.arange(count, dtype=np.uint64)
    key = [seed & 0xFFFFFFFF, seed >> 32]
    for _ in range(10):
        first = counter[0] * np.uint64(0xD2511F53)
        second = counter[2] * np.uint64(0xCD9E8D57)
        counter = [
            (second >> np.uint64(32)) ^ counter[1] ^ np.uint64(key[0]),
            second & _LOW,
            (first >> np.uint64(32)) ^ counter[3] ^ np.uint64(key[1]),
            first & _LOW,
        ]
        key = [(key[0] + 0x9E3779B9) & 0xFFFFFFFF, (key[1] + 0xBB67AE85) & 0xFFFFFFFF]
    unit = np.float32(2.0**-32)
    turn = np.float32(2.0**-32 * 2 * math.pi)
    u = counter[0].astype(np.float32) * unit + unit / 2
    v = counter[1].astype(np.float32) * turn + turn / 2
    return np.sqrt(-2 * np.log(u)) * np.sin(v)


def schedule(steps: int, image_tokens: int) -> list[float]:
    """Return the noise levels of the engine's FLUX.2 schedule, from 1 to 0."""
    at_200 = 0.00016927 * image_tokens + 0.45666666
    at_10 = 8.73809524e-5 * image_tokens + 1.89833333
    slope = (at_200 - at_10) / 190
    shift = math.exp(slope * steps + at_200 - 200 * slope)
    times = [999 - 999 / (steps - 1) * i for i in range(steps)] if steps > 1 else [999.0]
    return [shift / (shift + 1000 / (time + 1) - 1) for time in times] + [0.0]


def _caption(prompts: list[str], exact: bool) -> Text:
    placed = [prompt_of_rows(rows_of(prompt)) for prompt in prompts]
    return full_text(placed) if exact else pack_text(placed, random.Random(0))


def draw(
    model: Transformer,
    decoder: Decoder,
    prompts: list[str],
    *,
    seeds: list[int],
    side: int,
    steps: int = 8,
    exact: bool = False,
) -> Tensor:
    """Return pictures (N, 3, side, side) in 0..1; with `exact`, use all padding tokens."""
    caption = _caption(prompts, exact)
    return decoder(latents_of_tokens(_sampled(model, caption, seeds, side, steps))).clamp(0, 1)


def draw_edits(
    model: Transformer,
    decoder: Decoder,
    prompts: list[str],
    reference: Tensor,
    *,
    seeds: list[int],
    steps: int = 4,
    exact: bool = False,
) -> Tensor:
    """Return edited pictures; `reference` has the image tokens of the pictures to edit."""
    caption = _caption(prompts, exact)
    side = TOKEN * math.isqrt(reference.shape[1])
    tokens = _sampled(model, caption, seeds, side, steps, reference)
    return decoder(latents_of_tokens(tokens)).clamp(0, 1)


@torch.no_grad()
def _sampled(
    model: Transformer,
    caption: Text,
    seeds: list[int],
    side: int,
    steps: int,
    reference: Tensor | None = None,
) -> Tensor:
    """Return the image tokens after all steps."""
    grid = side // TOKEN
    noise = [philox_normal(seed, IMAGE_CHANNELS * grid * grid) for seed in seeds]
    x = torch.stack([torch.from_numpy(n).view(IMAGE_CHANNELS, -1).T for n in noise]).float()
    levels = schedule(steps, grid * grid)
    for level, following in itertools.pairwise(levels):
        velocity = model(x, torch.full((len(x),), level), caption, reference)
        x = x + (following - level) * velocity
    return x
