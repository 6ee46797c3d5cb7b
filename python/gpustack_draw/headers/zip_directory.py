"""The directory of a zip archive: its entries, without their data."""

import struct
from dataclasses import dataclass

from gpustack_draw.errors import ModelFileError, quoted
from gpustack_draw.headers.tensor_table import AGAIN_HINT, ByteSource, damaged

MAX_ENTRIES = 16_384  # a checkpoint has one per tensor, and a few more
MAX_DIRECTORY_BYTES = 8 * 1024 * 1024

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_LOCATOR_64 = struct.Struct("<4sIQI")
_END_64 = struct.Struct("<4sQ2H2I4Q")
_MAX_COMMENT_BYTES = 65_535
_ENCRYPTED = 1
_EXTRA_64 = 1
_IN_EXTRA = 0xFFFF_FFFF


@dataclass(frozen=True)
class ZipEntry:
    """An entry of a zip archive.

    Attributes:
        name: Path in the archive.
        offset: Offset of the entry's own header in the file.
        bytes: Size after unpacking.
        stored_bytes: Size in the archive.
        is_stored: True if neither compressed nor encrypted.
    """

    name: str
    offset: int
    bytes: int
    stored_bytes: int
    is_stored: bool


def read_zip_directory(source: ByteSource) -> dict[str, ZipEntry]:
    """Read the directory of a zip archive, also in its 64-bit form.

    Args:
        source: The file.

    Returns:
        The entries by name, in the archive's order.

    Raises:
        ModelFileError: The directory is missing, damaged, or too large for a checkpoint.
    """
    count, size, offset = _find_directory(source)
    if count > MAX_ENTRIES or size > MAX_DIRECTORY_BYTES:
        raise damaged(source.label, f"it claims {count:,} entries, more than {MAX_ENTRIES:,}")
    data = source.read(offset, size)
    entries: dict[str, ZipEntry] = {}
    position = 0
    try:
        for _ in range(count):
            entry, position = _read_entry(data, position)
            if entry.name in entries:
                raise damaged(source.label, f"it has two entries {quoted(entry.name)}")
            entries[entry.name] = entry
    except (struct.error, ValueError):
        raise damaged(source.label, "its directory of entries cannot be read") from None
    return entries


def read_zip_entry(source: ByteSource, entry: ZipEntry) -> bytes:
    """Read an entry that is neither compressed nor encrypted.

    Raises:
        ModelFileError: The directory states a wrong offset or size.
    """
    start = source.read(entry.offset, _LOCAL.size)
    if len(start) < _LOCAL.size or start[:4] != b"PK\x03\x04":
        raise damaged(
            source.label,
            f"entry {quoted(entry.name)} is not at the offset that the directory states",
        )
    *_, name_bytes, extra_bytes = _LOCAL.unpack(start)
    data = source.read(entry.offset + _LOCAL.size + name_bytes + extra_bytes, entry.bytes)
    if len(data) < entry.bytes:
        raise damaged(
            source.label,
            f"entry {quoted(entry.name)} is not at the offset that the directory states",
        )
    return data


def _find_directory(source: ByteSource) -> tuple[int, int, int]:
    """Return the number of entries, size and offset of the directory."""
    tail_bytes = min(source.size, _END.size + _MAX_COMMENT_BYTES)
    tail = source.read(source.size - tail_bytes, tail_bytes)
    end_offset = tail.rfind(b"PK\x05\x06", 0, len(tail) - _END.size + 4)
    if end_offset < 0:
        raise ModelFileError(
            f"{quoted(source.label)} is truncated: the directory at its end is missing",
            hint=AGAIN_HINT,
        )
    _, _, _, _, count, size, offset, _ = _END.unpack_from(tail, end_offset)
    locator = tail[max(0, end_offset - _LOCATOR_64.size) : end_offset]
    if locator.startswith(b"PK\x06\x07") and len(locator) == _LOCATOR_64.size:
        _, _, end_64, _ = _LOCATOR_64.unpack(locator)
        end = source.read(end_64, _END_64.size) if end_64 < source.size else b""
        if len(end) < _END_64.size or not end.startswith(b"PK\x06\x06"):
            raise damaged(source.label, "its directory of entries cannot be read")
        *_, count, size, offset = _END_64.unpack(end)
    if offset + size > source.size:
        raise damaged(source.label, "its directory of entries cannot be read")
    return count, size, offset


def _read_entry(data: bytes, position: int) -> tuple[ZipEntry, int]:
    """Read an entry of the directory; also return the offset of the next one."""
    fields = _CENTRAL.unpack_from(data, position)
    signature, flags, method = fields[0], fields[3], fields[4]
    stored_bytes, size, name_bytes, extra_bytes, comment_bytes = fields[8:13]
    offset = fields[16]
    if signature != b"PK\x01\x02":
        raise ValueError(signature)
    name_start = position + _CENTRAL.size
    extra_start = name_start + name_bytes
    end = extra_start + extra_bytes + comment_bytes
    if end > len(data):
        raise ValueError(end)
    name = data[name_start:extra_start].decode(errors="replace")
    extra = data[extra_start : extra_start + extra_bytes]
    size, stored_bytes, offset = _widen(extra, (size, stored_bytes, offset))
    is_stored = method == 0 and not flags & _ENCRYPTED and size == stored_bytes
    return ZipEntry(name, offset, size, stored_bytes, is_stored), end


def _widen(extra: bytes, values: tuple[int, ...]) -> tuple[int, ...]:
    """Replace values that do not fit into 32 bits by those of the entry's extra field."""
    if _IN_EXTRA not in values:
        return values
    position = 0
    while position + 4 <= len(extra):
        tag, size = struct.unpack_from("<2H", extra, position)
        position += 4
        if tag == _EXTRA_64:
            needed = values.count(_IN_EXTRA)
            wide = iter(struct.unpack_from(f"<{needed}Q", extra[: position + size], position))
            return tuple(next(wide) if value == _IN_EXTRA else value for value in values)
        position += size
    return values
