"""The values of a PyTorch pickle, as far as they mean something to the engine."""

from dataclasses import dataclass, field
from typing import Any, TypeGuard

_TEXT_BYTES_A_VALUE = 500


@dataclass(frozen=True)
class PickledTensor:
    """A tensor of a pickle.

    Attributes:
        type: How the elements are stored, for example ``F16``.
        shape: Elements by dimension, the slowest first, as in PyTorch.
        storage: Key of the storage with its data.
        offset: Place of its data in the storage, in bytes.
        bytes: Size of its data.
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
        kind: ``tuple``, ``list`` or ``dictionary``.
        items: What it holds; pairs of key and value for a dictionary.
        values: Number of values, itself and all inside.
        depth: Levels of groups, itself included.
    """

    kind: str
    items: list[Any] = field(default_factory=list)
    values: int = 1
    depth: int = 1

    def add(self, item: object) -> None:
        """Append an item, or a pair of a dictionary."""
        self.items.append(item)
        if isinstance(item, tuple):  # of a dictionary
            self.values += values_in(item[0]) + values_in(item[1])
            self.depth = max(self.depth, 1 + depth_of(item[1]))
        else:
            self.values += values_in(item)
            self.depth = max(self.depth, 1 + depth_of(item))

    def copy(self) -> "Group":
        """Return a group of the same items."""
        return Group(self.kind, list(self.items), self.values, self.depth)


@dataclass(frozen=True)
class Global:
    """A class or function that the pickle names; it is never imported."""

    name: str


@dataclass(frozen=True)
class Storage:
    """Data of tensors, by its key in the checkpoint."""

    type: str
    element_bytes: int
    key: str


def copied(value: object) -> object:
    """Return a value as the engine copies it: a group that changes later stays as it was."""
    return value.copy() if isinstance(value, Group) else value


def values_in(value: object) -> int:
    """Return how many values the engine copies with this one; a long text counts for several."""
    if isinstance(value, Group):
        return value.values
    return 1 + (len(value) // _TEXT_BYTES_A_VALUE if isinstance(value, str) else 0)


def depth_of(value: object) -> int:
    """Return the levels of groups in a value."""
    return value.depth if isinstance(value, Group) else 0


def is_count(value: object) -> TypeGuard[int]:
    """Return whether a value is a number that sizes and places can have."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def are_counts(value: object) -> TypeGuard[Group]:
    """Return whether a value is a tuple of such numbers."""
    return isinstance(value, Group) and value.kind == "tuple" and all(map(is_count, value.items))
