"""The header of a model file, and checks of its tensors that all formats share.

The engine trusts headers: a dimension of 0 makes it divide by zero, a layer number of 99999 makes
it build that many layers, and a ``%`` in a name reaches a format string of its log. The checks
reject everything that models do not need.
"""

import math
import re
from dataclasses import dataclass, field
from typing import Protocol

from gpustack_draw.errors import ModelFileError, quoted
from gpustack_draw.headers.weight_formats import PLAIN_TYPE_HINT, check_weight_format

# The engine compares all pairs of names: 8,000 tensors take a second, 32,000 a minute.
# The largest models have about 3,000.
MAX_TENSORS = 8_192
MAX_ELEMENTS = 2**31 - 1  # the engine converts tensors with 32-bit counts
MAX_DIMENSIONS = 5
MAX_NUMBER_IN_NAME = 9_999

_NAME = re.compile(r"[!-$&-~]+")  # printable ASCII without space and %
_LEADING_NUMBER = re.compile(r"[+-]?[0-9]+")  # as parsed by C's atoi
_WEIGHT_ENDINGS = (".weight", ".bias", ".scale")
# LoRAs may change a few layers only, and no memory is reserved for the others.
_LORA_ENDING = re.compile(r"[._](lora[._][\w.-]+\.weight|hada_\w+|lokr_\w+|alpha|diff(_b)?)$")
_PLAIN_TYPE = re.compile(r"B?F[0-9].*|[IU][0-9]+")
_INTEGERS = frozenset(("I8", "I16", "I32", "I64", "U8"))

AGAIN_HINT = "download or copy it again"


class ByteSource(Protocol):
    """Random access to the bytes of a local or remote file."""

    @property
    def label(self) -> str:
        """Name of the file in messages: the path as typed."""

    @property
    def size(self) -> int:
        """Size in bytes."""

    @property
    def chunk_bytes(self) -> int:
        """Number of bytes to read at once if the header's length is unknown."""

    def read(self, offset: int, length: int) -> bytes:
        """Read ``length`` bytes from ``offset``; fewer only at the end of the file."""


