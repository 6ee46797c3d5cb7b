"""Write a checkpoint as one GGUF file for the engine: model, words and autoencoder."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import gguf
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from train_demo_model.autoencoder import (
    AMPLITUDE,
    CODE_CHANNELS,
    COMPONENTS,
    LATENT_CHANNELS,
    USED_CHANNELS,
    Decoder,
    LinearEncoder,
)
from train_demo_model.scene_encoder import PAIRS, WIDE, SceneEncoder
from train_demo_model.transformer import CODE_IMAGE_CHANNELS, IMAGE_CHANNELS, USED_IMAGE_CHANNELS
from train_demo_model.vocabulary import TABLE_ROWS, token_rows

MODEL_PREFIX = "model.diffusion_model."
TEXT_PREFIX = "text_encoders.llm.model."
AUTOENCODER_PREFIX = "tae."
#: Blocks of the engine's decoder at each resolution.
DECODER_DEPTHS = (3, 3, 3, 1)
#: The encoder's layers that halve the resolution.
HALVINGS = (2, 6, 10)
#: Largest number of a quantized block. That of q8_0 is 127; with fewer, the file compresses better.
LEVELS = 31
#: Parts of the model that the engine has in another form.
APART = {"words", "word_norm", "img_in", "code_in", "caption_blocks"}
#: Small tensors that stay in 16 bits, because they determine colors.
HALF = ("img_in", "txt_in", "time_in", "final_layer")


def engine_name(name: str, captions: int = 0) -> str:
    """Return the engine's name of a weight, in a model with a number of caption blocks."""
    kind, _, rest = name.partition(".")
    if kind == "double_blocks":
        number, _, rest = rest.partition(".")
        name = f"{kind}.{int(number) + captions}.{rest}"
    return MODEL_PREFIX + name.replace("adaLN_modulation_1", "adaLN_modulation.1")


