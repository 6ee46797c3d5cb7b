"""Read the numbers of a small tensor."""

import math
import struct
from array import array
from pathlib import Path

from gpustack_draw.headers.checkpoint import read_checkpoint_tensor
from gpustack_draw.headers.header import LocalFile, ModelHeader
from gpustack_draw.headers.tensor_table import damaged

FLOAT_TYPES = ("F32", "F16", "BF16", "F64")
_FORMATS = {"F32": "f", "F16": "e", "F64": "d"}


def read_floats(path: Path, header: ModelHeader, name: str, label: str) -> "array[float]":
    """Read a tensor of numbers, and check that each is finite.

    Args:
        path: A safetensors file, or a checkpoint of a few megabytes.
        header: Its header.
        name: Name of a tensor whose type is one of :data:`FLOAT_TYPES`.
        label: Name of the file in messages.

    Returns:
        The numbers as 32-bit floats, in the order of the file.

    Raises:
        ModelNotFoundError: The file no longer exists.
        ModelFileError: The file is damaged, or a number is NaN or infinite.
    """
    tensor = header.tensors[name]
    with LocalFile(path, label) as source:
        if tensor.offset is None:
            data = read_checkpoint_tensor(source, name)
        else:
            data = source.read(tensor.offset, tensor.bytes)
    if len(data) != tensor.bytes:
        raise damaged(label, f"tensor '{name}' has {len(data):,} of {tensor.bytes:,} bytes")
    numbers = array("f", _floats(data, tensor.type, tensor.elements))
    if not all(map(math.isfinite, numbers)):
        raise damaged(label, f"tensor '{name}' contains NaN or infinity")
    return numbers


def _floats(data: bytes, type_name: str, count: int) -> tuple[float, ...]:
    if type_name == "BF16":  # the upper half of a 32-bit float
        halves = struct.unpack(f"<{count}H", data)
        data, type_name = struct.pack(f"<{count}I", *(half << 16 for half in halves)), "F32"
    return struct.unpack(f"<{count}{_FORMATS[type_name]}", data)
