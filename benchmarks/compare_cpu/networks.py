"""The same networks in PyTorch, from diffusers, with random weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderKLFlux2,
    Flux2Transformer2DModel,
    UNet2DConditionModel,
)
from torch import Tensor, nn

from compare_cpu.weights import DEMO, KLEIN, KleinSizes

Part = tuple[type[Any], dict[str, Any]]
_WORDS = {"sd15": 77, "klein": 512, "demo": 512}
_LEVELS = (128, 256, 512, 512)


@dataclass(frozen=True)
class Network:
    """A denoiser and its autoencoder.

    Attributes:
        name: ``sd15``, ``klein`` or ``demo``.
        denoiser: Class and configuration.
        autoencoder: Class and configuration; None if diffusers has none of that shape.
    """

    name: str
    denoiser: Part
    autoencoder: Part | None

    def inputs(self, side: int, batch: int, references: int = 0) -> tuple[Tensor, ...]:
        """Return the inputs of the denoiser, the noise first.

        Args:
            side: Side of the picture, in pixels.
            batch: 2 with guidance: one evaluation with the prompt and one without.
            references: Number of reference pictures of the same size, whose tokens are appended.
        """
        words = _WORDS[self.name]
        if self.name == "sd15":
            latent = torch.randn(batch, 4, side // 8, side // 8)
            return latent, torch.full((batch,), 500.0), torch.randn(batch, words, 768)
        places = (side // 16) ** 2
        tokens = places * (1 + references)
        place = torch.arange(tokens) % places
        ids = torch.zeros(tokens, 4)
        ids[:, 0] = torch.arange(tokens) // places * 10  # pictures are 10 apart
        ids[:, 1] = place // (side // 16)
        ids[:, 2] = place % (side // 16)
        text_ids = torch.zeros(words, 4)
        text_ids[:, 3] = torch.arange(words)
        context = torch.randn(batch, words, self.denoiser[1]["joint_attention_dim"])
        return (torch.randn(batch, tokens, 128), torch.full((batch,), 0.5), context, ids, text_ids)

    def latent(self, side: int) -> Tensor:
        """Return a random latent for the autoencoder, (1, channels, side / 8, side / 8)."""
        assert self.autoencoder is not None
        channels = self.autoencoder[1]["latent_channels"]
        return torch.randn(1, channels, side // 8, side // 8)


def network(name: str) -> Network:
    """Return the network of a model of the benchmark."""
    if name == "sd15":
        kinds = {"down_block_types": ("DownEncoderBlock2D",) * 4}
        kinds |= {"up_block_types": ("UpDecoderBlock2D",) * 4}
        vae = {"block_out_channels": _LEVELS, "layers_per_block": 2, "latent_channels": 4, **kinds}
        unet = {"cross_attention_dim": 768}
        return Network(name, (UNet2DConditionModel, unet), (AutoencoderKL, vae))
    if name == "klein":
        return Network(name, _klein(KLEIN), (AutoencoderKLFlux2, {"latent_channels": 32}))
    return Network(name, _klein(DEMO), None)


def _klein(sizes: KleinSizes) -> Part:
    return Flux2Transformer2DModel, {
        "num_layers": sizes.double,
        "num_single_layers": sizes.single,
        "num_attention_heads": sizes.width // 128,
        "joint_attention_dim": sizes.context,
        "guidance_embeds": False,
    }


class Denoiser(nn.Module):
    """A denoiser with positional tensor arguments, whatever diffusers calls them."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return the noise in the first input."""
        if len(inputs) == 3:
            sample, timestep, context = inputs
            return self.module(sample, timestep, context, return_dict=False)[0]
        tokens, timestep, context, ids, text_ids = inputs
        return self.module(
            hidden_states=tokens,
            encoder_hidden_states=context,
            timestep=timestep,
            img_ids=ids,
            txt_ids=text_ids,
            return_dict=False,
        )[0]


class Decoder(nn.Module):
    """The decoder of an autoencoder, from latents to pictures."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, latent: Tensor) -> Tensor:
        """Return pictures (1, 3, height, width), about -1 to 1."""
        return self.module.decode(latent, return_dict=False)[0]


def load(name: str, folder: Path, dtype: torch.dtype) -> tuple[Denoiser, Decoder | None]:
    """Load the networks of a model with diffusers.

    Args:
        name: The model.
        folder: The folder that :func:`write` wrote to.
        dtype: Type of the weights and of the arithmetic.
    """
    parts = network(name)
    denoiser, _options = parts.denoiser
    module = denoiser.from_pretrained(_path(folder, name, "denoiser"), torch_dtype=dtype)
    if parts.autoencoder is None:
        return Denoiser(module).eval(), None
    autoencoder, _options = parts.autoencoder
    vae = autoencoder.from_pretrained(_path(folder, name, "autoencoder"), torch_dtype=dtype)
    return Denoiser(module).eval(), Decoder(vae).eval()


def write(name: str, folder: Path) -> None:
    """Write random weights of a model in half precision, unless they exist."""
    parts = network(name)
    for part, role in ((parts.denoiser, "denoiser"), (parts.autoencoder, "autoencoder")):
        path = _path(folder, name, role)
        if part is None or path.exists():
            continue
        torch.manual_seed(1)
        kind, options = part
        partial = path.with_name(f"{path.name}.partial")
        kind(**options).half().save_pretrained(partial)
        partial.rename(path)


def _path(folder: Path, name: str, role: str) -> Path:
    return folder / f"{name}-{role}"
