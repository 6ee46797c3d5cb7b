"""The inputs of the networks, random where the values do not matter, as NumPy arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from compare_cpu.weights import DEMO, KLEIN

if TYPE_CHECKING:
    Array = np.ndarray

WORDS = {"sd15": 77, "klein": 512, "demo": 512}
_LATENT_CHANNELS = {"sd15": 4, "klein": 32}
_START, _END, _A_CAT = 49406, 49407, (320, 2368)  # words of CLIP


def denoiser_inputs(model: str, side: int, batch: int, references: int = 0) -> tuple[Array, ...]:
    """Return the inputs of the denoiser, the noise first.

    Args:
        model: ``sd15``, ``klein`` or ``demo``.
        side: Side of the picture, in pixels.
        batch: 2 with guidance: one evaluation with the prompt and one without.
        references: Number of reference pictures of the same size, whose tokens are appended.
    """
    words = WORDS[model]
    if model == "sd15":
        times = np.full(batch, 500, np.float32)
        return _random(batch, 4, side // 8, side // 8), times, _random(batch, words, 768)
    places = (side // 16) ** 2
    tokens = places * (1 + references)
    place = np.arange(tokens) % places
    ids = np.zeros((tokens, 4), np.float32)
    ids[:, 0] = np.arange(tokens) // places * 10  # pictures are 10 apart
    ids[:, 1] = place // (side // 16)
    ids[:, 2] = place % (side // 16)
    text_ids = np.zeros((words, 4), np.float32)
    text_ids[:, 3] = np.arange(words)
    context = _random(batch, words, (KLEIN if model == "klein" else DEMO).context)
    times = np.full(batch, 0.5, np.float32)
    return _random(batch, tokens, 128), times, context, ids, text_ids


def latent(model: str, side: int) -> Array:
    """Return a random latent for the autoencoder, (1, channels, side / 8, side / 8)."""
    return _random(1, _LATENT_CHANNELS[model], side // 8, side // 8)


def prompt_tokens(batch: int) -> Array:
    """Return the tokens of the prompt "a cat" for CLIP, (batch, 77); without one first, if 2."""
    prompts = ((), _A_CAT)[-batch:]
    rows = [[_START, *prompt, _END, *[_END] * (75 - len(prompt))] for prompt in prompts]
    return np.array(rows, np.int64)


def _random(*shape: int) -> Array:
    return np.random.default_rng(1).standard_normal(shape, np.float32)
