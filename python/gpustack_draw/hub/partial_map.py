"""The map of a partial file with gaps: a small file that lists the ranges that are on the disk.

The map never lists a byte that could be missing, whenever the process or the machine stops. It has
three slots of one page each:

- Two take turns for the ranges that were on the disk when the partial file was last flushed. Each
  is flushed, too. A power loss damages at most the one that is being written.
- The third lists the ranges that have been written, and is rewritten with each piece. It is valid
  for as long as the system that holds those bytes in memory runs, so it names that system's boot.
"""

import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from gpustack_draw.hub.byte_ranges import ByteRange, Ranges, merge

_SLOT_BYTES = 4096
_WRITTEN_SLOT = 2
_MAX_RANGES = 80  # that fit into a slot; a download has about one per connection
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")  # Linux only


@dataclass(frozen=True)
class _Slot:
    """A valid slot.

    Attributes:
        stamp: Number of the flush, or name of the boot.
        ranges: Ranges on the disk.
    """

    stamp: str
    ranges: Ranges


class PartialMap:
    """A map that is being written."""

    def __init__(self, path: Path) -> None:
        """Open or create the map.

        Raises:
            OSError: The map cannot be written.
        """
        path.touch()
        self._opened = path.open("r+b", buffering=0)
        flushed = _flushed(_read_slots(path))
        self._flushes = 0 if flushed is None else int(flushed.stamp) + 1

    def write(self, ranges: Ranges) -> None:
        """List ranges that have been written to the partial file."""
        self._write_slot(_WRITTEN_SLOT, _boot(), ranges)

    def write_flushed(self, ranges: Ranges) -> None:
        """List ranges that have been flushed to the disk; :meth:`flush` must follow."""
        self._write_slot(self._flushes % _WRITTEN_SLOT, f"{self._flushes:020}", ranges)
        self._flushes += 1

    def flush(self) -> None:
        """Flush the map to the disk."""
        os.fsync(self._opened.fileno())

    def close(self) -> None:
        """Close the file."""
        self._opened.close()

    def _write_slot(self, number: int, stamp: str, ranges: Ranges) -> None:
        listed = ",".join(f"{each.start}-{each.end}" for each in ranges[:_MAX_RANGES])
        line = f"{stamp} {listed}"
        # A single write within a page: a signal cannot divide it.
        self._opened.seek(number * _SLOT_BYTES)
        self._opened.write(f"{zlib.crc32(line.encode()):08x} {line}\n".encode())


def read_map(path: Path) -> Ranges | None:
    """Return the ranges that a map lists; ``None`` if there is no map, or no valid slot."""
    slots = _read_slots(path)
    written = slots[_WRITTEN_SLOT]
    newest = written if written is not None and written.stamp == _boot() else _flushed(slots)
    return None if newest is None else newest.ranges


def _read_slots(path: Path) -> list[_Slot | None]:
    try:
        with path.open("rb") as opened:
            data = opened.read((_WRITTEN_SLOT + 1) * _SLOT_BYTES)
    except OSError:
        data = b""
    places = [number * _SLOT_BYTES for number in range(_WRITTEN_SLOT + 1)]
    return [_parse(data[place : place + _SLOT_BYTES]) for place in places]


def _flushed(slots: Sequence[_Slot | None]) -> _Slot | None:
    """Return the newer of the two slots that have been flushed."""
    valid = [slot for slot in slots[:_WRITTEN_SLOT] if slot is not None and slot.stamp.isdigit()]
    return max(valid, key=lambda slot: slot.stamp, default=None)


def _parse(data: bytes) -> _Slot | None:
    try:
        crc, stamp, listed = data.partition(b"\n")[0].decode("ascii").split(" ")
        if int(crc, 16) != zlib.crc32(f"{stamp} {listed}".encode()):
            return None
        pairs = [each.split("-") for each in listed.split(",") if each]
        return _Slot(stamp, merge(ByteRange(int(start), int(end)) for start, end in pairs))
    except ValueError:
        return None


@cache
def _boot() -> str:
    """Return the name of this boot of the system; the same for all boots if it has none."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip() or "unnamed"
    except OSError:
        return "unnamed"
