"""A small diffusion transformer of FLUX.2 klein, with the engine's tensor names.

The text encoder has no layers: `words` contains the embedding rows of the known words, and
`word_norm` the norm that the engine applies to them. The rest has the engine's layout: no biases,
heads of 128 channels, shared modulation, double-stream blocks, then single-stream blocks with a
parallel feed-forward network. The first blocks, which write captions, are double-stream blocks
whose image stream passes through unchanged.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from train_demo_model.autoencoder import (
    AMPLITUDE,
    CODE_CHANNELS,
    LATENT_CHANNELS,
    USED_CHANNELS,
)
from train_demo_model.blocks import (
    CaptionBlock,
    DoubleBlock,
    Linear,
    Shared,
    SingleBlock,
    modulated,
    rms_norm,
    rope_table,
)
from train_demo_model.captions import Text
from train_demo_model.vocabulary import WORDS

#: Channels of an image token (2 x 2 latents), and the number of used ones.
IMAGE_CHANNELS = 4 * LATENT_CHANNELS
USED_IMAGE_CHANNELS = 4 * USED_CHANNELS
CODE_IMAGE_CHANNELS = 4 * CODE_CHANNELS
TIME_CHANNELS = 256
#: Position of a reference picture's tokens on the first axis.
REFERENCE_POSITION = 10


@dataclass
class Shape:
    """The sizes of a model."""

    hidden: int = 256
    doubles: int = 2
    singles: int = 3
    text: int = 64
    #: Blocks that write captions.
    captions: int = 3


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


class Stream(NamedTuple):
    """Inputs of the blocks: tokens, time vector, and those that all blocks share."""

    text: Tensor
    image: Tensor
    time: Tensor
    shared: Shared


class Transformer(nn.Module):
    """The model, which predicts the velocity of image tokens."""

    def __init__(self, shape: Shape) -> None:
        """Create a model with random weights."""
        super().__init__()
        self.shape = shape
        hidden = shape.hidden
        self.img_in = Linear(USED_IMAGE_CHANNELS, hidden)
        self.code_in = Linear(CODE_IMAGE_CHANNELS, hidden, 0.35)
        self.txt_in = Linear(shape.text, hidden)
        self.time_in = nn.ModuleDict(
            {"in_layer": Linear(TIME_CHANNELS, hidden), "out_layer": Linear(hidden, hidden)}
        )
        self.double_stream_modulation_img = Modulation(hidden, 6)
        self.double_stream_modulation_txt = Modulation(hidden, 6)
        self.single_stream_modulation = Modulation(hidden, 3)
        self.caption_blocks = nn.ModuleList(CaptionBlock(hidden) for _ in range(shape.captions))
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

        Weights of unused channels are zero at the output.
        """
        used = USED_IMAGE_CHANNELS
        nn.init.orthogonal_(self.img_in.weight)
        # The last layer norm scales the input's channels by about this factor.
        gain = math.sqrt(self.shape.hidden / used)
        last = self.final_layer["linear"].weight
        last[:used].add_(0.7 / gain * self.img_in.weight.T)
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

    def embedded(self, rows: Tensor) -> Tensor:
        """Return the text stream's input for rows of words."""
        return self.txt_in(rms_norm(F.embedding(rows, self.words), self.word_norm))

    def embedded_words(self) -> Tensor:
        """Return the text stream's input for each row."""
        return self.embedded(torch.arange(len(self.words), device=self.words.device))

    def pictures(self, tokens: Tensor) -> Tensor:
        """Return the image stream's input for image tokens (N, L, 128), codes included."""
        end = USED_IMAGE_CHANNELS + CODE_IMAGE_CHANNELS
        codes = tokens[..., USED_IMAGE_CHANNELS:end] / AMPLITUDE
        return self.img_in(tokens[..., :USED_IMAGE_CHANNELS]) + self.code_in(codes)

    def forward(
        self, x: Tensor, sigma: Tensor, prompt: Text, reference: Tensor | None = None
    ) -> Tensor:
        """Return the velocity of image tokens x (N, L, 128) at noise levels sigma (N).

        `reference` contains the clean image tokens of a picture of the same size, if any.
        """
        return self.with_captions(x, sigma, prompt, reference)[0]

    def with_captions(
        self, x: Tensor, sigma: Tensor, prompt: Text, reference: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the velocity, and the text stream (N, L, hidden) behind the caption blocks."""
        stream = self.stream(x, sigma, prompt, reference)
        written = self.write_captions(stream)
        return self.draw(stream, written, x.shape[1]), written

    def stream(
        self, x: Tensor, sigma: Tensor, prompt: Text, reference: Tensor | None = None
    ) -> Stream:
        """Return the inputs of the blocks."""
        area = x.shape[1]
        image = self.pictures(x if reference is None else torch.cat([x, reference], 1)).float()
        time = self.time_vector(sigma)
        shared = Shared(
            self.double_stream_modulation_img(time),
            self.double_stream_modulation_txt(time),
            self._rope(prompt.positions, math.isqrt(area), image.shape[1] // area),
            F.pad(prompt.bias, (0, image.shape[1]))[:, None, None, :],
        )
        return Stream(self.embedded(prompt.rows).float(), image, time, shared)

    def write_captions(self, stream: Stream) -> Tensor:
        """Return the text stream behind the caption blocks."""
        text = stream.text
        for block in self.caption_blocks:
            text = block(stream.image, text, stream.shared)
        return text

    def draw(self, stream: Stream, text: Tensor, area: int) -> Tensor:
        """Return the velocity of the first `area` image tokens for a text stream."""
        image, shared, length = stream.image, stream.shared, text.shape[1]
        for block in self.double_blocks:
            image, text = block(image, text, shared)
        both = torch.cat([text, image], 1)
        modulation = self.single_stream_modulation(stream.time)
        for block in self.single_blocks:
            both = block(both, modulation, shared.table, shared.bias)
        last = self.final_layer["adaLN_modulation_1"](F.silu(stream.time)).float()[:, None]
        shift, scale = last.chunk(2, -1)
        drawn = modulated(both[:, length : length + area], shift, scale)
        return self.final_layer["linear"](drawn).float()

    @torch.no_grad()
    def begin_captions(self) -> None:
        """Initialize the first head of the first caption block; see `CaptionBlock`."""
        rows = self.embedded_words()
        shift, scale, *_ = self.double_stream_modulation_txt(
            self.time_vector(torch.linspace(0.1, 1, 6))
        )
        tokens = modulated(rows[None], shift, scale).flatten(0, 1)
        gram = tokens.T @ tokens
        ridge = 1e-3 * gram.diagonal().mean() * torch.eye(len(gram))
        self.caption_blocks[0].look_back(torch.linalg.solve(gram + ridge, tokens.sum(0)))
