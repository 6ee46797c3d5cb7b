"""Read a model file that `export.write` wrote: weights for further training, and autoencoder."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from gguf import GGUFReader, dequantize
from torch import Tensor, nn

from train_demo_model import export
from train_demo_model.autoencoder import (
    AMPLITUDE,
    CODE_CHANNELS,
    COMPONENTS,
    LATENT_CHANNELS,
    USED_CHANNELS,
    Decoder,
    LinearEncoder,
)
from train_demo_model.scene_encoder import PAIRS, SceneEncoder
from train_demo_model.transformer import (
    CODE_IMAGE_CHANNELS,
    USED_IMAGE_CHANNELS,
    Shape,
    Transformer,
)
from train_demo_model.vocabulary import WORDS, token_rows

ENCODER = export.AUTOENCODER_PREFIX + "encoder.layers."
#: A token that no prompt contains.
PADDING_TOKEN = 151643


class ModelFile:
    """The tensors of a model file by the engine's names."""

    def __init__(self, path: Path) -> None:
        """Read all tensors as 32-bit numbers."""
        self.tensors: dict[str, Tensor] = {
            tensor.name: torch.tensor(dequantize(tensor.data, tensor.tensor_type)).float()
            for tensor in GGUFReader(path).tensors
        }

    def shape(self) -> Shape:
        """Return the sizes of the transformer."""
        hidden, text = self.tensors[export.MODEL_PREFIX + "txt_in.weight"].shape
        captions = sum(self._leaves_image(i) for i in range(self._blocks("double")))
        doubles = self._blocks("double") - captions
        return Shape(hidden, doubles, self._blocks("single"), text, captions)

    def _blocks(self, kind: str) -> int:
        prefix = f"{export.MODEL_PREFIX}{kind}_blocks."
        return len({key[len(prefix) :].split(".")[0] for key in self.tensors if prefix in key})

    def _leaves_image(self, index: int) -> bool:
        """Return True if a double block is a caption block."""
        return not self.tensors[export.engine_name(f"double_blocks.{index}.img_mlp.2.weight")].any()

    def weights(self, engine_source: Path) -> dict[str, Tensor]:
        """Return the weights of the transformer."""
        shape = self.shape()
        weights = {}
        for name in Transformer(shape).state_dict():
            kind, _, rest = name.partition(".")
            if kind == "caption_blocks":
                weights[name] = self._of_caption_block(rest, shape.hidden)
            elif kind not in export.APART:
                weights[name] = self.tensors[export.engine_name(name, shape.captions)]
        image = self.tensors[export.engine_name("img_in.weight")]
        end = USED_IMAGE_CHANNELS + CODE_IMAGE_CHANNELS
        weights["img_in.weight"] = image[:, :USED_IMAGE_CHANNELS]
        weights["code_in.weight"] = AMPLITUDE * image[:, USED_IMAGE_CHANNELS:end]
        weights["words"] = self._words(engine_source)
        weights["word_norm"] = self.tensors[export.TEXT_PREFIX + "norm.weight"]
        return {name: value.clone() for name, value in weights.items()}

    def _of_caption_block(self, name: str, hidden: int) -> Tensor:
        number, _, rest = name.partition(".")
        block = f"double_blocks.{number}."
        if rest == "img_key_norm":
            return self.tensors[export.engine_name(block + "img_attn.norm.key_norm.scale")]
        if rest == "img_key_value.weight":
            return self.tensors[export.engine_name(block + "img_attn.qkv.weight")][hidden:]
        return self.tensors[export.engine_name(block + rest)]

    def _words(self, engine_source: Path) -> Tensor:
        """Return the rows of padding and of words; those that the file lacks are padding."""
        table = self.tensors[export.TEXT_PREFIX + "embed_tokens.weight"]
        words = table[PADDING_TOKEN].repeat(len(WORDS) + 1, 1)
        for token, row in token_rows(engine_source).items():
            words[row] = table[token]
        return words

    def decoder(self) -> Decoder:
        """Return the decoder without the padding of the engine's layout."""
        decoder, index = Decoder(), 2
        self._read(decoder.entry, "0")
        for level, depth in enumerate(export.DECODER_DEPTHS):
            for i, block in enumerate(decoder.stages[level]):
                for conv, place in zip(block.convs, (0, 2, 4), strict=True):
                    self._read(conv, f"{index + i}.conv.{place}")
            index += depth
            if level < len(decoder.widen):
                self._read(decoder.widen[level], str(index + 1))
                index += 2
        self._read(decoder.exit, str(index))
        return decoder.eval()

    def _read(self, conv: nn.Conv2d, name: str) -> None:
        """Load a convolution of the decoder without its padding."""
        for part, value in conv.named_parameters():
            stored = self.tensors[f"{export.AUTOENCODER_PREFIX}decoder.layers.{name}.{part}"]
            value.data.copy_(stored[tuple(slice(size) for size in value.shape)])

    def encoder(self) -> LinearEncoder:
        """Return the linear encoder."""
        projections, inputs = [], 3
        for index, kept in zip(export.HALVINGS, (*COMPONENTS[:-1], USED_CHANNELS), strict=True):
            weight = self.tensors[f"{ENCODER}{index}.weight"][:kept, :inputs, 1:, 1:]
            projection = weight.permute(0, 2, 3, 1).flatten(1)
            projections.append(projection.contiguous())
            inputs = kept
        gain, offset = torch.zeros(LATENT_CHANNELS), torch.zeros(LATENT_CHANNELS)
        used = slice(USED_CHANNELS)
        gain[used] = self.tensors[f"{ENCODER}14.weight"][used, used, 1, 1].diagonal()
        offset[used] = -self.tensors[f"{ENCODER}14.bias"][used] / gain[used]
        projections[-1] = F.pad(projections[-1], (0, 0, 0, LATENT_CHANNELS - USED_CHANNELS))
        return LinearEncoder(projections, offset, gain)

    def scene_encoder(self) -> SceneEncoder:
        """Return the scene encoder."""
        model = SceneEncoder(self.encoder())
        codes = slice(USED_CHANNELS, USED_CHANNELS + CODE_CHANNELS)
        weights = {
            "last_halving": model.last_halving,
            "halve.weight": self.tensors[f"{ENCODER}{export.HALVINGS[-1]}.weight"][PAIRS:],
            "last.weight": self.tensors[f"{ENCODER}14.weight"][codes] / AMPLITUDE,
            "last.bias": self.tensors[f"{ENCODER}14.bias"][codes] / AMPLITUDE,
        }
        for i, convs in enumerate(model.blocks):
            for j, conv in enumerate(convs):
                name = f"{ENCODER}{export.HALVINGS[-1] + 1 + i}.conv.{2 * j}."
                for part in ("weight", "bias"):
                    value = self.tensors[name + part]
                    weights[f"blocks.{i}.{j}.{part}"] = value[-conv.out_channels :]
        model.load_state_dict(weights)
        return model.eval()

    def autoencoder(self) -> export.Autoencoder:
        """Return both encoders and the decoder."""
        return export.Autoencoder(self.encoder(), self.scene_encoder(), self.decoder())
