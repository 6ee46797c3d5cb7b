"""Blocks of the diffusion transformer, with the engine's names and layout.

No biases, heads of 128 channels, and rotary positions on four axes.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

HEAD = 128
ROPE_THETA = 2000.0
#: Feed-forward width as a multiple of the hidden width; the engine's `mlp_ratio`.
FEED_FORWARD = 3


class Linear(nn.Linear):
    """A matrix without bias."""

    def __init__(self, inputs: int, outputs: int, spread: float | None = None) -> None:
        """Create a matrix; `spread` is the deviation of its initial weights."""
        super().__init__(inputs, outputs, bias=False)
        nn.init.normal_(self.weight, 0.0, 1 / math.sqrt(inputs) if spread is None else spread)


def rms_norm(x: Tensor, scale: Tensor) -> Tensor:
    """Return x scaled to a root mean square of `scale`."""
    x = x.float()
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6) * scale


def modulated(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """Return the layer norm of the residual stream, scaled and shifted."""
    normed = F.layer_norm(x, x.shape[-1:], eps=1e-6)
    return torch.addcmul(shift, normed, 1 + scale)


def rope_table(positions: Tensor) -> tuple[Tensor, Tensor]:
    """Return cosines and sines (N, L, 1, 64) of positions (N, L, 4), 16 frequencies per axis."""
    steps = torch.arange(HEAD // 8, device=positions.device).float() / (HEAD // 8)
    angles = (positions[..., None] * ROPE_THETA**-steps).flatten(-2)[:, :, None]
    return angles.cos(), angles.sin()


def _rotate(x: Tensor, table: tuple[Tensor, Tensor]) -> Tensor:
    """Rotate neighbouring pairs of channels of x (N, L, heads, 128)."""
    even, odd = x.unflatten(-1, (HEAD // 2, 2)).unbind(-1)
    cos, sin = table
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(-2)


class QueryKeyNorm(nn.Module):
    """Learned RMS norms of queries and keys, named as in the engine."""

    def __init__(self) -> None:
        """Create norms with scale 1."""
        super().__init__()
        self.query_norm = nn.ParameterDict({"scale": nn.Parameter(torch.ones(HEAD))})
        self.key_norm = nn.ParameterDict({"scale": nn.Parameter(torch.ones(HEAD))})

    def forward(self, qkv: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return queries, keys and values, each (N, L, heads, 128)."""
        q, k, v = qkv.unflatten(-1, (3, -1, HEAD)).unbind(-3)
        return rms_norm(q, self.query_norm["scale"]), rms_norm(k, self.key_norm["scale"]), v


def _attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    table: tuple[Tensor, Tensor],
    bias: Tensor,
    query_table: tuple[Tensor, Tensor] | None = None,
) -> Tensor:
    q, k = _rotate(q, query_table or table).to(v.dtype), _rotate(k, table).to(v.dtype)
    q, k, v = (part.transpose(1, 2) for part in (q, k, v))
    mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=bias.to(v.dtype))
    return mixed.transpose(1, 2).flatten(-2)


class Attention(nn.Module):
    """Projections of one stream of a double block."""

    def __init__(self, hidden: int) -> None:
        """Create the layers for a hidden width."""
        super().__init__()
        self.qkv = Linear(hidden, 3 * hidden)
        self.proj = Linear(hidden, hidden, 0.3 / math.sqrt(hidden))
        self.norm = QueryKeyNorm()


def _gated(x: Tensor) -> Tensor:
    gate, value = x.chunk(2, -1)
    return F.silu(gate) * value


class FeedForward(nn.ModuleDict):
    """SwiGLU feed-forward, with the engine's names "0" and "2"."""

    def __init__(self, hidden: int) -> None:
        """Create the layers for a hidden width."""
        wide = FEED_FORWARD * hidden
        super().__init__(
            {"0": Linear(hidden, 2 * wide), "2": Linear(wide, hidden, 0.3 / math.sqrt(wide))}
        )

    def forward(self, x: Tensor) -> Tensor:
        """Apply the two matrices and the gate."""
        return self["2"](_gated(self["0"](x)))


class Shared(NamedTuple):
    """Inputs of all double-stream blocks; each modulation is (shift, scale, gate) twice."""

    for_image: tuple[Tensor, ...]
    for_text: tuple[Tensor, ...]
    #: Rotations of queries and keys, and attention biases of the keys.
    table: tuple[Tensor, Tensor]
    bias: Tensor


