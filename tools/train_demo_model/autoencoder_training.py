"""Fit the picture autoencoder: the encoder directly, the decoder by gradient descent."""

from __future__ import annotations

import math
import random
import time
from pathlib import Path

import torch
from torch import Tensor, nn

from train_demo_model.autoencoder import Decoder, LinearEncoder
from train_demo_model.painting import paint
from train_demo_model.scenes import SIDES, MaskStore, SceneMaker

#: Latents in training have noise up to this deviation, like the output of the transformer.
LATENT_NOISE = 0.22
PEAK_LEARNING_RATE = 2.5e-3


class CropSource:
    """Random square crops of random scenes at both picture sizes, some in arbitrary colors."""

    def __init__(self, store: MaskStore, seed: int) -> None:
        """Create a source from a store of masks; the seed determines the crops."""
        self.store = store
        self.rng = random.Random(seed)
        self.maker = SceneMaker(self.rng)

    def crops(self, count: int, side: int) -> Tensor:
        """Return pictures (count, 3, side, side) in 0..1; crops start at multiples of 8 pixels."""
        size = SIDES[0] if self.rng.random() < 0.4 else SIDES[1]
        side = min(side, size)
        scenes = [self.maker.make() for _ in range(count)]
        pictures = paint(scenes, self.store, size)
        picked = []
        for picture in pictures:
            top, left = (8 * self.rng.randint(0, (size - side) // 8) for _ in range(2))
            picked.append(picture[:, top : top + side, left : left + side])
        return self._recolored(torch.stack(picked))

    def _recolored(self, pictures: Tensor) -> Tensor:
        """Mix the color channels of a third of the pictures, to train with other colors."""
        count = len(pictures)
        mix = torch.eye(3).repeat(count, 1, 1)
        chosen = torch.rand(count) < 0.33
        mixes = torch.rand(count, 3, 3)
        mix[chosen] = (mixes / mixes.sum(2, keepdim=True))[chosen]
        return torch.einsum("nij,njhw->nihw", mix, pictures)


def fit_encoder(store: MaskStore) -> LinearEncoder:
    """Fit the encoder to a few hundred random scenes of both sizes."""
    source = CropSource(store, seed=5)
    return LinearEncoder.fit(torch.cat([source.crops(64, 128) for _ in range(12)]))


def train_decoder(encoder: LinearEncoder, store: MaskStore, minutes: float, out: Path) -> Decoder:
    """Train the decoder, saving its averaged weights to `out` every 50 steps."""
    torch.manual_seed(2)
    decoder = Decoder().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(decoder.parameters(), 1e-3, betas=(0.9, 0.98), weight_decay=1e-4)
    average = {name: value.clone() for name, value in decoder.state_dict().items()}
    source = CropSource(store, seed=6)
    start, step = time.monotonic(), 0
    while (done := (time.monotonic() - start) / (60 * minutes)) < 1:
        count, side = (32, 64) if done < 0.8 else (8, 128)
        for group in optimizer.param_groups:
            group["lr"] = PEAK_LEARNING_RATE * min(1, step / 50) * (1 - done) + 1e-6
        error = _step(decoder, encoder, optimizer, source.crops(count, side))
        step += 1
        keep = 0.98 if step < 300 else 0.99
        with torch.no_grad():
            for name, value in decoder.state_dict().items():
                average[name].lerp_(value.float(), 1 - keep)
        if step % 50 == 0:
            print(f"decoder step {step} ({done:.0%}): {-10 * math.log10(error):.1f} dB", flush=True)
            torch.save({"encoder": encoder.state(), "decoder": average}, out)
    decoder.load_state_dict(average)
    torch.save({"encoder": encoder.state(), "decoder": average}, out)
    return decoder.eval()


def _step(
    decoder: nn.Module, encoder: LinearEncoder, optimizer: torch.optim.Optimizer, pictures: Tensor
) -> float:
    """Run one optimizer step and return the mean squared error."""
    latents = encoder.encode(pictures)
    noise = LATENT_NOISE * torch.rand(len(latents), 1, 1, 1) ** 1.5
    used = (encoder.gain != 0)[:, None, None]
    latents = latents + noise * torch.randn_like(latents) * used
    with torch.autocast("cpu", torch.bfloat16):
        drawn = decoder(latents.contiguous(memory_format=torch.channels_last))
    difference = drawn.float() - pictures
    squared = difference.square().mean()
    loss = difference.abs().mean() + 4 * squared
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(decoder.parameters(), 1.0)
    optimizer.step()
    return float(squared.detach())


def load(path: Path) -> tuple[LinearEncoder, Decoder]:
    """Load the encoder and the decoder that `train_decoder` saved."""
    state = torch.load(path)
    decoder = Decoder()
    decoder.load_state_dict(state["decoder"])
    return LinearEncoder(**state["encoder"]), decoder.eval()
