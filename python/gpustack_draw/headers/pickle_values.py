"""The values of a PyTorch pickle that the engine understands."""

from dataclasses import dataclass, field
from typing import Any, TypeGuard

_CHARACTERS_PER_VALUE = 500


@dataclass(frozen=True)
class PickledTensor:
    """A tensor of a pickle.

    Attributes:
        type: Storage type, for example ``F16``.
        shape: Number of elements per dimension, slowest first (PyTorch's order).
        storage: Key of the storage that holds the data.
        offset: Offset of the data in the storage, in bytes.
        bytes: Size of the data.
    """

    type: str
    shape: tuple[int, ...]
    storage: str
    offset: int
    bytes: int


@dataclass
class Group:
    """A tuple, list or dictionary.

    Attributes:
        type: ``tuple``, ``list`` or ``dictionary``.
        items: The elements; for a dictionary, pairs of key and value.
        values: Number of values, including the group itself and nested ones.
        depth: Number of nested levels, including the group itself.
    """

    type: str
    items: list[Any] = field(default_factory=list)
    values: int = 1
    depth: int = 1

    def add(self, item: object) -> None:
        """Append an element, or a pair to a dictionary."""
        self.items.append(item)
        if isinstance(item, tuple):  # a pair of a dictionary
            self.values += count_values(item[0]) + count_values(item[1])
            self.depth = max(self.depth, 1 + depth_of(item[1]))
        else:
            self.values += count_values(item)
            self.depth = max(self.depth, 1 + depth_of(item))

    def copy(self) -> "Group":
        """Return a shallow copy."""
        return Group(self.type, list(self.items), self.values, self.depth)


@dataclass(frozen=True)
class Global:
    """A class or function in a pickle; it is never imported."""

    name: str


@dataclass(frozen=True)
class Storage:
    """A block of tensor data in the checkpoint, with its key."""

    type: str
    element_bytes: int
    key: str


def copy_value(value: object) -> object:
    """Return a copy of a group, which may change later, or any other value itself."""
    return value.copy() if isinstance(value, Group) else value


def count_values(value: object) -> int:
    """Return the number of values that the engine copies; a long text counts as several."""
    if isinstance(value, Group):
        return value.values
    return 1 + (len(value) // _CHARACTERS_PER_VALUE if isinstance(value, str) else 0)


def depth_of(value: object) -> int:
    """Return the number of nested groups in a value."""
    return value.depth if isinstance(value, Group) else 0


def is_count(value: object) -> TypeGuard[int]:
    """Return True if a value is a whole number from 0 to 2^63 - 1."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def are_counts(value: object) -> TypeGuard[Group]:
    """Return True if a value is a tuple of counts; see :func:`is_count`."""
    return isinstance(value, Group) and value.type == "tuple" and all(map(is_count, value.items))
