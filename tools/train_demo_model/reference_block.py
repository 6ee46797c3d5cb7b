"""Insert a block whose attention starts at the matching token of the reference picture.

An edit keeps most of the reference, so each image token needs the reference token at its own place.
A small model takes very long to find this attention by gradient descent. The inserted block has
it from the start. Its output is zero, so the model draws the same pictures before its training.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from train_demo_model.plans import Planner
from train_demo_model.training import BatchSource
from train_demo_model.transformer import (
    HEAD,
    REFERENCE_POSITION,
    ROPE_THETA,
    Shape,
    SingleBlock,
    Transformer,
    modulated,
)

#: Squared amplitudes of the rotary frequencies, from the highest: for the reference's position on
#: the first axis, for rows and for columns. The highest ones tell neighboring tokens apart.
PICTURE_AXIS = (1.0, 0.0, 1.0, 1.0)
PLACE_AXIS = (4.0, 3.0, 2.0, 1.0, 1.0, 1.0)
#: Shares of the three axes in the attention's logit.
SHARES = (0.1, 0.45, 0.45)
#: Scale of the norms of queries and keys; 1 would attend to the neighbors as well.
SHARPNESS = 2.2
#: Length of queries and keys before their norms: training changes long ones slowly.
LENGTH = 30.0


@torch.no_grad()
def insert_reference_block(
    weights: dict[str, Tensor], shape: Shape, source: BatchSource
) -> tuple[dict[str, Tensor], Shape]:
    """Return the weights and the sizes of a model with the block before its single blocks."""
    model = Transformer(shape)
    model.load_state_dict(weights)
    longer = replace(shape, singles=shape.singles + 1)
    prefix = "single_blocks."
    moved = {}
    for name, value in weights.items():
        number, _, rest = name.removeprefix(prefix).partition(".")
        is_single = name.startswith(prefix)
        moved[f"{prefix}{int(number) + 1}.{rest}" if is_single else name] = value
    block = _reference_block(shape.hidden, _common_direction(model, source))
    moved |= {f"{prefix}0.{name}": value for name, value in block.state_dict().items()}
    return moved, longer


def _common_direction(model: Transformer, source: BatchSource) -> Tensor:
    """Return a vector with products of about 1 with picture tokens and -1 with text tokens."""
    inputs: list[Tensor] = []

    def keep(_block: SingleBlock, arguments: tuple[Tensor, tuple[Tensor, ...]]) -> None:
        x, modulation = arguments[:2]
        inputs.append(modulated(x, modulation[0], modulation[1]))

    hook = model.single_blocks[0].register_forward_pre_hook(keep)
    planner, texts = Planner("reference block", source.painter.variations), []
    for side in (256, 128, 256, 128):
        batch = source.batch(planner.editing(side))
        model(batch.clean, batch.sigma, batch.caption, batch.reference)
        texts.append(batch.caption[0].shape[1])
    hook.remove()
    gram = torch.zeros(model.shape.hidden, model.shape.hidden)
    sums = torch.zeros(model.shape.hidden)
    for tokens, length in zip(inputs, texts, strict=True):
        for part, target in ((tokens[:, length:], 1.0), (tokens[:, :length], -1.0)):
            rows = part.flatten(0, 1)
            gram += rows.T @ rows / len(rows)
            sums += target * rows.mean(0)
    ridge = 1e-3 * gram.diagonal().mean() * torch.eye(len(gram))
    return torch.linalg.solve(gram + ridge, sums)


def _reference_block(hidden: int, direction: Tensor) -> SingleBlock:
    block = SingleBlock(hidden)
    query, key = _query_and_key()
    heads = hidden // HEAD
    linear1, linear2 = block.linear1.weight, block.linear2.weight
    linear1[:hidden] = LENGTH * query.repeat(heads)[:, None] * direction
    linear1[hidden : 2 * hidden] = LENGTH * key.repeat(heads)[:, None] * direction
    torch.nn.init.orthogonal_(linear1[2 * hidden : 3 * hidden])
    linear2.zero_()
    for norm in (block.norm.query_norm, block.norm.key_norm):
        norm["scale"].fill_(SHARPNESS)
    return block


def _query_and_key() -> tuple[Tensor, Tensor]:
    """Return a query and a key that fit best where the key is the reference's at the same place."""
    steps = HEAD // 8
    frequencies = ROPE_THETA ** -(torch.arange(steps) / steps)
    amplitudes, phases = torch.zeros(4, steps), torch.zeros(4, steps)
    for axis, (share, squares) in enumerate(
        zip(SHARES, (PICTURE_AXIS, PLACE_AXIS, PLACE_AXIS), strict=True)
    ):
        amplitudes[axis, : len(squares)] = (share * torch.tensor(squares) / sum(squares)).sqrt()
    phases[0] = -REFERENCE_POSITION * frequencies
    amplitudes, phases = amplitudes.flatten(), phases.flatten()
    query = torch.stack((amplitudes, torch.zeros_like(amplitudes)), -1).flatten()
    key = torch.stack((amplitudes * phases.cos(), amplitudes * phases.sin()), -1).flatten()
    return query, key
