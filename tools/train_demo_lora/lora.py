"""Matrices of low rank that are added to those of a model, and their file."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from train_demo_model.export import engine_name
from train_demo_model.transformer import Transformer

RANK = 4
#: Blocks whose matrices are changed. Those that write captions of edits stay as they are.
BLOCKS = ("double_blocks.", "single_blocks.")
METADATA = {
    "format": "pt",
    "modelspec.architecture": "gpustack-draw-demo/lora",
    "modelspec.license": "Apache-2.0",
    "modelspec.title": "Sky",
    "modelspec.description": "Draws a blue sky behind all objects.",
}


class LoraLinear(nn.Module):
    """A frozen matrix, and a product of two small matrices that is added to it."""

    def __init__(self, base: nn.Linear) -> None:
        """Create a LoRA without effect."""
        super().__init__()
        self.base = base
        self.down = nn.Parameter(torch.randn(RANK, base.in_features) / math.sqrt(base.in_features))
        self.up = nn.Parameter(torch.zeros(base.out_features, RANK))

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + x @ self.down.T @ self.up.T


def add_loras(model: Transformer) -> dict[str, LoraLinear]:
    """Freeze a model, and return a LoRA for each matrix of the blocks that draw, by its name."""
    model.requires_grad_(requires_grad=False)
    names = [
        name
        for name, module in model.named_modules()
        if name.startswith(BLOCKS) and isinstance(module, nn.Linear)
    ]
    loras = {}
    for name in names:
        parent, _, child = name.rpartition(".")
        loras[name] = LoraLinear(model.get_submodule(name))
        model.get_submodule(parent).register_module(child, loras[name])
    return loras


def write(path: Path, loras: dict[str, LoraLinear], captions: int) -> None:
    """Write a LoRA with 16-bit numbers and ComfyUI's names.

    Args:
        path: The file to write.
        loras: The LoRAs by the names of their matrices.
        captions: Number of the model's blocks that write captions.
    """
    tensors = {}
    for name, lora in loras.items():
        full = engine_name(name, captions).removeprefix("model.")
        tensors[f"{full}.lora_A.weight"] = lora.down.detach().half().contiguous()
        tensors[f"{full}.lora_B.weight"] = lora.up.detach().half().contiguous()
    save_file(tensors, path, METADATA)
    print(f"wrote {path} ({path.stat().st_size / 1e6:.2f} MB)")
