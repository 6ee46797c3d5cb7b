"""Picture autoencoder: a linear encoder (principal components) and a small trained decoder.

Both are exactly expressible in the layers of the engine's tiny autoencoder (TAESD for FLUX.2):
the encoder as convolutions with stride 2 on pairs of opposite channels, the decoder as a
narrower network padded with zero channels. See export.py.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LATENT_CHANNELS = 32
#: Latent channels of the picture: enough for flat ones, and less work for the transformer. The
#: decoder ignores the others.
USED_CHANNELS = 8
#: The next latent channels contain the codes of the scene encoder times their amplitude, beside
#: which the noise of noisy latents has little effect.
CODE_CHANNELS, AMPLITUDE = 21, 64.0
#: Principal components kept after each halving of the resolution.
COMPONENTS = (12, 32, LATENT_CHANNELS)
#: Latent channels are scaled by their deviation to this power, to emphasize fine detail.
WHITENING = -0.6


def space_to_depth(x: Tensor) -> Tensor:
    """Return (N, 4C, H/2, W/2) of (N, C, H, W); channel = (2 * row + column) * C + c."""
    return torch.cat([x[:, :, i::2, j::2] for i in (0, 1) for j in (0, 1)], 1)


@dataclass
class LinearEncoder:
    """Hierarchical principal components of pictures, with an offset and a gain for each channel."""

    projections: list[Tensor]
    offset: Tensor
    gain: Tensor

    @classmethod
    def fit(cls, pictures: Tensor) -> LinearEncoder:
        """Fit to pictures (N, 3, H, W) in 0..1."""
        projections, x = [], pictures
        for kept in COMPONENTS:
            y = space_to_depth(x)
            rows = y.permute(0, 2, 3, 1).reshape(-1, y.shape[1])
            picked = torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))
            rows = rows[picked[:400_000]].double()
            _, vectors = torch.linalg.eigh(rows.T @ rows / len(rows))
            projections.append(vectors[:, -kept:].flip(1).T.float())
            x = torch.einsum("kc,nchw->nkhw", projections[-1], y)
        deviation = x.std((0, 2, 3))
        gain = (deviation / deviation[0]) ** WHITENING / deviation[0]
        gain[USED_CHANNELS:] = 0
        return cls(projections, x.mean((0, 2, 3)), gain)

    def encode(self, pictures: Tensor) -> Tensor:
        """Return latents (N, 32, H/8, W/8) of pictures (N, 3, H, W) in 0..1."""
        x = pictures
        for projection in self.projections:
            x = torch.einsum("kc,nchw->nkhw", projection, space_to_depth(x))
        return (x - self.offset[:, None, None]) * self.gain[:, None, None]

    def folded(self) -> tuple[Tensor, Tensor]:
        """Return the encoder as one stride-8 convolution: weight (32, 3, 8, 8) and bias (32)."""
        probes = torch.eye(192).view(192, 3, 8, 8)
        bias = self.encode(torch.zeros(1, 3, 8, 8)).flatten()
        weight = (self.encode(probes).flatten(1) - bias).T
        return weight.reshape(LATENT_CHANNELS, 3, 8, 8).contiguous(), bias

    def folded_to_quarter(self) -> Tensor:
        """Return the first two halvings as one stride-4 convolution: weight (32, 3, 4, 4)."""
        x = torch.eye(48).view(48, 3, 4, 4)
        for projection in self.projections[:2]:
            x = torch.einsum("kc,nchw->nkhw", projection, space_to_depth(x))
        return x.flatten(1).T.reshape(-1, 3, 4, 4).contiguous()

    def state(self) -> dict[str, object]:
        """Return the tensors for a checkpoint."""
        return {"projections": self.projections, "offset": self.offset, "gain": self.gain}


class ResidualBlock(nn.Module):
    """Three convolutions with a skip connection, as in TAESD."""

    def __init__(self, channels: int) -> None:
        """Create a block with a number of channels."""
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1) for _ in range(3))
        nn.init.zeros_(self.convs[2].weight)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the convolutions and add the input."""
        y = F.relu(self.convs[0](x))
        y = F.relu(self.convs[1](y))
        return F.relu(x + self.convs[2](y))


class Decoder(nn.Module):
    """TAESD's decoder with fewer channels and blocks than in the engine."""

    widths = (64, 64, 32, 16)
    depths = (3, 2, 1, 1)

    def __init__(self) -> None:
        """Create a decoder with random weights."""
        super().__init__()
        widths = self.widths
        self.entry = nn.Conv2d(LATENT_CHANNELS, widths[0], 3, padding=1)
        nn.init.zeros_(self.entry.weight[:, USED_CHANNELS:])
        self.stages = nn.ModuleList(
            nn.ModuleList(ResidualBlock(width) for _ in range(depth))
            for width, depth in zip(widths, self.depths, strict=True)
        )
        self.widen = nn.ModuleList(
            nn.Conv2d(a, b, 3, padding=1, bias=False) for a, b in itertools.pairwise(widths)
        )
        self.exit = nn.Conv2d(widths[-1], 3, 3, padding=1)

    def forward(self, latents: Tensor) -> Tensor:
        """Return pictures (N, 3, 8H, 8W) of latents (N, 32, H, W)."""
        x = F.relu(self.entry(3 * torch.tanh(latents / 3)))
        for level, blocks in enumerate(self.stages):
            for block in blocks:
                x = block(x)
            if level < len(self.widen):
                x = self.widen[level](F.interpolate(x, scale_factor=2.0, mode="nearest"))
        return self.exit(x)
