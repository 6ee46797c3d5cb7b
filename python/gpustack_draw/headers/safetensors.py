"""The header of a safetensors file.

Format: https://huggingface.co/docs/safetensors (from memory, and from the engine's own reader).
"""

import json
import math
from typing import Any, NoReturn, TypeGuard

from gpustack_draw.errors import ModelFileError, quoted
from gpustack_draw.headers.tensor_table import (
    MAX_DIMENSIONS,
    MAX_TENSORS,
    ByteSource,
    ModelHeader,
    TensorInfo,
    broken,
    check_tensor_name,
    check_tensor_shape,
    check_tensors,
    cut_short,
)
from gpustack_draw.headers.weight_formats import PLAIN_TYPE_HINT, check_weight_format

MAX_HEADER_BYTES = 16 * 1024 * 1024
MAX_NAME_LENGTH = 255

# Bytes an element of what the engine reads. It skips U8 tensors, which are never weights.
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
        ModelFileError: The header breaks a rule of the format, or of the engine, or the file is
            shorter than its header says.
    """
    label = source.label
    length = _length(source.read(0, 8))
    if 8 + length > source.size:
        raise cut_short(label, source.size)
    if length > MAX_HEADER_BYTES:
        raise broken(label, f"its header is larger than {MAX_HEADER_BYTES:,} bytes")
    entries = _parse(source.read(8, length), label)
    metadata = entries.pop("__metadata__", {})
    if not isinstance(metadata, dict):
        raise broken(label, "its metadata is not a table")
    # Before each tensor is looked at: these formats store some in types that only they have.
    check_weight_format({name: _type_of(entry) for name, entry in entries.items()}, label)
    if len(entries) > MAX_TENSORS:
        raise broken(label, f"it claims {len(entries):,} tensors, {MAX_TENSORS:,} are the most")
    tensors: dict[str, TensorInfo] = {}
    places: list[tuple[int, int, str]] = []
    for name, entry in entries.items():
        tensors[name], begin = _read_tensor(name, entry, label)
        places.append((begin, begin + tensors[name].bytes, name))
    check_tensors(tensors, label)
    _check_places(places, source, 8 + length)
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
            raise broken(label, f"it has two entries {quoted(twice)}")
        return table

    def refuse_constant(constant: str) -> NoReturn:
        raise ValueError(constant)

    try:
        table = json.loads(
            text.decode(), object_pairs_hook=refuse_twice, parse_constant=refuse_constant
        )
    except (ValueError, RecursionError):
        raise broken(label, "its header is not JSON") from None
    if not isinstance(table, dict):
        raise broken(label, "its header is not a table")
    return table


def _read_tensor(name: str, entry: object, label: str) -> tuple[TensorInfo, int]:
    """Read one tensor's description, and where its data begins in the data section."""
    check_tensor_name(name, MAX_NAME_LENGTH, label)
    if not isinstance(entry, dict):
        raise broken(label, f"tensor {quoted(name)} is not described by a table")
    kind, shape, places = entry.get("dtype"), entry.get("shape"), entry.get("data_offsets")
    if not isinstance(kind, str) or not _are_integers(shape) or not _are_integers(places, 2):
        raise broken(label, f"tensor {quoted(name)} lacks its type, its shape or its place")
    if len(shape) > MAX_DIMENSIONS:
        raise broken(
            label,
            f"tensor {quoted(name)} has {len(shape)} dimensions, {MAX_DIMENSIONS} are the most",
        )
    check_tensor_shape(name, tuple(shape), label)
    if kind not in ELEMENT_BYTES:
        raise ModelFileError(
            f"{quoted(label)} stores tensor {quoted(name)} as {quoted(kind)},"
            " which the engine does not read",
            hint=PLAIN_TYPE_HINT,
        )
    if len(shape) == 5:  # the engine joins the first two, as it has four at most
        shape = [shape[0] * shape[1], *shape[2:]]
    begin, end = places
    size = math.prod(shape) * ELEMENT_BYTES[kind]
    if begin < 0 or end - begin != size:
        raise broken(
            label, f"tensor {quoted(name)} takes {size:,} bytes, but {end - begin:,} are set aside"
        )
    # The engine has no floating-point numbers of 8 bits: it loads them as F16.
    expanded = 2 * size if kind.startswith("F8_") else 0
    return TensorInfo(name, tuple(reversed(shape)) or (1,), kind, size, expanded), begin


def _are_integers(value: object, count: int | None = None) -> TypeGuard[list[int]]:
    return (
        isinstance(value, list)
        and all(isinstance(item, int) and not isinstance(item, bool) for item in value)
        and count in (None, len(value))
    )


def _check_places(places: list[tuple[int, int, str]], source: ByteSource, start: int) -> None:
    places.sort()
    last_end, last_name = 0, ""
    for begin, end, name in places:
        if begin < last_end:
            raise broken(
                source.label, f"the data of tensors {quoted(last_name)} and {quoted(name)} overlap"
            )
        last_end, last_name = end, name
    if start + last_end > source.size:
        raise cut_short(source.label, source.size, start + last_end)