def transformer_tensors(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the transformer in the engine's layout, with the caption blocks as double blocks."""
    captions = len({name.split(".")[1] for name in weights if name.startswith("caption_blocks.")})
    tensors = {}
    for name, value in weights.items():
        if name.split(".")[0] not in APART:
            tensors[engine_name(name, captions)] = value
    image = torch.zeros(len(weights["img_in.weight"]), IMAGE_CHANNELS)
    image[:, :USED_IMAGE_CHANNELS] = weights["img_in.weight"]
    end = USED_IMAGE_CHANNELS + CODE_IMAGE_CHANNELS
    image[:, USED_IMAGE_CHANNELS:end] = weights["code_in.weight"] / AMPLITUDE
    tensors[engine_name("img_in.weight")] = image
    for i in range(captions):
        prefix = f"caption_blocks.{i}."
        block = {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}
        for name, value in _double_block(block).items():
            tensors[engine_name(f"double_blocks.{i}.{name}")] = value
    return tensors


def _double_block(block: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return a caption block as a double block whose image stream adds nothing."""
    both = {name: value for name, value in block.items() if name.startswith("txt_")}
    for name in ("attn.proj.weight", "mlp.0.weight", "mlp.2.weight"):
        both[f"img_{name}"] = torch.zeros_like(block[f"txt_{name}"])
    key_value = block["img_key_value.weight"]
    query = torch.zeros(len(key_value) // 2, key_value.shape[1])
    norm = block["img_key_norm"]
    return both | {
        "img_attn.qkv.weight": torch.cat([query, key_value]),
        "img_attn.norm.query_norm.scale": torch.ones_like(norm),
        "img_attn.norm.key_norm.scale": norm,
    }


def text_tensors(weights: dict[str, Tensor], engine_source: Path) -> dict[str, Tensor]:
    """Return a text encoder without layers: a row for each known token, and one for others."""
    words = weights["words"]
    table = words[:1].repeat(TABLE_ROWS, 1)
    for token, row in token_rows(engine_source).items():
        table[token] = words[row]
    return {
        TEXT_PREFIX + "embed_tokens.weight": table,
        TEXT_PREFIX + "norm.weight": weights["word_norm"],
    }


class Autoencoder(NamedTuple):
    """The encoder of pictures, that of scenes, and the decoder."""

    encoder: LinearEncoder
    scene_encoder: SceneEncoder
    decoder: Decoder


class _Layers:
    """Convolutions, padded with zeros to the shapes that the engine expects."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.tensors: dict[str, Tensor] = {}

    def conv(
        self,
        name: str,
        shape: tuple[int, int],
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        with_bias: bool = True,
    ) -> None:
        """Add a 3x3 convolution of shape (outputs, inputs); missing weights are zero."""
        full = torch.zeros(*shape, 3, 3)
        if weight is not None:
            full[: weight.shape[0], : weight.shape[1]] = weight
        self.tensors[f"{self.prefix}{name}.weight"] = full
        if with_bias:
            offset = torch.zeros(shape[0])
            if bias is not None:
                offset[: len(bias)] = bias
            self.tensors[f"{self.prefix}{name}.bias"] = offset

    def block(self, name: str, convs: list[tuple[Tensor, Tensor]] | None, pooled: bool) -> None:
        """Add a residual block; without convolutions it is the identity."""
        for i, index in enumerate((0, 2, 4)):
            weight, bias = convs[i] if convs else (None, None)
            self.conv(f"{name}.conv.{index}", (WIDE, WIDE), weight, bias)
        if pooled:  # the second branch of the engine's middle blocks is zero
            prefix = f"{self.prefix}{name}.pool."
            self.tensors[prefix + "0.weight"] = torch.zeros(4 * WIDE, WIDE, 1, 1)
            self.tensors[prefix + "1.weight"] = torch.ones(4 * WIDE)
            self.tensors[prefix + "1.bias"] = torch.zeros(4 * WIDE)
            self.tensors[prefix + "3.weight"] = torch.zeros(WIDE, 4 * WIDE, 1, 1)


def decoder_tensors(decoder: Decoder) -> dict[str, Tensor]:
    """Return the decoder, padded with zeros to the engine's layout."""
    layers = _Layers(AUTOENCODER_PREFIX + "decoder.layers.")
    layers.conv("0", (WIDE, 32), decoder.entry.weight, decoder.entry.bias)
    index = 2
    for level, depth in enumerate(DECODER_DEPTHS):
        blocks = list(decoder.stages[level])
        for i in range(depth):
            convs = [(c.weight, c.bias) for c in blocks[i].convs] if i < len(blocks) else None
            layers.block(str(index), convs, pooled=level == 0)
            index += 1
        if level < len(DECODER_DEPTHS) - 1:
            weight = decoder.widen[level].weight
            layers.conv(str(index + 1), (WIDE, WIDE), weight, with_bias=False)
            index += 2
    layers.conv(str(index), (3, WIDE), decoder.exit.weight, decoder.exit.bias)
    return layers.tensors


def encoder_tensors(encoder: LinearEncoder, scene_encoder: SceneEncoder) -> dict[str, Tensor]:
    """Return both encoders in layers with ReLU, each linear channel as a pair of signs."""
    layers = _Layers(AUTOENCODER_PREFIX + "encoder.layers.")
    entry = torch.zeros(WIDE, 3, 3, 3)
    entry[range(3), range(3), 1, 1] = 1
    layers.conv("0", (WIDE, 3), entry)
    layers.block("1", None, pooled=False)
    inputs = 3
    for level, projection in enumerate(encoder.projections):
        index, is_last = HALVINGS[level], level == len(HALVINGS) - 1
        kept = USED_CHANNELS if is_last else COMPONENTS[level]
        weight = _halving(projection[:kept], inputs, paired=level > 0)
        if is_last:
            weight[PAIRS:] = scene_encoder.halve.weight
        layers.conv(str(index), (WIDE, WIDE), weight, with_bias=False)
        for i in range(3):
            convs = _scene_block(scene_encoder, i) if is_last else None
            layers.block(str(index + 1 + i), convs, pooled=is_last)
        inputs = kept
    last, bias = torch.zeros(LATENT_CHANNELS, WIDE, 3, 3), torch.zeros(LATENT_CHANNELS)
    used, codes = torch.arange(USED_CHANNELS), slice(USED_CHANNELS, USED_CHANNELS + CODE_CHANNELS)
    gain = encoder.gain[:USED_CHANNELS]
    last[used, used, 1, 1], last[used, used + USED_CHANNELS, 1, 1] = gain, -gain
    bias[:USED_CHANNELS] = -encoder.offset[:USED_CHANNELS] * gain
    last[codes] = AMPLITUDE * scene_encoder.last.weight
    bias[codes] = AMPLITUDE * scene_encoder.last.bias
    layers.conv("14", (LATENT_CHANNELS, WIDE), last, bias)
    return layers.tensors


def _halving(projection: Tensor, inputs: int, paired: bool) -> Tensor:
    """Return a projection of 2 x 2 pixels as a convolution with stride 2, for both signs."""
    kept = len(projection)
    pieces = projection.view(kept, 2, 2, inputs)
    weight = torch.zeros(WIDE, WIDE, 3, 3)
    for row in (0, 1):
        for column in (0, 1):
            for sign, first in ((1, 0), (-1, kept)):
                piece = sign * pieces[:, row, column]
                rows = slice(first, first + kept)
                weight[rows, :inputs, row + 1, column + 1] = piece
                if paired:
                    weight[rows, inputs : 2 * inputs, row + 1, column + 1] = -piece
    return weight


def _scene_block(scene_encoder: SceneEncoder, index: int) -> list[tuple[Tensor, Tensor]]:
    """Return the convolutions of a block, which adds nothing to the pairs."""
    convs = [(conv.weight, conv.bias) for conv in scene_encoder.blocks[index]]
    weight, bias = convs[-1]
    padded = F.pad(weight, (0, 0, 0, 0, 0, 0, PAIRS, 0)), F.pad(bias, (PAIRS, 0))
    return [*convs[:-1], padded]


def _type_of(name: str, value: Tensor, precise: bool) -> gguf.GGMLQuantizationType:
    if value.ndim == 1:
        return gguf.GGMLQuantizationType.F32
    # Convolutions, and small matrices outside the blocks and modulations.
    if precise or value.ndim == 4 or any(part in name for part in HALF):
        return gguf.GGMLQuantizationType.F16
    return gguf.GGMLQuantizationType.Q8_0


def _quantized(matrix: np.ndarray) -> np.ndarray:
    """Return a matrix as blocks of q8_0: 32 numbers and their 16-bit scale before them."""
    blocks = matrix.reshape(-1, 32)
    scale = (np.abs(blocks).max(1, keepdims=True) / LEVELS).astype(np.float16)
    inverse = np.divide(1, scale, out=np.zeros(scale.shape, np.float32), where=scale > 0)
    numbers = np.rint(blocks * inverse).clip(-127, 127).astype(np.int8)
    parts = scale.view(np.uint8), numbers.view(np.uint8)
    return np.concatenate(parts, 1).reshape(len(matrix), -1)


def write(
    path: Path,
    weights: dict[str, Tensor],
    parts: Autoencoder,
    *,
    engine_source: Path,
    precise: bool = False,
) -> None:
    """Write the GGUF file; with `precise`, all matrices have 16 bits, for comparisons."""
    tensors = {
        **transformer_tensors(weights),
        **text_tensors(weights, engine_source),
        **decoder_tensors(parts.decoder),
        **encoder_tensors(parts.encoder, parts.scene_encoder),
    }
    partial = path.with_suffix(".partial")
    writer = gguf.GGUFWriter(str(partial), "flux")
    for name, value in tensors.items():
        kind = _type_of(name, value, precise)
        array = value.detach().cpu().float().numpy()
        if kind == gguf.GGMLQuantizationType.Q8_0:
            array = _quantized(array)
        elif kind == gguf.GGMLQuantizationType.F16:
            array = array.astype(np.float16)
        writer.add_tensor(name, array, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    partial.chmod(0o644)
    partial.replace(path)
