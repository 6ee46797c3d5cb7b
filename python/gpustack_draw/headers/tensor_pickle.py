"""Read the tensors that a PyTorch pickle describes, without running it."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gpustack_draw.headers.pickle_machine import PickleMachine, too_large, unreadable
from gpustack_draw.headers.pickle_values import Group, PickledTensor
from gpustack_draw.headers.tensor_table import damaged

MAX_PICKLE_BYTES = 16 * 1024 * 1024
MAX_OPERATIONS = 2_000_000


@dataclass(frozen=True)
class TensorPickle:
    """The tensors of a pickle.

    Attributes:
        tensors: Tensors by name.
        storage_bytes: Size of each storage in bytes, by key.
        end: Offset in the data at which the pickle ends.
    """

    tensors: dict[str, PickledTensor]
    storage_bytes: dict[str, int]
    end: int


def read_tensor_pickle(data: bytes, label: str, start: int = 0) -> TensorPickle:
    """Read the tensors of a pickled state dictionary.

    Args:
        data: Data that contains the pickle.
        label: Name of the file in messages.
        start: Offset of the pickle in the data.

    Raises:
        ModelFileError: The pickle is damaged or malicious, holds no tensors, or stores them in a
            form that the engine does not read.
    """
    machine = PickleMachine(label)
    end = start
    for name, argument, end in _operations(data, start, label):  # noqa: B007
        machine.step(name, argument)
    tensors: dict[str, PickledTensor] = {}
    _collect(machine.top(), tensors)
    if not tensors:
        raise unreadable(label, f"it holds no dictionary of tensors{machine.made_with}")
    return TensorPickle(tensors, machine.storage_bytes, end)


def read_storage_keys(data: bytes, start: int, label: str) -> tuple[list[str], int]:
    """Read the pickled list of storages of a legacy checkpoint.

    Returns:
        The keys of the storages, in the order of the file; and the offset at which the list ends.

    Raises:
        ModelFileError: The pickle is damaged, or no such list.
    """
    machine = PickleMachine(label)
    end = start
    for name, argument, end in _operations(data, start, label):  # noqa: B007
        machine.step(name, argument)
    keys = machine.top()
    items = keys.items if isinstance(keys, Group) and keys.type == "list" else []
    found = [key for key in items if isinstance(key, str)]
    if not found or len(set(found)) < len(items):
        raise damaged(label, "its list of storages cannot be read")
    return found, end


def skip_pickle(data: bytes, start: int, label: str) -> int:
    """Return the offset at which a pickle ends.

    Raises:
        ModelFileError: The pickle is damaged.
    """
    end = start
    for _, _, end in _operations(data, start, label):  # noqa: B007
        pass
    return end


def _operations(data: bytes, start: int, label: str) -> Iterator[tuple[str, Any, int]]:
    """Yield name, argument and end offset of each operation of a pickle.

    Raises:
        ModelFileError: The pickle is damaged, or has too many operations.
    """
    import pickletools
    import warnings

    stream = io.BytesIO(data)
    stream.seek(start)
    count = 0
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escape sequences of damaged text
            for operation, argument, _ in pickletools.genops(stream):
                count += 1
                if count > MAX_OPERATIONS:
                    raise too_large(label)
                yield operation.name, argument, stream.tell()
    except (ValueError, OverflowError):
        raise damaged(label, "its description of the tensors cannot be read") from None


def _collect(value: object, tensors: dict[str, PickledTensor]) -> None:
    """Add the tensors of a dictionary and of nested ones, under their own names."""
    if isinstance(value, Group) and value.type == "dictionary":
        for key, item in value.items:
            if isinstance(key, str) and isinstance(item, PickledTensor):
                tensors[key] = item
            else:
                _collect(item, tensors)
