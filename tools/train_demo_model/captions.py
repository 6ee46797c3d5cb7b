"""Prompts as the engine passes them to the transformer, and captions that its first blocks write.

With a reference picture, the first blocks of the transformer turn an instruction into the caption
of the result: the tokens of the instruction become padding, and the caption is written over the
padding behind the chat template. The other blocks draw it like a prompt.
"""

from __future__ import annotations

import math
import random
from typing import NamedTuple

import torch
from torch import Tensor

from train_demo_model.edits import SLOT_COUNT
from train_demo_model.scenes import Scene
from train_demo_model.vocabulary import AFTER_PROMPT, ANCHORS, BEFORE_PROMPT, PROMPT_TOKENS, ROW

#: Maximum number of caption words in training, of sampled padding tokens between them, and behind
#: the slots. GPUs copy attention biases unless the number of all tokens is a multiple of 8.
CAPTION_WORDS, GAPS, PADS = 14, 2, 3
#: Padding tokens are sampled more often near the slots: powers of uniform random numbers.
NEARNESS = (3.0, 1.5, 1.0)
HIDDEN = -1e4
_ANCHOR_ROWS = {ROW[name] for name in ANCHORS}


class Text(NamedTuple):
    """Prompts: rows, RoPE positions and attention biases of their tokens, each (N, L).

    `written` are the rows after the first blocks; `weights` those of their loss.
    """

    rows: Tensor
    positions: Tensor
    bias: Tensor
    written: Tensor
    weights: Tensor


#: Row, position, attention bias and written row of a token.
Token = tuple[int, float, float, int]


class Prompt(NamedTuple):
    """The known tokens of a prompt in the chat template, as (row, position), and the end."""

    tokens: list[tuple[int, int]]
    end: int


def _framed(words: list[tuple[int, int]], length: int) -> Prompt:
    """Return a prompt of `length` tokens in the template, whose last token becomes the end."""
    start = len(BEFORE_PROMPT)
    after = start + length
    template = [(ROW[name], i) for i, name in enumerate(BEFORE_PROMPT)]
    template += [(ROW[name], after + i) for i, name in enumerate(AFTER_PROMPT[:-1])]
    placed = [(row, start + position) for row, position in words]
    return Prompt(template + placed, after + len(AFTER_PROMPT) - 1)


def prompt_of_caption(scene: Scene) -> Prompt:
    """Return the caption of a scene."""
    placed, position = [], 0
    for row, gap in zip(scene.caption, scene.gaps, strict=True):
        position += gap
        placed.append((row, position))
        position += 1
    return _framed(placed[:CAPTION_WORDS], position + scene.trailing)


def prompt_of_rows(rows: list[int]) -> Prompt:
    """Return a prompt from a row for each token; 0 is unknown."""
    return _framed([(row, i) for i, row in enumerate(rows) if row], len(rows))


def pack_text(
    prompts: list[Prompt], rng: random.Random, results: list[list[int]] | None = None
) -> Text:
    """Return prompts with a few random padding tokens; `results` are the captions to write.

    The engine pads a prompt to 512 tokens. Here each sampled padding token has a weight in the
    attention (a bias of the logarithm of their number), which is much cheaper than all tokens.
    """
    everything = results or [None] * len(prompts)
    return _stack([_packed(*pair, rng) for pair in zip(prompts, everything, strict=True)])


def _packed(prompt: Prompt, result: list[int] | None, rng: random.Random) -> list[Token]:
    """Return the tokens of a prompt, with hidden ones, so that all prompts have equally many."""
    end, words = prompt.end, CAPTION_WORDS + len(BEFORE_PROMPT) + len(AFTER_PROMPT) - 1
    tokens = [
        (row, float(position), 0.0, row if result is None or row in _ANCHOR_ROWS else 0)
        for row, position in prompt.tokens
    ]
    tokens += [(0, 0.0, HIDDEN, 0)] * (words - len(tokens))
    free = sorted(set(range(end)) - {position for _, position in prompt.tokens})
    picked = rng.sample(free, min(GAPS, len(free)))
    tokens += [(0, float(position), math.log(len(free) / len(picked)), 0) for position in picked]
    tokens += [(0, 0.0, HIDDEN, 0)] * (GAPS - len(picked))
    last = ROW[AFTER_PROMPT[-1]]
    rows = [last] + [0] * (SLOT_COUNT - 1)
    tokens += [
        (row, float(end + i), 0.0, row if result is None else result[i])
        for i, row in enumerate(rows)
    ]
    others = PROMPT_TOKENS - end - SLOT_COUNT
    for power in NEARNESS:
        position = end + SLOT_COUNT + math.floor(rng.random() ** power * others)
        tokens.append((0, float(min(position, PROMPT_TOKENS - 1)), math.log(others / PADS), 0))
    return tokens


def _stack(prompts: list[list[Token]]) -> Text:
    """Return prompts as tensors."""
    columns = torch.tensor(prompts, dtype=torch.float64).movedim(-1, 0)
    rows, positions, bias, written = columns.unbind()
    weights = (bias > HIDDEN).float()
    weights[:, -SLOT_COUNT - PADS :] *= 2
    return Text(rows.long(), positions.float(), bias.float(), written.long(), weights)


def full_text(prompts: list[Prompt]) -> Text:
    """Return prompts as in the engine, with 512 tokens each."""
    packed = []
    for prompt in prompts:
        rows = [0] * PROMPT_TOKENS
        for row, position in [*prompt.tokens, (ROW[AFTER_PROMPT[-1]], prompt.end)]:
            rows[position] = row
        packed.append([(row, float(i), 0.0, row) for i, row in enumerate(rows)])
    return _stack(packed)
