"""Write tiny model files, valid and invalid ones."""

import json
import math
import os
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Shape = Sequence[int]
# Shape (fastest dimension first) and type of each tensor.
Tensors = Mapping[str, tuple[Shape, str]]

GGUF_TYPES = {"F32": (0, 1, 4), "F16": (1, 1, 2), "Q4_0": (2, 32, 18), "Q8_0": (8, 32, 34)}
GGUF_TYPES |= {"Q8_1": (9, 32, 36), "I32": (26, 1, 4), "BF16": (30, 1, 2)}
SAFETENSORS_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "I64": 8, "U8": 1}


def gguf_string(text: str | bytes) -> bytes:
    data = text.encode() if isinstance(text, str) else text
    return struct.pack("<Q", len(data)) + data


def gguf_value(value: object) -> bytes:
    if isinstance(value, bool):
        return struct.pack("<I?", 7, value)
    if isinstance(value, int):
        return struct.pack("<II", 4, value)
    if isinstance(value, float):
        return struct.pack("<If", 6, value)
    if isinstance(value, str):
        return struct.pack("<I", 8) + gguf_string(value)
    assert isinstance(value, list)
    if value and isinstance(value[0], str):
        return struct.pack("<IIQ", 9, 8, len(value)) + b"".join(map(gguf_string, value))
    return struct.pack(f"<IIQ{len(value)}i", 9, 5, len(value), *value)


def gguf_tensor(name: str | bytes, shape: Shape, type_number: int, offset: int) -> bytes:
    """Return the description of a tensor, without checks, so that it can be invalid."""
    sides = b"".join(struct.pack("<Q", side % 2**64) for side in shape)
    return (
        gguf_string(name)
        + struct.pack("<I", len(shape))
        + sides
        + struct.pack("<IQ", type_number, offset)
    )


def gguf_header(tensors: Sequence[bytes], keys: Sequence[bytes] = (), *, version: int = 3) -> bytes:
    start = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(keys))
    return start + b"".join(keys) + b"".join(tensors)


