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
from transformers import CLIPTextConfig, CLIPTextModel

from compare_cpu.inputs import denoiser_inputs, latent
from compare_cpu.weights import DEMO, KLEIN, KleinSizes

Part = tuple[type[Any], dict[str, Any]]
_LEVELS = (128, 256, 512, 512)


@dataclass(frozen=True)
class Network:
    """A denoiser and its autoencoder.

    Attributes:
        name: ``sd15``, ``klein`` or ``demo``.
        denoiser: Class and configuration.
        autoencoder: Class and configuration; None if diffusers has none of that shape.
        encoder: Class and configuration of the text encoder; None if it has no layers.
    """

    name: str
    denoiser: Part
    autoencoder: Part | None
    encoder: Part | None = None

    @property
    def parts(self) -> dict[str, Part]:
        """The parts that exist, by the names of their folders."""
        all_parts = {
            "denoiser": self.denoiser,
            "autoencoder": self.autoencoder,
            "encoder": self.encoder,
        }
        return {role: part for role, part in all_parts.items() if part is not None}

    def inputs(self, side: int, batch: int, references: int = 0) -> tuple[Tensor, ...]:
        """Return :func:`compare_cpu.inputs.denoiser_inputs` as tensors."""
        return tuple(map(torch.tensor, denoiser_inputs(self.name, side, batch, references)))

    def latent(self, side: int) -> Tensor:
        """Return a random latent for the autoencoder, (1, channels, side / 8, side / 8)."""
        return torch.tensor(latent(self.name, side))


def network(name: str) -> Network:
    """Return the network of a model of the benchmark."""
    if name == "sd15":
        kinds = {"down_block_types": ("DownEncoderBlock2D",) * 4}
        kinds |= {"up_block_types": ("UpDecoderBlock2D",) * 4}
        vae = {"block_out_channels": _LEVELS, "layers_per_block": 2, "latent_channels": 4, **kinds}
        unet = {"cross_attention_dim": 768}
        clip = CLIPTextConfig(
            hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12
        )
        encoder = (CLIPTextModel, {"config": clip})
        return Network(name, (UNet2DConditionModel, unet), (AutoencoderKL, vae), encoder)
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


class Encoder(nn.Module):
    """A text encoder, from tokens to hidden states."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the hidden states (batch, words, width) of tokens (batch, words)."""
        return self.module(tokens).last_hidden_state


_WRAPPERS = {"denoiser": Denoiser, "autoencoder": Decoder, "encoder": Encoder}


def load(name: str, folder: Path, dtype: torch.dtype, *roles: str) -> list[Any]:
    """Load networks of a model with diffusers and transformers.

    Args:
        name: The model.
        folder: The folder that :func:`write` wrote to.
        dtype: Type of the weights and of the arithmetic.
        roles: ``denoiser``, ``autoencoder`` or ``encoder``.

    Returns:
        The network of each role, called with tensors only; None for those that the model lacks.
    """
    parts = network(name).parts
    loaded: list[Any] = []
    for role in roles:
        module = None
        if role in parts:
            kind, _options = parts[role]
            weights = kind.from_pretrained(_path(folder, name, role), torch_dtype=dtype)
            module = _WRAPPERS[role](weights).eval()
        loaded.append(module)
    return loaded


def write(name: str, folder: Path) -> None:
    """Write random weights of a model in half precision, unless they exist."""
    for role, (kind, options) in network(name).parts.items():
        path = _path(folder, name, role)
        if path.exists():
            continue
        torch.manual_seed(1)
        partial = path.with_name(f"{path.name}.partial")
        kind(**options).half().save_pretrained(partial)
        partial.rename(path)


def _path(folder: Path, name: str, role: str) -> Path:
    return folder / f"{name}-{role}"