class DoubleBlock(nn.Module):
    """Image and text with separate weights and joint attention."""

    def __init__(self, hidden: int) -> None:
        """Create the layers for a hidden width."""
        super().__init__()
        self.img_attn, self.txt_attn = Attention(hidden), Attention(hidden)
        self.img_mlp, self.txt_mlp = FeedForward(hidden), FeedForward(hidden)

    def forward(self, image: Tensor, text: Tensor, shared: Shared) -> tuple[Tensor, Tensor]:
        """Return both streams."""
        for_image, for_text, table, bias = shared
        parts = zip(
            self.txt_attn.norm(self.txt_attn.qkv(modulated(text, for_text[0], for_text[1]))),
            self.img_attn.norm(self.img_attn.qkv(modulated(image, for_image[0], for_image[1]))),
            strict=True,
        )
        q, k, v = (torch.cat(part, 1) for part in parts)
        mixed = _attend(q, k, v, table, bias)
        length = text.shape[1]
        image = image + for_image[2] * self.img_attn.proj(mixed[:, length:])
        text = text + for_text[2] * self.txt_attn.proj(mixed[:, :length])
        image = image + for_image[5] * self.img_mlp(modulated(image, for_image[3], for_image[4]))
        text = text + for_text[5] * self.txt_mlp(modulated(text, for_text[3], for_text[4]))
        return image, text


class CaptionBlock(nn.Module):
    """The text stream of a double block, which reads the image stream and leaves it unchanged.

    One head of the first block starts by attending to the token a fixed distance before, from which
    a token behind the chat template knows its place. Training finds that too late by itself.
    """

    #: The distance reaches from the last slot to the end of the template.
    DISTANCE = 9
    #: Squared amplitudes of the rotary frequencies of a token's position, from the highest, and
    #: the scale of the norms, which make the attention spread a little to the neighbors.
    FREQUENCIES, SHARPNESS = (0.0, 3.0, 3.0, 2.0, 1.0, 1.0), 1.3
    #: Length of queries and keys before their norms: training changes long ones slowly.
    LENGTH = 6.0

    def __init__(self, hidden: int) -> None:
        """Create the layers for a hidden width."""
        super().__init__()
        self.txt_attn, self.txt_mlp = Attention(hidden), FeedForward(hidden)
        self.img_key_value = Linear(hidden, 2 * hidden)
        self.img_key_norm = nn.Parameter(torch.ones(HEAD))

    def forward(self, image: Tensor, text: Tensor, shared: Shared) -> Tensor:
        """Return the text stream."""
        for_image, for_text, table, bias = shared
        length = text.shape[1]
        q, *own = self.txt_attn.norm(self.txt_attn.qkv(modulated(text, for_text[0], for_text[1])))
        seen = self.img_key_value(modulated(image, for_image[0], for_image[1]))
        key, value = seen.unflatten(-1, (2, -1, HEAD)).unbind(-3)
        k = torch.cat([own[0], rms_norm(key, self.img_key_norm)], 1)
        v = torch.cat([own[1], value], 1)
        cos, sin = table
        mixed = _attend(q, k, v, table, bias, (cos[:, :length], sin[:, :length]))
        text = text + for_text[2] * self.txt_attn.proj(mixed)
        return text + for_text[5] * self.txt_mlp(modulated(text, for_text[3], for_text[4]))

    @torch.no_grad()
    def look_back(self, direction: Tensor) -> None:
        """Make the first head attend `DISTANCE` tokens before each text token.

        Args:
            direction: A vector whose product with all modulated text tokens is about 1.
        """
        steps = HEAD // 8
        squares = torch.tensor(self.FREQUENCIES)
        amplitudes, phases = torch.zeros(4, steps), torch.zeros(4, steps)
        amplitudes[3, : len(squares)] = (squares / squares.sum()).sqrt()
        phases[3] = self.DISTANCE * ROPE_THETA ** -(torch.arange(steps) / steps)
        amplitudes, phases = amplitudes.flatten(), phases.flatten()
        query = torch.stack((amplitudes * phases.cos(), -amplitudes * phases.sin()), -1).flatten()
        key = torch.stack((amplitudes, torch.zeros_like(amplitudes)), -1).flatten()
        weight, hidden = self.txt_attn.qkv.weight, len(direction)
        weight[:HEAD] = self.LENGTH * query[:, None] * direction
        weight[hidden : hidden + HEAD] = self.LENGTH * key[:, None] * direction
        for norm in (self.txt_attn.norm.query_norm, self.txt_attn.norm.key_norm):
            norm["scale"].fill_(self.SHARPNESS)


class SingleBlock(nn.Module):
    """Text and image in one stream; attention and feed-forward network in parallel."""

    def __init__(self, hidden: int) -> None:
        """Create the layers for a hidden width."""
        super().__init__()
        self.hidden = hidden
        self.linear1 = Linear(hidden, (3 + 2 * FEED_FORWARD) * hidden)
        wide = (1 + FEED_FORWARD) * hidden
        self.linear2 = Linear(wide, hidden, 0.3 / math.sqrt(wide))
        self.norm = QueryKeyNorm()

    def forward(
        self,
        x: Tensor,
        modulation: tuple[Tensor, ...],
        table: tuple[Tensor, Tensor],
        bias: Tensor,
    ) -> Tensor:
        wide = self.linear1(modulated(x, modulation[0], modulation[1]))
        q, k, v = self.norm(wide[..., : 3 * self.hidden])
        mixed = _attend(q, k, v, table, bias)
        both = torch.cat([mixed, _gated(wide[..., 3 * self.hidden :])], -1)
        return x + modulation[2] * self.linear2(both)
