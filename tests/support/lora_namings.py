"""The demo model's weights as arrays, LoRAs for it in the namings of several tools, and merging."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

import gpustack_draw.demo
from gpustack_draw.headers.header import read_model_header

Array = NDArray[np.float32]
Weights = dict[str, Array]

DEMO = next(Path(gpustack_draw.demo.__file__).parent.glob("*.gguf"))
PREFIX = "model.diffusion_model."
HIDDEN = 256
RANK = 4
#: The factor alpha / rank of the LoRAs that have an alpha.
SCALE = 0.5

#: Matrices that the LoRAs change, by the engine's name, and diffusers' names of their parts.
MODULES: dict[str, tuple[str, ...]] = {
    "double_blocks.0.img_attn.qkv": tuple(f"transformer_blocks.0.attn.to_{n}" for n in "qkv"),
    "double_blocks.1.txt_attn.qkv": tuple(f"transformer_blocks.1.attn.add_{n}_proj" for n in "qkv"),
    "double_blocks.0.img_attn.proj": ("transformer_blocks.0.attn.to_out.0",),
    "double_blocks.1.txt_attn.proj": ("transformer_blocks.1.attn.to_add_out",),
    "double_blocks.0.img_mlp.0": ("transformer_blocks.0.ff.linear_in",),
    "double_blocks.0.img_mlp.2": ("transformer_blocks.0.ff.linear_out",),
    "double_blocks.1.txt_mlp.0": ("transformer_blocks.1.ff_context.linear_in",),
    "double_blocks.1.txt_mlp.2": ("transformer_blocks.1.ff_context.linear_out",),
    "single_blocks.0.linear1": ("single_transformer_blocks.0.attn.to_qkv_mlp_proj",),
    "single_blocks.2.linear2": ("single_transformer_blocks.2.attn.to_out",),
    "double_stream_modulation_img.lin": ("double_stream_modulation_img.linear",),
    "double_stream_modulation_txt.lin": ("double_stream_modulation_txt.linear",),
    "single_stream_modulation.lin": ("single_stream_modulation.linear",),
    "time_in.in_layer": ("time_guidance_embed.timestep_embedder.linear_1",),
    "time_in.out_layer": ("time_guidance_embed.timestep_embedder.linear_2",),
    "img_in": ("x_embedder",),
    "txt_in": ("context_embedder",),
    "final_layer.linear": ("proj_out",),
}
#: Down and up matrices of the parts of each module, without the scale.
Factors = dict[str, list[tuple[Array, Array]]]


def demo_weights() -> Weights:
    """Return all tensors of the demo model as 32-bit numbers."""
    tensors = list(read_model_header(DEMO).tensors.values())
    data = DEMO.read_bytes()
    padded = [-(-tensor.bytes // 32) * 32 for tensor in tensors]
    offset = (len(data) - sum(padded[:-1]) - tensors[-1].bytes) // 32 * 32
    weights = {}
    for tensor, size in zip(tensors, padded, strict=True):
        stored = data[offset : offset + tensor.bytes]
        weights[tensor.name] = _read(stored, tensor.type).reshape(tensor.shape[::-1])
        offset += size
    return weights


def _read(data: bytes, kind: str) -> Array:
    if kind == "Q8_0":  # blocks of a 16-bit scale and 32 numbers
        blocks = np.frombuffer(data, np.dtype([("scale", "<f2"), ("numbers", "i1", 32)]))
        return (blocks["numbers"] * blocks["scale"][:, None].astype(np.float32)).ravel()
    return np.frombuffer(data, {"F16": "<f2", "F32": "<f4"}[kind]).astype(np.float32)


def write_weights(path: Path, weights: Mapping[str, Array]) -> Path:
    """Write a model of 32-bit numbers, or a LoRA."""
    save_file({name: np.ascontiguousarray(value) for name, value in weights.items()}, path)
    return path


def random_factors(weights: Weights, seed: int) -> Factors:
    """Return random factors for all modules, as small as to change a picture but not destroy it."""
    random = np.random.default_rng(seed)
    factors: Factors = {}
    for module, parts in MODULES.items():
        rows, columns = weights[f"{PREFIX}{module}.weight"].shape
        size = np.abs(weights[f"{PREFIX}{module}.weight"]).mean()
        factors[module] = [
            (
                random.normal(0, columns**-0.5, (RANK, columns)).astype(np.float32),
                random.normal(0, 3 * size, (rows // len(parts), RANK)).astype(np.float32),
            )
            for _part in parts
        ]
    return factors


def merged(weights: Weights, factors: Factors, weight: float = 1.0) -> Weights:
    """Return the model's weights with those of a LoRA added."""
    result = dict(weights)
    for module, parts in factors.items():
        name = f"{PREFIX}{module}.weight"
        difference = np.concatenate([up @ down for down, up in parts])
        result[name] = result[name] + weight * SCALE * difference
    return result