def gguf_start(
    tensors: Tensors,
    metadata: Mapping[str, object] | None = None,
    *,
    version: int = 3,
    alignment: int = 32,
) -> tuple[bytes, int]:
    """Return a GGUF file up to its weights, and the number of bytes of these."""
    infos, offset, end = [], 0, 0
    for name, (shape, tensor_type) in tensors.items():
        number, block, size = GGUF_TYPES[tensor_type]
        infos.append(gguf_tensor(name, shape, number, offset))
        end = offset + math.prod(shape) // block * size
        offset = -(-end // alignment) * alignment
    keys = [gguf_string(key) + gguf_value(value) for key, value in (metadata or {}).items()]
    header = gguf_header(infos, keys, version=version)
    return header + bytes(-len(header) % alignment), end


def gguf_bytes(
    tensors: Tensors,
    metadata: Mapping[str, object] | None = None,
    *,
    version: int = 3,
    alignment: int = 32,
) -> bytes:
    """Return a complete GGUF file whose weights are zeros."""
    start, size = gguf_start(tensors, metadata, version=version, alignment=alignment)
    return start + bytes(size)


def write_sparse_gguf(path: Path, tensors: Tensors) -> Path:
    """Write a GGUF file whose weights are a hole: gigabytes that need no disk space."""
    start, size = gguf_start(tensors)
    path.write_bytes(start)
    os.truncate(path, len(start) + size)
    return path


def safetensors_bytes(
    tensors: Tensors,
    metadata: Mapping[str, str] | None = None,
    *,
    data: Mapping[str, bytes] | None = None,
) -> bytes:
    """Return a complete safetensors file; weights without data are zeros."""
    start, _size = safetensors_start(tensors, metadata)
    for name, (shape, tensor_type) in tensors.items():
        size = math.prod(shape) * SAFETENSORS_BYTES[tensor_type]
        start += (data or {}).get(name, bytes(size))
    return start


def write_sparse_safetensors(path: Path, tensors: Tensors) -> Path:
    """Write a complete safetensors file whose weights are a hole."""
    start, size = safetensors_start(tensors)
    path.write_bytes(start)
    os.truncate(path, len(start) + size)
    return path


def safetensors_start(
    tensors: Tensors, metadata: Mapping[str, str] | None = None
) -> tuple[bytes, int]:
    """Return a safetensors file up to its weights, and the number of bytes of these."""
    table: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    offset = 0
    for name, (shape, tensor_type) in tensors.items():
        end = offset + math.prod(shape) * SAFETENSORS_BYTES[tensor_type]
        entry = {
            "dtype": tensor_type,
            "shape": list(reversed(shape)),
            "data_offsets": [offset, end],
        }
        table[name] = entry
        offset = end
    return safetensors_header(table), offset


def safetensors_header(table: object) -> bytes:
    text = table if isinstance(table, bytes) else json.dumps(table).encode()
    return struct.pack("<Q", len(text)) + text


def write_model(path: Path, tensors: Tensors) -> Path:
    """Write a file in the format of its extension."""
    path.parent.mkdir(parents=True, exist_ok=True)
    as_gguf = path.suffix == ".gguf"
    path.write_bytes(gguf_bytes(tensors) if as_gguf else safetensors_bytes(tensors))
    return path


def prefixed(prefix: str, tensors: Tensors) -> dict[str, tuple[Shape, str]]:
    return {prefix + name: value for name, value in tensors.items()}


# The tensors that identify each component, enough for every check before the engine.
FLUX_HEADS: Tensors = {
    "double_blocks.0.txt_attn.norm.key_norm.scale": ((128,), "F32"),
    "txt_in.weight": ((64, 256), "F16"),
}
KLEIN: Tensors = {
    **FLUX_HEADS,
    "double_stream_modulation_img.lin.weight": ((256, 1536), "Q8_0"),
    "txt_in.weight": ((3, 256), "F16"),  # three layers of an LLM of width 1
    "img_in.weight": ((128, 256), "F16"),
}
FLUX1: Tensors = {
    **FLUX_HEADS,
    "double_blocks.0.img_attn.qkv.weight": ((256, 768), "Q8_0"),
    "img_in.weight": ((64, 256), "F16"),
    "guidance_in.in_layer.weight": ((256, 256), "F16"),
}
SD3: Tensors = {
    "joint_blocks.0.x_block.attn.qkv.weight": ((64, 192), "F16"),
    "joint_blocks.1.x_block.attn.qkv.weight": ((64, 192), "F16"),
}
UNET: Tensors = {
    "input_blocks.0.0.weight": ((3, 3, 4, 320), "F16"),
    "middle_block.1.norm.weight": ((320,), "F32"),
}
VAE_16: Tensors = {"decoder.conv_in.weight": ((3, 3, 16, 8), "F16")}
VAE_32: Tensors = {"decoder.conv_in.weight": ((3, 3, 32, 8), "F16")}
VAE_4: Tensors = {"decoder.conv_in.weight": ((3, 3, 4, 8), "F16")}
TAESD_32: Tensors = {"decoder.layers.0.weight": ((3, 3, 32, 64), "F16")}
CLIP_L: Tensors = {"text_model.embeddings.token_embedding.weight": ((768, 4), "F16")}
CLIP_G: Tensors = {"text_model.embeddings.token_embedding.weight": ((1280, 4), "F16")}
T5: Tensors = {"encoder.block.0.layer.0.SelfAttention.q.weight": ((64, 64), "F16")}
# One number per row, because only the number of rows matters.
LLM: Tensors = {"model.embed_tokens.weight": ((1, 151_669), "F16")}
LORA: Tensors = {"diffusion_model.double_blocks.0.img_attn.proj.lora_A.weight": ((8, 8), "F16")}

DIFFUSION = "model.diffusion_model."
SD1_ALL: Tensors = {
    **prefixed(DIFFUSION, UNET),
    **prefixed("cond_stage_model.transformer.", CLIP_L),
    **prefixed("first_stage_model.", VAE_4),
}
SDXL_ALL: Tensors = {
    **prefixed(DIFFUSION, UNET),
    **prefixed("conditioner.embedders.0.transformer.", CLIP_L),
    "conditioner.embedders.1.model.token_embedding.weight": ((1280, 4), "F16"),
    **prefixed("first_stage_model.", VAE_4),
}
KLEIN_ALL: Tensors = {
    **prefixed(DIFFUSION, KLEIN),
    **prefixed("text_encoders.llm.", LLM),
    **prefixed("tae.", TAESD_32),
}
