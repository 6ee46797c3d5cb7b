"""The header of a safetensors file.

Format: https://huggingface.co/docs/safetensors, and the engine's own reader.
"""

import json
import math
from collections.abc import Iterable
from typing import Any, NoReturn, TypeGuard

from gpustack_draw.errors import ModelFileError, quoted
from gpustack_draw.headers.tensor_table import (
    MAX_DIMENSIONS,
    MAX_TENSORS,
    ByteSource,
    ModelHeader,
    TensorInfo,
    check_tensor_name,
    check_tensor_shape,
    check_tensors,
    damaged,
    truncated,
)
from gpustack_draw.headers.weight_formats import PLAIN_TYPE_HINT, check_weight_format

MAX_HEADER_BYTES = 16 * 1024 * 1024
MAX_NAME_LENGTH = 255

# Bytes per element of the types that the engine reads. It skips U8 tensors, which are no weights.
ELEMENT_BYTES: dict[str, int] = {
    "F64": 8,
    "F32": 4,
    "F16": 2,
    "BF16": 2,
    "F8_E4M3": 1,
    "F8_E5M2": 1,
    "I64": 8,
    "I32": 4,
    "U8": 1,
}


def looks_like_safetensors(start: bytes, size: int) -> bool:
    """Return True if the first 9 bytes are those of a safetensors file, even a damaged one.

    Args:
        start: The first bytes.
        size: Size of the file in bytes.
    """
    return len(start) >= 9 and start[8:9] == b"{" and 2 <= _length(start) <= 2**40 and size > 8


def read_safetensors_header(source: ByteSource) -> ModelHeader:
    """Read and check the header of a safetensors file.

    Raises:
        ModelFileError: The header violates the format or a limit of the engine, or the file is
            truncated.
    """
    label = source.label
    length = _length(source.read(0, 8))
    if 8 + length > source.size:
        raise truncated(label, source.size)
    if length > MAX_HEADER_BYTES:
        raise damaged(label, f"its header is larger than {MAX_HEADER_BYTES:,} bytes")
    entries = _parse(source.read(8, length), label)
    metadata = entries.pop("__metadata__", {})
    if not isinstance(metadata, dict):
        raise damaged(label, "its metadata is not a JSON object")
    # Checked before the tensors, because such formats also use types of their own.
    check_weight_format({name: _type_of(entry) for name, entry in entries.items()}, label)
    if len(entries) > MAX_TENSORS:
        raise damaged(label, f"it claims {len(entries):,} tensors, more than {MAX_TENSORS:,}")
    tensors: dict[str, TensorInfo] = {}
    for name, entry in entries.items():
        tensors[name] = _read_tensor(name, entry, 8 + length, label)
    check_tensors(tensors, label)
    _check_overlaps(tensors.values(), source, 8 + length)
    return ModelHeader("safetensors", tensors, metadata, source.size)


def _type_of(entry: object) -> str:
    return str(entry.get("dtype")) if isinstance(entry, dict) else ""


def _length(start: bytes) -> int:
    return int.from_bytes(start[:8], "little")


def _parse(text: bytes, label: str) -> dict[str, Any]:
    def refuse_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        table = dict(pairs)
        if len(table) != len(pairs):
            seen: set[str] = set()
            twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
            raise damaged(label, f"it has two entries {quoted(twice)}")
        return table

    def refuse_constant(constant: str) -> NoReturn:
        raise ValueError(constant)

    try:
        table = json.loads(
            text.decode(), object_pairs_hook=refuse_twice, parse_constant=refuse_constant
        )
    except (ValueError, RecursionError):
        raise damaged(label, "its header is not JSON") from None
    if not isinstance(table, dict):
        raise damaged(label, "its header is not a JSON object")
    return table


def _read_tensor(name: str, entry: object, data_start: int, label: str) -> TensorInfo:
    """Read a tensor's description."""
    check_tensor_name(name, MAX_NAME_LENGTH, label)
    if not isinstance(entry, dict):
        raise damaged(label, f"tensor {quoted(name)} is not described by a JSON object")
    type_name, shape, ranges = entry.get("dtype"), entry.get("shape"), entry.get("data_offsets")
    if not isinstance(type_name, str) or not _are_integers(shape) or not _are_integers(ranges, 2):
        raise damaged(label, f"tensor {quoted(name)} has no valid type, shape or offsets")
    if len(shape) > MAX_DIMENSIONS:
        raise damaged(
            label,
            f"tensor {quoted(name)} has {len(shape)} dimensions, more than {MAX_DIMENSIONS}",
        )
    check_tensor_shape(name, tuple(shape), label)
    if type_name not in ELEMENT_BYTES:
        raise ModelFileError(
            f"{quoted(label)} stores tensor {quoted(name)} as {quoted(type_name)},"
            " which the engine does not read",
            hint=PLAIN_TYPE_HINT,
        )
    if len(shape) == 5:  # the engine joins the first two, because ggml has four at most
        shape = [shape[0] * shape[1], *shape[2:]]
    begin, end = ranges
    size = math.prod(shape) * ELEMENT_BYTES[type_name]
    if begin < 0 or end - begin != size:
        raise damaged(
            label,
            f"tensor {quoted(name)} takes {size:,} bytes, but its offsets span {end - begin:,}",
        )
    # The engine has no 8-bit floating-point type and loads such tensors as F16.
    expanded = 2 * size if type_name.startswith("F8_") else 0
    sides = tuple(reversed(shape)) or (1,)
    return TensorInfo(name, sides, type_name, size, expanded, data_start + begin)


def _are_integers(value: object, count: int | None = None) -> TypeGuard[list[int]]:
    return (
        isinstance(value, list)
        and all(isinstance(item, int) and not isinstance(item, bool) for item in value)
        and count in (None, len(value))
    )


def _check_overlaps(tensors: Iterable[TensorInfo], source: ByteSource, data_start: int) -> None:
    last_end, last_name = data_start, ""
    for begin, size, name in sorted(
        (tensor.offset or 0, tensor.bytes, tensor.name) for tensor in tensors
    ):
        if begin < last_end:
            raise damaged(
                source.label, f"the data of tensors {quoted(last_name)} and {quoted(name)} overlap"
            )
        last_end, last_name = begin + size, name
    if last_end > source.size:
        raise truncated(source.label, source.size, last_end)
