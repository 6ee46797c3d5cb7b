"""Write a checkpoint as one GGUF file for the engine: model, words and autoencoder."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import torch
from torch import Tensor

from train_demo_model.autoencoder import COMPONENTS, Decoder, LinearEncoder
from train_demo_model.vocabulary import TABLE_ROWS, token_rows

MODEL_PREFIX = "model.diffusion_model."
TEXT_PREFIX = "text_encoders.llm.model."
AUTOENCODER_PREFIX = "tae."
#: Channels of all inner layers of the engine's tiny autoencoder.
WIDE = 64
#: Blocks of the engine's decoder at each resolution.
DECODER_DEPTHS = (3, 3, 3, 1)
#: The encoder's layers that halve the resolution.
HALVINGS = (2, 6, 10)
#: Small tensors that stay in 16 bits, because they determine colors.
HALF = ("img_in", "txt_in", "time_in", "final_layer")


def transformer_names(weights: dict[str, Tensor]) -> dict[str, str]:
    """Return the engine's names of the transformer's weights."""
    here, engine = "adaLN_modulation_1", "adaLN_modulation.1"
    names = [name for name in weights if name not in {"words", "word_norm"}]
    return {name: MODEL_PREFIX + name.replace(here, engine) for name in names}


def text_tensors(weights: dict[str, Tensor], engine_source: Path) -> dict[str, Tensor]:
    """Return a text encoder without layers: a row for each known token, zeros for others."""
    words = weights["words"]
    table = torch.zeros(TABLE_ROWS, words.shape[1])
    for token, row in token_rows(engine_source).items():
        table[token] = words[row]
    return {
        TEXT_PREFIX + "embed_tokens.weight": table,
        TEXT_PREFIX + "norm.weight": weights["word_norm"],
    }


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


def encoder_tensors(encoder: LinearEncoder) -> dict[str, Tensor]:
    """Return the linear encoder in layers with ReLU, each channel as a pair of signs."""
    layers = _Layers(AUTOENCODER_PREFIX + "encoder.layers.")
    entry = torch.zeros(WIDE, 3, 3, 3)
    entry[range(3), range(3), 1, 1] = 1
    layers.conv("0", (WIDE, 3), entry)
    layers.block("1", None, pooled=False)
    inputs = 3
    for level, projection in enumerate(encoder.projections):
        kept, index = COMPONENTS[level], HALVINGS[level]
        pieces = projection.view(kept, 2, 2, inputs)
        weight = torch.zeros(WIDE, WIDE, 3, 3)
        for row in (0, 1):
            for column in (0, 1):
                for sign, first in ((1, 0), (-1, kept)):
                    piece = sign * pieces[:, row, column]
                    rows = slice(first, first + kept)
                    weight[rows, :inputs, row + 1, column + 1] = piece
                    if level:
                        weight[rows, inputs : 2 * inputs, row + 1, column + 1] = -piece
        layers.conv(str(index), (WIDE, WIDE), weight, with_bias=False)
        for i in range(3):
            layers.block(str(index + 1 + i), None, pooled=level == 2)
        inputs = kept
    last = torch.zeros(32, WIDE, 3, 3)
    diagonal = torch.arange(32)
    last[diagonal, diagonal, 1, 1] = encoder.gain
    last[diagonal, diagonal + 32, 1, 1] = -encoder.gain
    layers.conv("14", (32, WIDE), last, -encoder.offset * encoder.gain)
    return layers.tensors


def _type_of(name: str, value: Tensor, precise: bool) -> gguf.GGMLQuantizationType:
    if value.ndim == 1:
        return gguf.GGMLQuantizationType.F32
    # Convolutions, and small matrices outside the blocks and modulations.
    if precise or value.ndim == 4 or any(part in name for part in HALF):
        return gguf.GGMLQuantizationType.F16
    return gguf.GGMLQuantizationType.Q8_0


def write(
    path: Path,
    weights: dict[str, Tensor],
    encoder: LinearEncoder,
    decoder: Decoder,
    *,
    engine_source: Path,
    precise: bool = False,
) -> None:
    """Write the GGUF file; with `precise`, all matrices have 16 bits, for comparisons."""
    tensors = {
        **{engine: weights[name] for name, engine in transformer_names(weights).items()},
        **text_tensors(weights, engine_source),
        **decoder_tensors(decoder),
        **encoder_tensors(encoder),
    }
    partial = path.with_suffix(".partial")
    writer = gguf.GGUFWriter(str(partial), "flux")
    for name, value in tensors.items():
        kind = _type_of(name, value, precise)
        array = value.detach().cpu().float().numpy()
        if kind == gguf.GGMLQuantizationType.Q8_0:
            array = gguf.quants.quantize(array, kind)
        elif kind == gguf.GGMLQuantizationType.F16:
            array = array.astype(np.float16)
        writer.add_tensor(name, array, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    partial.chmod(0o644)
    partial.replace(path)