@dataclass(frozen=True)
class TensorInfo:
    """One tensor of a model file.

    Attributes:
        name: Name in the file.
        shape: Number of elements per dimension, fastest first (ggml's order), at most four.
        type: Storage type, for example ``F16`` or ``Q8_0``.
        bytes: Size in the file.
        expanded_bytes: Size in memory if the engine expands the tensor; otherwise 0.
        offset: Offset of its data in the file; ``None`` if unknown, as in checkpoints.
    """

    name: str
    shape: tuple[int, ...]
    type: str
    bytes: int
    expanded_bytes: int = 0
    offset: int | None = field(default=None, compare=False)

    @property
    def elements(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def is_quantized(self) -> bool:
        """True if the engine keeps the tensor in blocks of small numbers."""
        return not (self.expanded_bytes or _PLAIN_TYPE.fullmatch(self.type))


@dataclass(frozen=True)
class ModelHeader:
    """Contents of a model file, without tensor data.

    Attributes:
        format: ``gguf``, ``safetensors`` or ``checkpoint``.
        tensors: Tensors by name, in the order of the file. For a text model on the hub only those
            that identify it, with a size of 0 if unknown.
        metadata: Keys and values; lists are replaced by their lengths, except tensor shapes.
        file_bytes: Size of the file in bytes.
    """

    format: str
    tensors: dict[str, TensorInfo]
    metadata: dict[str, object] = field(default_factory=dict)
    file_bytes: int = 0

    @property
    def parameter_count(self) -> int:
        """Number of elements of all tensors."""
        return sum(tensor.elements for tensor in self.tensors.values())

    @property
    def tensor_bytes(self) -> int:
        """Bytes of all tensors in the file."""
        return sum(tensor.bytes for tensor in self.tensors.values())

    @property
    def loaded_bytes(self) -> int:
        """Bytes of all tensors once the engine has loaded them."""
        return sum(tensor.expanded_bytes or tensor.bytes for tensor in self.tensors.values())


def check_tensor_name(name: str, limit: int, label: str) -> None:
    """Raise if a tensor name is not plain text or is too long.

    Raises:
        ModelFileError: The name is invalid.
    """
    if not _NAME.fullmatch(name):
        raise damaged(label, f"it has a tensor whose name is not plain text: {quoted(name)}")
    if len(name) > limit:
        raise damaged(
            label,
            f"it has a tensor whose name is longer than {limit} characters:"
            f" {quoted(name, limit=40)}",
        )


def check_tensor_shape(name: str, shape: tuple[int, ...], label: str) -> None:
    """Raise if a tensor's shape is invalid.

    Args:
        name: Name of the tensor.
        shape: Dimensions, in either order.
        label: Name of the file in messages.

    Raises:
        ModelFileError: A dimension is 0 or negative, or there are too many, or too many elements.
    """
    if any(side < 0 for side in shape):
        raise damaged(label, f"tensor {quoted(name)} has a negative dimension: {sides(shape)}")
    if 0 in shape:
        # Empty tensors such as "__x0__" are markers, which the engine never loads.
        if len(shape) == 1 and not name.endswith(_WEIGHT_ENDINGS):
            return
        raise damaged(label, f"tensor {quoted(name)} has a dimension of 0: {sides(shape)}")
    if math.prod(shape) > MAX_ELEMENTS:
        raise damaged(
            label,
            f"tensor {quoted(name)} has more than {MAX_ELEMENTS:,} elements: {sides(shape)}",
        )


def check_tensors(tensors: dict[str, TensorInfo], label: str) -> None:
    """Raise if the engine would misread a set of tensors.

    Raises:
        ModelFileError: The set is empty, the numbers in names leave large gaps, or weights have a
            type that the engine misreads.
    """
    if not tensors:
        raise ModelFileError(f"{quoted(label)} holds no tensors", hint="name another file")
    check_weight_format({name: tensor.type for name, tensor in tensors.items()}, label)
    highest: dict[tuple[str, ...], int] = {}
    seen: dict[tuple[str, ...], set[int]] = {}
    for name, tensor in tensors.items():
        _check_stored_type(tensor, label)
        parts = name.split(".")
        for index, part in enumerate(parts):
            if number := _LEADING_NUMBER.match(part):
                # More than 8 digits exceed the limit anyway, and int() is slow for many.
                value = abs(int(number[0][:8]))
                if value > MAX_NUMBER_IN_NAME:
                    raise damaged(label, f"no model has a tensor {quoted(name)}")
                if _LORA_ENDING.search(name):
                    continue
                group = tuple(parts[:index])
                highest[group] = max(value, highest.get(group, 0))
                seen.setdefault(group, set()).add(value)
    for group, last in highest.items():
        # Layers without weights have no tensors, so small gaps are common.
        if last + 1 > 4 * len(seen[group]) + 16:
            raise damaged(
                label,
                f"it has {len(seen[group])} of the {last + 1} layers of {quoted('.'.join(group))}",
            )


def damaged(label: str, why: str) -> ModelFileError:
    """Build the error for a file that violates its format."""
    return ModelFileError(f"{quoted(label)} is damaged: {why}", hint=AGAIN_HINT)


def truncated(label: str, size: int, needed: int | None = None) -> ModelFileError:
    """Build the error for a truncated file.

    Args:
        label: Name of the file in messages.
        size: Actual size in bytes.
        needed: Expected size in bytes; ``None`` if the file ends inside its header.
    """
    if needed is None:
        why = f"it ends inside its header, after {size:,} bytes"
    else:
        why = f"it has {size:,} of {needed:,} bytes"
    return ModelFileError(f"{quoted(label)} is truncated: {why}", hint=AGAIN_HINT)


def _check_stored_type(tensor: TensorInfo, label: str) -> None:
    if tensor.type in _INTEGERS and tensor.name.endswith(_WEIGHT_ENDINGS):
        raise ModelFileError(
            f"{quoted(label)} stores {quoted(tensor.name)} as {tensor.type},"
            " which the engine cannot draw with",
            hint=PLAIN_TYPE_HINT,
        )


def sides(shape: tuple[int, ...]) -> str:
    """Return the dimensions of a tensor for messages, such as ``3x3x4``."""
    return "x".join(str(side) for side in shape)
