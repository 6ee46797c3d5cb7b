"""What a model file's header says, and the checks that its tensors share in every format.

The engine trusts a header: a dimension of 0 divides by zero in it, a layer number of 99999 makes it
build that many layers, a ``%`` in a name reaches a format string of its log. So nothing that a
model has no use for gets through here.
"""

import math
import re
from dataclasses import dataclass, field
from typing import Protocol

from gpustack_draw.errors import ModelFileError, quoted
from gpustack_draw.headers.weight_formats import PLAIN_TYPE_HINT, check_weight_format

# The engine compares every name with every other: 8,000 tensors take it a second, 32,000 a minute.
# The largest models have some 3,000.
MAX_TENSORS = 8_192
MAX_ELEMENTS = 2**31 - 1  # the engine converts tensors with 32-bit counts
MAX_DIMENSIONS = 5
MAX_NUMBER_IN_NAME = 9_999

_NAME = re.compile(r"[!-$&-~]+")  # printable ASCII, less the blank and %
_LEADING_NUMBER = re.compile(r"[+-]?[0-9]+")  # what C's atoi takes
_WEIGHT_ENDINGS = (".weight", ".bias", ".scale")
_INTEGERS = frozenset(("I8", "I16", "I32", "I64", "U8"))

AGAIN_HINT = "download or copy it again"


class ByteSource(Protocol):
    """Bytes that can be read at any place: a file here, or one on the network."""

    @property
    def shown(self) -> str:
        """What messages call it: the path as typed."""

    @property
    def size(self) -> int:
        """Bytes in all."""

    @property
    def chunk_bytes(self) -> int:
        """How many to read at once where the header's length is not known."""

    def read(self, offset: int, length: int) -> bytes:
        """Read ``length`` bytes from ``offset``; fewer only where the end comes first."""


@dataclass(frozen=True)
class TensorInfo:
    """One tensor of a model file.

    Attributes:
        name: Its name in the file.
        shape: Elements by dimension, the fastest first (ggml's order), at most four.
        type: How the elements are stored, for example ``F16`` or ``Q8_0``.
        bytes: Its size in the file.
        expanded_bytes: Its size in memory, where the engine expands it; else 0.
    """

    name: str
    shape: tuple[int, ...]
    type: str
    bytes: int
    expanded_bytes: int = 0

    @property
    def elements(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class ModelHeader:
    """What is in a model file, without its data.

    Attributes:
        format: ``gguf``, ``safetensors`` or ``checkpoint``.
        tensors: Its tensors by name, in the order of the file. Of a text model on the hub only
            those by which it is told, with sizes that are 0 where they are not known.
        metadata: Its keys and values; a list is only its length, less the shapes of tensors.
        file_bytes: Size of the file.
    """

    format: str
    tensors: dict[str, TensorInfo]
    metadata: dict[str, object] = field(default_factory=dict)
    file_bytes: int = 0

    @property
    def parameter_count(self) -> int:
        """How many numbers the model has."""
        return sum(tensor.elements for tensor in self.tensors.values())

    @property
    def tensor_bytes(self) -> int:
        """Bytes of all tensors in the file."""
        return sum(tensor.bytes for tensor in self.tensors.values())

    @property
    def loaded_bytes(self) -> int:
        """Bytes of all tensors once the engine has loaded them."""
        return sum(tensor.expanded_bytes or tensor.bytes for tensor in self.tensors.values())


def check_tensor_name(name: str, limit: int, shown: str) -> None:
    """Refuse a tensor name that is no plain text or too long.

    Raises:
        ModelFileError: It is.
    """
    if not _NAME.fullmatch(name):
        raise broken(shown, f"it has a tensor whose name is not plain text: {quoted(name)}")
    if len(name) > limit:
        raise broken(
            shown,
            f"it has a tensor whose name is longer than {limit} characters:"
            f" {quoted(name, limit=40)}",
        )


def check_tensor_shape(name: str, shape: tuple[int, ...], shown: str) -> None:
    """Refuse a shape that no tensor of a model has.

    Args:
        name: The tensor's name.
        shape: Its dimensions, in either order.
        shown: What messages call the file.

    Raises:
        ModelFileError: A dimension is 0 or negative, or there are too many, or too many elements.
    """
    if any(side < 0 for side in shape):
        raise broken(shown, f"tensor {quoted(name)} has a negative dimension: {_sides(shape)}")
    if 0 in shape:
        # Files carry empty tensors as marks, such as "__x0__"; the engine never loads those.
        if len(shape) == 1 and not name.endswith(_WEIGHT_ENDINGS):
            return
        raise broken(shown, f"tensor {quoted(name)} has a dimension of 0: {_sides(shape)}")
    if math.prod(shape) > MAX_ELEMENTS:
        raise broken(
            shown,
            f"tensor {quoted(name)} has more than {MAX_ELEMENTS:,} elements: {_sides(shape)}",
        )


def check_tensors(tensors: dict[str, TensorInfo], shown: str) -> None:
    """Refuse a set of tensors that would mislead the engine.

    Raises:
        ModelFileError: There is none, the numbers in their names leave large gaps, or weights are
            stored in a way that the engine reads wrongly.
    """
    if not tensors:
        raise ModelFileError(f"{quoted(shown)} holds no tensors", hint="name another file")
    check_weight_format({name: tensor.type for name, tensor in tensors.items()}, shown)
    highest: dict[tuple[str, ...], int] = {}
    seen: dict[tuple[str, ...], set[int]] = {}
    for name, tensor in tensors.items():
        _check_stored_type(tensor, shown)
        parts = name.split(".")
        for index, part in enumerate(parts):
            if number := _LEADING_NUMBER.match(part):
                # More digits than this are too many in any case, and int() is slow over many.
                value = abs(int(number[0][:8]))
                if value > MAX_NUMBER_IN_NAME:
                    raise broken(shown, f"no model has a tensor {quoted(name)}")
                group = tuple(parts[:index])
                highest[group] = max(value, highest.get(group, 0))
                seen.setdefault(group, set()).add(value)
    for group, last in highest.items():
        # Numbers of layers without weights are left out in files, so small gaps are common.
        if last + 1 > 4 * len(seen[group]) + 16:
            raise broken(
                shown,
                f"it has {len(seen[group])} of the {last + 1} parts of {quoted('.'.join(group))}",
            )


def broken(shown: str, why: str) -> ModelFileError:
    """Make the error for a file that breaks the rules of its format."""
    return ModelFileError(f"{quoted(shown)} is damaged: {why}", hint=AGAIN_HINT)


def cut_short(shown: str, size: int, needed: int | None = None) -> ModelFileError:
    """Make the error for a file that ends too early.

    Args:
        shown: What messages call the file.
        size: Bytes that are there.
        needed: Bytes that there should be; ``None`` when the file ends before it says so.
    """
    if needed is None:
        why = f"it ends inside its header, after {size:,} bytes"
    else:
        why = f"it has {size:,} of {needed:,} bytes"
    return ModelFileError(f"{quoted(shown)} is cut short: {why}", hint=AGAIN_HINT)


def _check_stored_type(tensor: TensorInfo, shown: str) -> None:
    if tensor.type in _INTEGERS and tensor.name.endswith(_WEIGHT_ENDINGS):
        raise ModelFileError(
            f"{quoted(shown)} stores {quoted(tensor.name)} as {tensor.type},"
            " which the engine cannot draw with",
            hint=PLAIN_TYPE_HINT,
        )


def _sides(shape: tuple[int, ...]) -> str:
    return "x".join(str(side) for side in shape)
