"""Write model files with random weights that depend only on a tensor's role in the model.

The same model can be packed in several ways, with other names and in several files.
"""

import json
import math
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from architectures import Named
from model_files import SAFETENSORS_BYTES, Shape, gguf_start

_POOL = 1 << 17
_ROW = 256


@dataclass(frozen=True)
class Weight:
    """A tensor of a file.

    Attributes:
        shape: Shape in the model, fastest dimension first.
        type: ``F32``, ``F16`` or ``Q4_0``.
        identity: Name in the model, independent of the name in this file.
        transposed: Whether this file stores the transpose.
    """

    shape: Shape
    type: str
    identity: str
    transposed: bool = False


Weights = Mapping[str, Weight]


def weights(tensors: Named, *, prefix: str = "", identity: str = "") -> dict[str, Weight]:
    """Describe tensors; names and identities have different prefixes."""
    return {
        prefix + name: Weight(shape, weight_type, identity + name)
        for name, (shape, weight_type) in tensors.items()
    }


def write_gguf(path: Path, tensors: Weights) -> Path:
    """Write a GGUF file."""
    start, _ = gguf_start({name: (of.shape, of.type) for name, of in tensors.items()})
    return _write(path, start, tensors)


def write_rearranged_gguf(path: Path, tensors: Weights) -> Path:
    """Write a GGUF file as quantizers for ComfyUI do: in rows of 256 numbers."""
    stored, keys = {}, {}
    for name, of in tensors.items():
        count = math.prod(of.shape)
        stored[name] = (of.shape, of.type)
        if len(of.shape) > 1 and count >= 512 and count % _ROW == 0 and of.shape[0] % _ROW:
            stored[name] = ((_ROW, count // _ROW), of.type)
            keys[f"comfy.gguf.orig_shape.{name}"] = list(reversed(of.shape))
    start, _ = gguf_start(stored, {"general.architecture": "sd1", **keys})
    return _write(path, start, tensors)


def write_safetensors(path: Path, tensors: Weights) -> Path:
    """Write a safetensors file."""
    table, offset = {}, 0
    for name, of in tensors.items():
        end = offset + math.prod(of.shape) * SAFETENSORS_BYTES[of.type]
        shape = list(reversed(of.shape))
        table[name] = {"dtype": of.type, "shape": shape, "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(table).encode()
    return _write(path, struct.pack("<Q", len(text)) + text, tensors, alignment=1)


def _write(path: Path, start: bytes, tensors: Weights, alignment: int = 32) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(7)
    numbers = random.standard_normal(_POOL, np.float32)
    nibbles = random.integers(0, 256, (_POOL // 32, 16), np.uint8)
    with path.open("wb") as file:
        file.write(start)
        for of in tensors.values():
            if of.transposed:
                whole = b"".join(_pieces(of, numbers, nibbles))
                matrix = np.frombuffer(whole, "<f2").reshape(tuple(reversed(of.shape)))
                file.write(matrix.T.tobytes())
                continue
            for piece in _pieces(of, numbers, nibbles):
                file.write(piece)
            file.write(bytes(-file.tell() % alignment))
    return path


def _pieces(of: Weight, numbers: np.ndarray, nibbles: np.ndarray) -> Iterator[bytes]:
    count = math.prod(of.shape)
    seed = zlib.crc32(of.identity.encode())
    if len(of.shape) == 1:
        center, spread = (0, 0.02) if of.identity.endswith("bias") else (1, 0.02)
    else:
        # Keeps the standard deviation of activations near 1.
        inputs = count / of.shape[-1]
        center, spread = 0, 0.02 if "embed" in of.identity else (3 * inputs) ** -0.5
    if of.type == "Q4_0":  # blocks of a scale and 32 numbers from -8 to 7
        blocks = np.empty((_POOL // 32, 18), np.uint8)
        blocks[:, :2] = np.frombuffer(np.float16(spread / 4.6).tobytes(), np.uint8)
        blocks[:, 2:] = np.roll(nibbles, seed % len(nibbles), axis=0)
        made, size = blocks.tobytes(), count // 32 * 18
    else:
        layout = {"F32": "<f4", "F16": "<f2"}[of.type]
        values = center + spread * np.roll(numbers, seed % _POOL)[: min(count, _POOL)]
        made, size = values.astype(layout).tobytes(), count * SAFETENSORS_BYTES[of.type]
    while size > 0:
        yield made[:size]
        size -= len(made)
