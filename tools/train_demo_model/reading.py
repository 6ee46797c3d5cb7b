"""Read a model file that `export.write` wrote: weights for further training, and autoencoder."""

from __future__ import annotations

from pathlib import Path

import torch
from gguf import GGUFReader, dequantize
from torch import Tensor, nn

from train_demo_model import export
from train_demo_model.autoencoder import COMPONENTS, LATENT_CHANNELS, Decoder, LinearEncoder
from train_demo_model.transformer import Shape, Transformer
from train_demo_model.vocabulary import WORDS, token_rows


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

        def blocks(name: str) -> int:
            prefix = f"{export.MODEL_PREFIX}{name}_blocks."
            found = {key[len(prefix) :].split(".")[0] for key in self.tensors if prefix in key}
            return len(found)

        hidden, text = self.tensors[export.MODEL_PREFIX + "txt_in.weight"].shape
        return Shape(hidden, blocks("double"), blocks("single"), text)

    def weights(self, engine_source: Path) -> dict[str, Tensor]:
        """Return the weights of a transformer; rows of words that the file lacks are random."""
        torch.manual_seed(3)
        model = Transformer(self.shape())
        weights = {
            name: self.tensors[engine].clone()
            for name, engine in export.transformer_names(model.state_dict()).items()
        }
        table = self.tensors[export.TEXT_PREFIX + "embed_tokens.weight"]
        words = torch.zeros(len(WORDS) + 1, table.shape[1])
        for token, row in token_rows(engine_source).items():
            if not words[row].any():
                words[row] = table[token]
        scale = words[words.any(1)].square().mean().sqrt()
        missing = ~words.any(1)
        missing[0] = False
        words[missing] = scale * torch.randn(int(missing.sum()), table.shape[1])
        weights["words"] = words
        weights["word_norm"] = self.tensors[export.TEXT_PREFIX + "norm.weight"].clone()
        return weights

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
        prefix = export.AUTOENCODER_PREFIX + "encoder.layers."
        projections, inputs = [], 3
        for kept, index in zip(COMPONENTS, export.HALVINGS, strict=True):
            weight = self.tensors[f"{prefix}{index}.weight"][:kept, :inputs, 1:, 1:]
            projections.append(weight.permute(0, 2, 3, 1).flatten(1).contiguous())
            inputs = kept
        gain = self.tensors[prefix + "14.weight"][:, :LATENT_CHANNELS, 1, 1].diagonal().clone()
        bias = self.tensors[prefix + "14.bias"]
        offset = torch.where(gain != 0, -bias / gain, 0.0)
        return LinearEncoder(projections, offset, gain)
