"""A small diffusion transformer of FLUX.2 klein, with the engine's tensor names.

The text encoder has no layers: `words` contains the embedding rows of the known words, and
`word_norm` the norm that the engine applies to them. The rest has the engine's layout: no biases,
heads of 128 channels, shared modulation, double-stream blocks, then single-stream blocks with a
parallel feed-forward network.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from train_demo_model.autoencoder import LATENT_CHANNELS, USED_CHANNELS
from train_demo_model.painting import Text
from train_demo_model.vocabulary import WORDS

HEAD = 128
#: Channels of an image token (2 x 2 latents), and the number of used ones.
IMAGE_CHANNELS = 4 * LATENT_CHANNELS
USED_IMAGE_CHANNELS = 4 * USED_CHANNELS
TIME_CHANNELS = 256
ROPE_THETA = 2000.0
#: Position of a reference picture's tokens on the first axis.
REFERENCE_POSITION = 10
#: Feed-forward width as a multiple of the hidden width; the engine's `mlp_ratio`.
FEED_FORWARD = 3


@dataclass
class Shape:
    """The sizes of a model."""

    hidden: int = 256
    doubles: int = 2
    singles: int = 3
    text: int = 64


class Linear(nn.Linear):
    """A matrix without bias."""

    def __init__(self, inputs: int, outputs: int, spread: float | None = None) -> None:
        """Create a matrix; `spread` is the deviation of its initial weights."""
        super().__init__(inputs, outputs, bias=False)
        nn.init.normal_(self.weight, 0.0, 1 / math.sqrt(inputs) if spread is None else spread)


def _rms_norm(x: Tensor, scale: Tensor) -> Tensor:
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
        return _rms_norm(q, self.query_norm["scale"]), _rms_norm(k, self.key_norm["scale"]), v


def _attend(q: Tensor, k: Tensor, v: Tensor, table: tuple[Tensor, Tensor], bias: Tensor) -> Tensor:
    q, k = _rotate(q, table).to(v.dtype), _rotate(k, table).to(v.dtype)
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


class DoubleBlock(nn.Module):
    """Image and text with separate weights and joint attention."""

    def __init__(self, hidden: int) -> None:
        """Create the layers for a hidden width."""
        super().__init__()
        self.img_attn, self.txt_attn = Attention(hidden), Attention(hidden)
        self.img_mlp, self.txt_mlp = FeedForward(hidden), FeedForward(hidden)

    def forward(
        self,
        image: Tensor,
        text: Tensor,
        for_image: tuple[Tensor, ...],
        for_text: tuple[Tensor, ...],
        *,
        table: tuple[Tensor, Tensor],
        bias: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Apply the block; the six modulation tensors are (shift, scale, gate) twice."""
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


class Modulation(nn.Module):
    """Shift, scale and gate vectors, computed from the time vector."""

    def __init__(self, hidden: int, parts: int) -> None:
        """Create the layer for a hidden width and a number of vectors."""
        super().__init__()
        self.parts = parts
        self.lin = Linear(hidden, parts * hidden, 0.02)

    def forward(self, time: Tensor) -> tuple[Tensor, ...]:
        """Return the vectors, each (N, 1, hidden)."""
        parts = self.lin(F.silu(time)).float().unflatten(-1, (self.parts, -1))
        return parts[:, None].unbind(-2)


