"""Ranges of bytes of a file."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class ByteRange:
    """A range of bytes.

    Attributes:
        start: Offset of the first byte.
        end: Offset after the last byte.
    """

    start: int
    end: int

    @property
    def size(self) -> int:
        """Number of bytes."""
        return self.end - self.start


Ranges = tuple[ByteRange, ...]


def merge(ranges: Iterable[ByteRange]) -> Ranges:
    """Return the union of ranges: sorted and disjoint, adjacent ones joined, empty ones omitted."""
    merged: list[ByteRange] = []
    for each in sorted(ranges):
        if each.size <= 0:
            continue
        if merged and each.start <= merged[-1].end:
            merged[-1] = ByteRange(merged[-1].start, max(merged[-1].end, each.end))
        else:
            merged.append(each)
    return tuple(merged)


def find_gaps(ranges: Sequence[ByteRange], size: int) -> Ranges:
    """Return the ranges of a file that others leave free.

    Args:
        ranges: Union of ranges, from :func:`merge`.
        size: Size of the file in bytes.
    """
    starts = [0, *(each.end for each in ranges)]
    ends = [*(each.start for each in ranges), size]
    return tuple(
        ByteRange(start, end) for start, end in zip(starts, ends, strict=True) if start < end
    )


def count_bytes(ranges: Iterable[ByteRange]) -> int:
    """Return the number of bytes in disjoint ranges."""
    return sum(each.size for each in ranges)


def clip(ranges: Iterable[ByteRange], size: int) -> Ranges:
    """Return the parts of sorted ranges before an offset."""
    return merge(ByteRange(each.start, min(each.end, size)) for each in ranges)
