"""The part of the picture encoder that names what a picture shows, in unused latent channels.

A small convolutional network learns this in minutes, a transformer in days. Each cell of 8 x 8
pixels gets the code of the object that it belongs to, the code of the color there, and whether it
belongs to an object. The layers are those of the engine's tiny autoencoder after its second halving
of the resolution; see export.py.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from train_demo_model.autoencoder import (
    CODE_CHANNELS,
    USED_CHANNELS,
    LinearEncoder,
    space_to_depth,
)
from train_demo_model.edits import EditMaker
from train_demo_model.painting import Painter, altered
from train_demo_model.scenes import SLOTS, MaskStore, Scene, lay_out
from train_demo_model.vocabulary import COLOR_NAMES, OBJECT_NAMES

#: Channels of the codes of objects and of colors; one more channel is positive in objects.
OBJECT_CODE, COLOR_CODE = 12, 8
#: Channels of all inner layers: pairs of signs of the picture's components, then features.
WIDE = 64
PAIRS = 2 * USED_CHANNELS
FEATURES = WIDE - PAIRS
BLOCKS = 3
#: Radius of the cells of an object, and of those that may belong to it, as shares of its radius.
INNER, OUTER, UNSURE = 0.85, 1.1, 0.15
#: Pictures per step by side.
BATCH = {128: 48, 256: 14}
LARGE_SHARE, RATE = 0.4, 2.5e-3


def _codes(count: int, channels: int, seed: int) -> Tensor:
    """Return signs (count, channels) that differ much from each other."""
    rng, best, least = np.random.default_rng(seed), None, (np.inf, np.inf)
    for _ in range(4000):
        signs = np.sign(rng.standard_normal((count, channels)))
        products = signs @ signs.T - 2 * channels * np.eye(count)
        quality = (products.max(), np.square(products).sum())
        if quality < least:
            best, least = signs, quality
    return torch.tensor(best).float()


OBJECT_CODES = _codes(len(OBJECT_NAMES), OBJECT_CODE, 1)
COLOR_CODES = _codes(len(COLOR_NAMES), COLOR_CODE, 2)


class SceneEncoder(nn.Module):
    """The network; its normalizations are folded into its convolutions after training."""

    def __init__(self, encoder: LinearEncoder, normed: bool = False) -> None:
        """Create a network with random weights that reads the components of a linear encoder."""
        super().__init__()
        weight = encoder.folded_to_quarter()
        self.register_buffer("quarter", weight, persistent=False)
        self.register_buffer("last_halving", encoder.projections[2][:USED_CHANNELS].clone())
        self.halve = nn.Conv2d(WIDE, FEATURES, 3, stride=2, padding=1, bias=False)
        outputs = (WIDE, WIDE, FEATURES)
        self.blocks = nn.ModuleList(
            nn.ModuleList(nn.Conv2d(WIDE, channels, 3, padding=1) for channels in outputs)
            for _ in range(BLOCKS)
        )
        self.norms = nn.ModuleList(
            nn.ModuleList(
                nn.BatchNorm2d(channels, momentum=0.02) if normed else nn.Identity()
                for channels in outputs
            )
            for _ in range(BLOCKS)
        )
        self.last = nn.Conv2d(WIDE, CODE_CHANNELS, 3, padding=1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, pictures: Tensor) -> Tensor:
        """Return codes (N, CODE_CHANNELS, H/8, W/8) of pictures (N, 3, H, W) in 0..1."""
        quarter = F.conv2d(pictures, self.quarter, stride=4)
        parts = torch.einsum("kc,nchw->nkhw", self.last_halving, space_to_depth(quarter))
        pairs = torch.cat([parts, -parts], 1)
        features = self.halve(F.relu(torch.cat([quarter, -quarter], 1)))
        for convs, norms in zip(self.blocks, self.norms, strict=True):
            x = torch.cat([pairs, features], 1)
            for i in (0, 1):
                x = F.relu(norms[i](convs[i](x)))
            features = F.relu(features + norms[2](convs[2](x)))
            pairs = F.relu(pairs)  # the engine has no ReLU before the first block
        return self.last(torch.cat([pairs, features], 1))

    @torch.no_grad()
    def folded(self, encoder: LinearEncoder) -> SceneEncoder:
        """Return the network with its normalizations as part of its convolutions."""
        plain = SceneEncoder(encoder)
        weights = {k: v for k, v in self.state_dict().items() if not k.startswith("norms.")}
        for i, norms in enumerate(self.norms):
            for j, norm in enumerate(norms):
                name = f"blocks.{i}.{j}."
                gain = norm.weight / (norm.running_var + norm.eps).sqrt()
                weights[name + "weight"] = weights[name + "weight"] * gain[:, None, None, None]
                bias = weights[name + "bias"] - norm.running_mean
                weights[name + "bias"] = bias * gain + norm.bias
        plain.load_state_dict(weights)
        return plain.eval()


def right_codes(scenes: list[Scene], side: int) -> tuple[Tensor, Tensor]:
    """Return the codes (N, CODE_CHANNELS, H/8, W/8) of scenes, and weights (N, H/8, W/8).

    Cells near the outline of an object have small weights, because they may belong to it or not.
    """
    cells = side // 8
    line = (np.arange(cells) + 0.5) / cells
    codes = np.zeros((len(scenes), CODE_CHANNELS, cells, cells), np.float32)
    weights = np.ones((len(scenes), cells, cells), np.float32)
    end = OBJECT_CODE + COLOR_CODE
    codes[:, end] = -1
    for i, scene in enumerate(scenes):
        ground = COLOR_CODES[COLOR_NAMES.index(scene.background)].numpy()
        codes[i, OBJECT_CODE:end] = ground[:, None, None]
        for thing in scene.objects:
            x, y, radius = SLOTS[thing.slot]
            away = np.hypot(line[None, :] - x - scene.shift[0], line[:, None] - y - scene.shift[1])
            inside = away < INNER * radius
            color = COLOR_CODES[COLOR_NAMES.index(thing.color)]
            code = [*OBJECT_CODES[OBJECT_NAMES.index(thing.name)], *color, 1]
            codes[i][:, inside] = np.array(code, np.float32)[:, None]
            weights[i][(away >= INNER * radius) & (away < OUTER * radius)] = UNSURE
    return torch.from_numpy(codes), torch.from_numpy(weights)


def train(encoder: LinearEncoder, store: MaskStore, minutes: float, out: Path) -> None:
    """Train the network, and save its averaged weights to `out` every 50 steps."""
    torch.manual_seed(4)
    model = SceneEncoder(encoder, normed=True).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), RATE, betas=(0.9, 0.98), weight_decay=1e-4)
    average = {name: value.clone() for name, value in model.state_dict().items()}
    batches = _batches(store)
    start, step = time.process_time(), 0
    while (done := _minutes_since(start) / minutes) < 1:
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1, (step + 1) / 100) * (1 - done) + 1e-6
        scenes, side, pictures = next(batches)
        loss, right = _loss(model(pictures), *right_codes(scenes, side))
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        step += 1
        keep = min(0.995, 1 - 1 / (0.1 * step + 1))
        for name, value in model.state_dict().items():
            averaged = value.is_floating_point() and "running" not in name
            average[name] = average[name].lerp_(value, 1 - keep) if averaged else value.clone()
        if step % 50 == 0:
            print(f"scene encoder step {step} ({done:.0%}): objects {right:.1%}", flush=True)
            torch.save(average, out)
    torch.save(average, out)


def load(path: Path, encoder: LinearEncoder) -> SceneEncoder:
    """Load the network that `train` saved."""
    model = SceneEncoder(encoder, normed=True)
    model.load_state_dict(torch.load(path, weights_only=True))
    return model.folded(encoder)


def _minutes_since(start: float) -> float:
    """Return minutes of work, because other programs share the machine."""
    return (time.process_time() - start) / (60 * torch.get_num_threads())


def _batches(store: MaskStore) -> Iterator[tuple[list[Scene], int, Tensor]]:
    """Return endless scenes, with their sides and pictures."""
    rng, painter = random.Random(5), Painter(store)
    maker = EditMaker(rng, displaced=0.5)
    while True:
        side = 256 if rng.random() < LARGE_SHARE else 128
        scenes = [maker.make().before for _ in range(BATCH[side])]
        pictures = altered(painter.paint(lay_out(scenes, painter.variations), side))
        yield scenes, side, pictures.contiguous(memory_format=torch.channels_last)


def _loss(codes: Tensor, target: Tensor, weights: Tensor) -> tuple[Tensor, float]:
    """Return the loss of codes, and the share of cells in objects with the right object."""
    end = OBJECT_CODE + COLOR_CODE
    inside = (target[:, end] > 0).float()
    scaled = weights * (1 + 2 * inside)
    loss = ((codes - target).square().mean(1) * scaled).mean()
    colors, right_colors = (
        torch.einsum("nchw,kc->nkhw", part[:, OBJECT_CODE:end], COLOR_CODES)
        for part in (codes, target)
    )
    wrong = F.cross_entropy(0.7 * colors, right_colors.argmax(1), reduction="none")
    loss = loss + 0.15 * (wrong * scaled).mean()
    sure = inside * weights > UNSURE
    objects, right_objects = (
        part.movedim(1, -1)[sure][:, :OBJECT_CODE] @ OBJECT_CODES.T for part in (codes, target)
    )
    names = right_objects.argmax(1)
    loss = loss + 0.15 * F.cross_entropy(0.5 * objects, names)
    return loss, float((objects.argmax(1) == names).float().mean())
