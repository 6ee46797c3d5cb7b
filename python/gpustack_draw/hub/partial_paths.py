"""The names of a partial file, and the bytes that an interrupted download has left in it."""

from dataclasses import dataclass
from pathlib import Path

from gpustack_draw.hub.byte_ranges import ByteRange, Ranges, clip, count_bytes, merge
from gpustack_draw.hub.partial_map import read_map


@dataclass(frozen=True)
class KeptBytes:
    """Bytes of a file that are on the disk.

    Attributes:
        path: Partial file, which need not exist.
        ranges: Ranges that it has.
        has_gaps: True if it has a map.
    """

    path: Path
    ranges: Ranges
    has_gaps: bool = False

    @property
    def count(self) -> int:
        """Number of bytes."""
        return count_bytes(self.ranges)


@dataclass(frozen=True)
class PartialPaths:
    """Paths of a partial file.

    ``huggingface_hub`` lists and prunes files with the suffix ``.incomplete``.

    Attributes:
        plain: Partial file without gaps.
    """

    plain: Path

    @property
    def gapped(self) -> Path:
        """Partial file with gaps."""
        return self._named("gaps")

    @property
    def map(self) -> Path:
        """Map of the file with gaps."""
        return self._named("map")

    @property
    def all(self) -> tuple[Path, ...]:
        """Paths that may exist."""
        return self.plain, self.gapped, self.map

    def _named(self, name: str) -> Path:
        return self.plain.with_name(f"{self.plain.stem}.{name}{self.plain.suffix}")

    def find_kept(self) -> KeptBytes:
        """Return the bytes that an interrupted download has left."""
        listed, size = read_map(self.map), _size_of(self.gapped)
        if listed is not None and size is not None:
            return KeptBytes(self.gapped, clip(listed, size), has_gaps=True)
        return KeptBytes(self.plain, merge([ByteRange(0, _size_of(self.plain) or 0)]))

    def remove(self) -> None:
        """Delete what exists of the partial file."""
        for path in self.all:
            path.unlink(missing_ok=True)

    def remove_gapped(self) -> None:
        """Delete the partial file with gaps and its map."""
        self.gapped.unlink(missing_ok=True)
        self.map.unlink(missing_ok=True)


def _size_of(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