def _fused(parts: list[tuple[Array, Array]]) -> tuple[Array, Array]:
    """Return the factors of a fused matrix: a rank for each part."""
    down = np.concatenate([down for down, _up in parts])
    up = np.zeros((sum(len(up) for _down, up in parts), len(down)), np.float32)
    row = 0
    for i, (_down, part) in enumerate(parts):
        up[row : row + len(part), i * RANK : (i + 1) * RANK] = part
        row += len(part)
    return down, up


def _with_alpha(name: Callable[[str], str]) -> Callable[[Factors], Weights]:
    def write(factors: Factors) -> Weights:
        tensors: Weights = {}
        for module, parts in factors.items():
            down, up = _fused(parts)
            tensors[f"{name(module)}.lora_down.weight"] = down
            tensors[f"{name(module)}.lora_up.weight"] = up
            tensors[f"{name(module)}.alpha"] = np.array(SCALE * len(down), np.float32)
        return tensors

    return write


def _of_diffusers(prefix: str, adapter: str = "") -> Callable[[Factors], Weights]:
    def write(factors: Factors) -> Weights:
        tensors: Weights = {}
        for module, parts in factors.items():
            for name, (down, up) in zip(MODULES[module], parts, strict=True):
                tensors[f"{prefix}{name}.lora_A.{adapter}weight"] = down
                tensors[f"{prefix}{name}.lora_B.{adapter}weight"] = SCALE * up
        return tensors

    return write


def _of_engine(prefix: str) -> Callable[[Factors], Weights]:
    def write(factors: Factors) -> Weights:
        tensors: Weights = {}
        for module, parts in factors.items():
            down, up = _fused(parts)
            tensors[f"{prefix}{module}.lora_A.weight"] = down
            tensors[f"{prefix}{module}.lora_B.weight"] = SCALE * up
        return tensors

    return write


def _underscored(module: str) -> str:
    return module.replace(".", "_")


def _onetrainer(factors: Factors) -> Weights:
    tensors: Weights = {}
    for module, parts in factors.items():
        for part, (down, up) in zip(MODULES[module], parts, strict=True):
            name = "lora_transformer_" + _underscored(part)
            tensors[f"{name}.lora_down.weight"] = down
            tensors[f"{name}.lora_up.weight"] = up
            tensors[f"{name}.alpha"] = np.array(SCALE * RANK, np.float32)
    return tensors


#: Functions that return the tensors of a LoRA's file in the naming of a tool.
NAMINGS: dict[str, Callable[[Factors], Weights]] = {
    "kohya": _with_alpha(lambda module: "lora_unet_" + _underscored(module)),
    "lycoris": _with_alpha(lambda module: "lycoris_" + _underscored(module)),
    "comfyui": _of_engine("diffusion_model."),
    "comfyui-alpha": _with_alpha(lambda module: "diffusion_model." + module),
    "without-component": _of_engine(""),
    "diffusers": _of_diffusers("transformer."),
    "diffusers-without-component": _of_diffusers(""),
    "diffusers-in-comfyui": _of_diffusers("diffusion_model."),
    "raw-peft": _of_diffusers("base_model.model."),
    "raw-peft-adapter": _of_diffusers("base_model.model.", "default."),
    "raw-peft-engine": _of_engine("base_model.model."),
    "onetrainer": _onetrainer,
}
