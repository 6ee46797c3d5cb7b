"""The tensors of a ControlNet for Stable Diffusion 1 and 2, by both of its files' namings."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from gpustack_draw.headers.header import TensorInfo

Shape = tuple[int, ...]

_CHANNELS = (320, 640, 1280, 1280)
_BLOCKS_OF_LEVEL = 2
_TIME = 1280
# Channels of the layers that encode the control picture.
_HINT_CHANNELS = (3, 16, 16, 32, 32, 96, 96, 256, 320)


@dataclass(frozen=True)
class NetTensor:
    """A tensor of a ControlNet.

    Attributes:
        name: Its name in original files, after ``control_model.``; the engine uses it.
        diffusers_name: Its name in the files of diffusers.
        shape: Fastest dimension first. Files for Stable Diffusion 2 store 1x1 convolutions around
            attention as matrices, of the same numbers.
    """

    name: str
    diffusers_name: str
    shape: Shape

    def has_shape(self, shape: Shape) -> bool:
        """Return True if a tensor of that shape can be loaded as this one."""
        is_matrix = self.shape[:2] == (1, 1) and shape == self.shape[2:]
        return shape == self.shape or (is_matrix and ".proj_" in self.name)


def loaded_bytes(tensor: TensorInfo) -> int:
    """Return the bytes of a tensor that the engine has loaded, whatever its type in the file."""
    is_convolution = len(tensor.shape) == 4 or "proj_in.w" in tensor.name
    return tensor.elements * (2 if is_convolution or "proj_out.w" in tensor.name else 4)


def control_net_tensors(text_width: int) -> Iterator[NetTensor]:
    """Yield the tensors of a ControlNet.

    Args:
        text_width: Width of the text embeddings of the model that it extends: 768 or 1024.
    """
    yield from _layer("time_embed.0", "time_embedding.linear_1", (_CHANNELS[0], _TIME))
    yield from _layer("time_embed.2", "time_embedding.linear_2", (_TIME, _TIME))
    yield from _layer("input_blocks.0.0", "conv_in", (3, 3, 4, _CHANNELS[0]))
    yield from _hint()
    yield from _zero_convolution(0, _CHANNELS[0])
    channels = _CHANNELS[0]
    for level, width in enumerate(_CHANNELS):
        first = level * (_BLOCKS_OF_LEVEL + 1) + 1
        for block in range(_BLOCKS_OF_LEVEL):
            name, other = f"input_blocks.{first + block}", f"down_blocks.{level}"
            yield from _residual(f"{name}.0", f"{other}.resnets.{block}", channels, width)
            channels = width
            if level < len(_CHANNELS) - 1:
                yield from _attention(f"{name}.1", f"{other}.attentions.{block}", width, text_width)
            yield from _zero_convolution(first + block, width)
        if level < len(_CHANNELS) - 1:
            last = first + _BLOCKS_OF_LEVEL
            other = f"down_blocks.{level}.downsamplers.0.conv"
            yield from _layer(f"input_blocks.{last}.0.op", other, (3, 3, width, width))
            yield from _zero_convolution(last, width)
    yield from _residual("middle_block.0", "mid_block.resnets.0", channels, channels)
    yield from _attention("middle_block.1", "mid_block.attentions.0", channels, text_width)
    yield from _residual("middle_block.2", "mid_block.resnets.1", channels, channels)
    yield from _layer("middle_block_out.0", "controlnet_mid_block", (1, 1, channels, channels))


def _layer(name: str, other: str, shape: Shape) -> Iterator[NetTensor]:
    yield NetTensor(f"{name}.weight", f"{other}.weight", shape)
    yield NetTensor(f"{name}.bias", f"{other}.bias", shape[-1:])


def _zero_convolution(index: int, channels: int) -> Iterator[NetTensor]:
    shape = (1, 1, channels, channels)
    yield from _layer(f"zero_convs.{index}.0", f"controlnet_down_blocks.{index}", shape)


def _hint() -> Iterator[NetTensor]:
    count = len(_HINT_CHANNELS) - 1
    others = ["conv_in", *(f"blocks.{block}" for block in range(count - 2)), "conv_out"]
    pairs = pairwise(_HINT_CHANNELS)
    for index, (other, (inputs, outputs)) in enumerate(zip(others, pairs, strict=True)):
        name = f"input_hint_block.{2 * index}"
        yield from _layer(name, f"controlnet_cond_embedding.{other}", (3, 3, inputs, outputs))


def _residual(name: str, other: str, inputs: int, outputs: int) -> Iterator[NetTensor]:
    yield from _layer(f"{name}.in_layers.0", f"{other}.norm1", (inputs,))
    yield from _layer(f"{name}.in_layers.2", f"{other}.conv1", (3, 3, inputs, outputs))
    yield from _layer(f"{name}.emb_layers.1", f"{other}.time_emb_proj", (_TIME, outputs))
    yield from _layer(f"{name}.out_layers.0", f"{other}.norm2", (outputs,))
    yield from _layer(f"{name}.out_layers.3", f"{other}.conv2", (3, 3, outputs, outputs))
    if inputs != outputs:
        shape = (1, 1, inputs, outputs)
        yield from _layer(f"{name}.skip_connection", f"{other}.conv_shortcut", shape)


def _attention(name: str, other: str, width: int, text_width: int) -> Iterator[NetTensor]:
    yield from _layer(f"{name}.norm", f"{other}.norm", (width,))
    yield from _layer(f"{name}.proj_in", f"{other}.proj_in", (1, 1, width, width))
    block = "transformer_blocks.0"
    for layer, inputs in (("attn1", width), ("attn2", text_width)):
        for part, side in (("to_q", width), ("to_k", inputs), ("to_v", inputs)):
            tail = f"{block}.{layer}.{part}.weight"
            yield NetTensor(f"{name}.{tail}", f"{other}.{tail}", (side, width))
        yield from _same(name, other, f"{block}.{layer}.to_out.0", (width, width))
    yield from _same(name, other, f"{block}.ff.net.0.proj", (width, 8 * width))
    yield from _same(name, other, f"{block}.ff.net.2", (4 * width, width))
    for norm in ("norm1", "norm2", "norm3"):
        yield from _same(name, other, f"{block}.{norm}", (width,))
    yield from _layer(f"{name}.proj_out", f"{other}.proj_out", (1, 1, width, width))


def _same(name: str, other: str, tail: str, shape: Shape) -> Iterator[NetTensor]:
    yield from _layer(f"{name}.{tail}", f"{other}.{tail}", shape)
