"""Write tiny LoRA files, valid and invalid ones; and a record of one."""

from pathlib import Path

import model_files as files
import numpy as np

from gpustack_draw.headers.header import read_model_header
from gpustack_draw.request.loras import LoraSettings
from gpustack_draw.resolver.loras.lora_file import LoraFile
from gpustack_draw.resolver.loras.read_lora import read_lora

LABEL = "x.safetensors"
STYLE = LoraSettings(
    name="style",
    reference="style.safetensors",
    weight=0.8,
    tag_weight=0.0,
    applied=4,
    total=6,
    rank=16,
    base="SDXL",
    trigger_words=("neon", "glow"),
    license="MIT",
    hash="0123456789ab",
)
DEMO_MODULE = "diffusion_model.double_blocks.{}.img_attn.proj"


def factors(
    module: str, inputs: int = 64, outputs: int = 64, rank: int = 4, *, kohya: bool = False
) -> dict[str, tuple[files.Shape, str]]:
    """Return the tensors of a module of a matrix, with the endings of PEFT or kohya."""
    down, up = ("lora_down", "lora_up") if kohya else ("lora_A", "lora_B")
    tensors: dict[str, tuple[files.Shape, str]] = {
        f"{module}.{down}.weight": ((inputs, rank), "F16"),
        f"{module}.{up}.weight": ((rank, outputs), "F16"),
    }
    return {**tensors, f"{module}.alpha": ((), "F32")} if kohya else tensors


def convolution(
    module: str, inputs: int = 8, outputs: int = 16, rank: int = 4, kernel: int = 3
) -> dict[str, tuple[files.Shape, str]]:
    """Return the tensors of a module of a convolution."""
    return {
        f"{module}.lora_down.weight": ((kernel, kernel, inputs, rank), "F16"),
        f"{module}.lora_up.weight": ((1, 1, rank, outputs), "F16"),
    }


def read(
    folder: Path, tensors: files.Tensors, metadata: dict[str, str] | None = None, *names: str
) -> LoraFile:
    """Write a LoRA to a file and read it."""
    path = folder / LABEL
    path.write_bytes(files.safetensors_bytes(tensors, metadata))
    return read_lora(read_model_header(path, label=LABEL), LABEL, *names)


def demo_lora(seed: int, *others: str, metadata: dict[str, str] | None = None) -> bytes:
    """Return a safetensors file of a random LoRA for the demo model.

    Args:
        seed: Seed of its numbers.
        others: More modules, which the model does not have.
        metadata: Its metadata.
    """
    random = np.random.default_rng(seed)
    modules = (DEMO_MODULE.format(0), DEMO_MODULE.format(1), *others)
    tensors = {
        name: (shape, "F32")
        for module in modules
        for name, (shape, _) in factors(module, 256, 256).items()
    }
    data = {
        name: (0.8 * random.standard_normal(shape[::-1])).astype("<f4").tobytes()
        for name, (shape, _) in tensors.items()
    }
    return files.safetensors_bytes(tensors, metadata, data=data)
