"""Steps of training as tensors, and their losses."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from train_demo_model.autoencoder import LATENT_CHANNELS, USED_CHANNELS
from train_demo_model.captions import Text

#: Loss weight of the latent channels after the first three (the average colors of 8 x 8 pixels).
DETAIL_WEIGHT = 0.6
#: Noise levels are distributed as in the engine's schedule, except a share that is uniform.
NOISE_SHIFT = 6.0
EVEN_SHARE = 0.10
#: In simple scenes, more noise levels are so high that only the caption determines the picture.
EARLY_SHIFT, EARLY_SHARE = 24.0, 0.4
#: Factor of the similarities of a written token and the rows of words in the loss of captions.
CERTAINTY = 12


@dataclass(frozen=True)
class Batch:
    """Clean image tokens, noise levels, prompts and clean tokens of reference pictures."""

    clean: Tensor
    sigma: Tensor
    prompt: Text
    reference: Tensor | None = None


def channel_weights() -> Tensor:
    """Return the loss weights of the image tokens' channels.

    Unused channels have weight zero, and no noise in training, so that the model ignores them.
    """
    weights = torch.zeros(LATENT_CHANNELS)
    weights[:USED_CHANNELS] = DETAIL_WEIGHT
    weights[:3] = 1.0
    return weights.repeat_interleave(4)


def noise_levels(count: int, early: bool, device: torch.device) -> Tensor:
    """Return stratified noise levels in 0..1, most of them distributed as in the engine."""
    even = (torch.randperm(count, device=device) + torch.rand(count, device=device)) / count
    shift = torch.where(torch.rand(count, device=device) < EVEN_SHARE, 1.0, NOISE_SHIFT)
    if early:
        shift = torch.where(torch.rand(count, device=device) < EARLY_SHARE, EARLY_SHIFT, shift)
    return (shift * even / (1 + (shift - 1) * even)).clamp(1e-3, 1)


def reduced_precision(device: torch.device) -> torch.autocast:
    """Return a context that computes with 16 bits where the device is faster with them."""
    fast = device.type == "cuda" or torch.cpu.get_capabilities().get("avx512_bf16", False)
    return torch.autocast(device.type, torch.bfloat16, enabled=bool(fast))


def noisy_tokens(batch: Batch) -> tuple[Tensor, Tensor]:
    """Return the noisy image tokens of a batch, and the velocity there."""
    noise = torch.randn_like(batch.clean)
    mix = batch.sigma[:, None, None]
    return (1 - mix) * batch.clean + mix * noise, noise - batch.clean


def velocity_loss(predicted: Tensor, right: Tensor, weights: Tensor) -> Tensor:
    """Return the loss of velocities, with a weight for each channel."""
    squares = (predicted.float() - right).square().mean((0, 1))
    return (squares * weights).sum() / weights.sum()


def caption_loss(written: Tensor, prompt: Text, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return the loss of a text stream (N, L, hidden), and the share of right captions.

    Args:
        written: The text stream behind the caption blocks.
        prompt: The prompts, with the rows to write.
        rows: The text stream's input for each row.
    """
    away = ((written - rows[prompt.written]) / rows.norm(dim=1).mean()).square().sum(-1)
    similar = F.normalize(written, dim=-1) @ F.normalize(rows, dim=-1).T
    unlike = F.cross_entropy(CERTAINTY * similar.transpose(1, 2), prompt.written, reduction="none")
    loss = ((0.5 * away + unlike) * prompt.weights).sum() / prompt.weights.sum()
    right = (similar.argmax(-1) == prompt.written) | (prompt.weights == 0)
    return loss, right.all(1).float()