class Transformer(nn.Module):
    """The model, which predicts the velocity of image tokens."""

    def __init__(self, shape: Shape) -> None:
        """Create a model with random weights."""
        super().__init__()
        self.shape = shape
        hidden = shape.hidden
        self.img_in = Linear(IMAGE_CHANNELS, hidden)
        self.txt_in = Linear(shape.text, hidden)
        self.time_in = nn.ModuleDict(
            {"in_layer": Linear(TIME_CHANNELS, hidden), "out_layer": Linear(hidden, hidden)}
        )
        self.double_stream_modulation_img = Modulation(hidden, 6)
        self.double_stream_modulation_txt = Modulation(hidden, 6)
        self.single_stream_modulation = Modulation(hidden, 3)
        self.double_blocks = nn.ModuleList(DoubleBlock(hidden) for _ in range(shape.doubles))
        self.single_blocks = nn.ModuleList(SingleBlock(hidden) for _ in range(shape.singles))
        self.final_layer = nn.ModuleDict(
            {
                "linear": Linear(hidden, IMAGE_CHANNELS, 1e-4),
                "adaLN_modulation_1": Linear(hidden, 2 * hidden, 1e-3),
            }
        )
        self.words = nn.Parameter(torch.randn(len(WORDS) + 1, shape.text))
        self.word_norm = nn.Parameter(torch.ones(shape.text))
        self._open_gates()
        self._start_with_noise()

    @torch.no_grad()
    def _open_gates(self) -> None:
        """Initialize gates near 1 along the mean of the modulation's input, as there is no bias."""
        time = F.silu(self.time_vector(torch.linspace(0.02, 1, 99))).mean(0)
        time = time / time.square().sum()
        for modulation in (
            self.double_stream_modulation_img,
            self.double_stream_modulation_txt,
            self.single_stream_modulation,
        ):
            weight = modulation.lin.weight.view(modulation.parts, -1, time.numel())
            weight[2::3] += time

    @torch.no_grad()
    def _start_with_noise(self) -> None:
        """Initialize the model to pass its input through, because the velocity is mostly noise.

        Weights of unused channels are zero at the input and at the output.
        """
        used = USED_IMAGE_CHANNELS
        nn.init.orthogonal_(self.img_in.weight[:, :used])
        self.img_in.weight[:, used:] = 0
        # The last layer norm scales the input's channels by about this factor.
        gain = math.sqrt(self.shape.hidden / used)
        last = self.final_layer["linear"].weight
        last[:used].add_(0.7 / gain * self.img_in.weight[:, :used].T)
        last[used:] = 0

    def config(self) -> dict[str, int]:
        """Return the sizes as numbers for a checkpoint."""
        return asdict(self.shape)

    def time_vector(self, sigma: Tensor) -> Tensor:
        """Return the time embedding of noise levels (N) in 0..1."""
        half = TIME_CHANNELS // 2
        steps = torch.arange(half, device=sigma.device) / half
        angles = 1000 * sigma[:, None] * torch.exp(-math.log(10000) * steps)
        waves = torch.cat([angles.cos(), angles.sin()], -1)
        return self.time_in["out_layer"](F.silu(self.time_in["in_layer"](waves)))

    def _rope(self, positions: Tensor, side: int, pictures: int) -> tuple[Tensor, Tensor]:
        count, length = positions.shape
        area = side * side
        ids = torch.zeros(count, length + pictures * area, 4, device=positions.device)
        ids[:, :length, 3] = positions
        line = torch.arange(side, device=positions.device).float()
        for i in range(pictures):
            here = slice(length + i * area, length + (i + 1) * area)
            ids[:, here, 0] = i * REFERENCE_POSITION
            ids[:, here, 1] = line.repeat_interleave(side)
            ids[:, here, 2] = line.repeat(side)
        return rope_table(ids)

    def forward(
        self, x: Tensor, sigma: Tensor, caption: Text, reference: Tensor | None = None
    ) -> Tensor:
        """Return the velocity of image tokens x (N, L, 128) at noise levels sigma (N).

        `reference` contains the clean image tokens of a picture of the same size, if any.
        """
        return self.with_states(x, sigma, caption, reference)[0]

    def with_states(
        self, x: Tensor, sigma: Tensor, caption: Text, reference: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the velocity, and the states of the reference's tokens after the double blocks.

        The states are (N, L, hidden), or (N, 0, hidden) without a reference.
        """
        rows, positions, text_bias = caption
        known = torch.arange(len(self.words), device=x.device)[:, None] > 0
        embedded = _rms_norm(F.embedding(rows, self.words * known), self.word_norm)
        area = x.shape[1]
        pictures = x if reference is None else torch.cat([x, reference], 1)
        text, image = self.txt_in(embedded).float(), self.img_in(pictures).float()
        time = self.time_vector(sigma)
        length = rows.shape[1]
        table = self._rope(positions, math.isqrt(area), pictures.shape[1] // area)
        bias = F.pad(text_bias, (0, pictures.shape[1]))[:, None, None, :]
        for_image = self.double_stream_modulation_img(time)
        for_text = self.double_stream_modulation_txt(time)
        for block in self.double_blocks:
            image, text = block(image, text, for_image, for_text, table=table, bias=bias)
        states = image[:, area:].float()
        both = torch.cat([text, image], 1)
        modulation = self.single_stream_modulation(time)
        for block in self.single_blocks:
            both = block(both, modulation, table, bias)
        last = self.final_layer["adaLN_modulation_1"](F.silu(time)).float()[:, None]
        shift, scale = last.chunk(2, -1)
        drawn = modulated(both[:, length : length + area], shift, scale)
        return self.final_layer["linear"](drawn).float(), states
