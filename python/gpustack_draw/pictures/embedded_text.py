"""Decode the texts that programs embed in pictures: plain text, EXIF data, XMP.

The bytes are not trusted: lengths and offsets are checked, and time is linear in the size.
"""

import re
import struct
from collections.abc import Iterator

# Names of the EXIF fields that hold text (Exif 2.3; XP fields are from Windows).
_FIELDS = {
    0x010E: "ImageDescription",
    0x010F: "Make",
    0x0110: "Model",
    0x0131: "Software",
    0x9286: "UserComment",
    0x9C9C: "XPComment",
}
_EXIF_DIRECTORY = 0x8769
_BYTES_OF_TYPE = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 129: 1}

# A UserComment starts with eight bytes that name its encoding. Many programs set a wrong one.
_ENCODING_CODES = {b"", b"ASCII", b"JIS", b"UNICODE"}

_BYTE_ORDER_MARKS = {
    b"\xef\xbb\xbf": "utf-8",
    b"\xff\xfe": "utf-16-le",
    b"\xfe\xff": "utf-16-be",
}

_XML_TEXT = re.compile(r""">([^<]+)<|=\s*"([^"<]*)"|=\s*'([^'<]*)'""")


def decode_text(data: bytes) -> str:
    """Decode text in UTF-8, UTF-16 of either byte order, or Latin-1, with or without a mark."""
    for mark, encoding in _BYTE_ORDER_MARKS.items():
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, errors="replace").rstrip("\0")
    body = data.rstrip(b"\0")
    if b"\0" in body:
        # Such texts contain ASCII letters, whose zero bytes come first in big-endian order.
        is_big = body[0::2].count(0) >= body[1::2].count(0)
        whole = data[: len(data) & ~1]
        text = whole.decode("utf-16-be" if is_big else "utf-16-le", errors="replace")
        return text.rstrip("\0")
    try:
        return body.decode()
    except UnicodeDecodeError:
        return body.decode("latin-1")


def exif_texts(data: bytes) -> Iterator[tuple[str, str]]:
    """Yield the name and text of each text field in EXIF data.

    Args:
        data: EXIF data in TIFF form, with or without the six-byte prefix "Exif".
    """
    data = data.removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4])
    if order is None or len(data) < 8:
        return
    (start,) = struct.unpack_from(f"{order}I", data, 4)
    fields = _fields(data, order, start)
    pointer = fields.pop(_EXIF_DIRECTORY, b"")
    directories = [fields]
    if len(pointer) == 4:
        (start,) = struct.unpack(f"{order}I", pointer)
        directories.insert(0, _fields(data, order, start))
    for directory in directories:
        for tag, value in directory.items():
            if tag in _FIELDS:
                has_code = tag == 0x9286 and value[:8].rstrip(b"\0 ").upper() in _ENCODING_CODES
                yield _FIELDS[tag], decode_text(value[8:] if has_code else value)


def _fields(data: bytes, order: str, start: int) -> dict[int, bytes]:
    """Return the values of a directory's fields by tag; fields beyond the data are cut."""
    fields: dict[int, bytes] = {}
    if start + 2 > len(data):
        return fields
    (count,) = struct.unpack_from(f"{order}H", data, start)
    for index in range(count):
        entry = start + 2 + 12 * index
        if entry + 12 > len(data):
            break
        tag, field_type, number = struct.unpack_from(f"{order}HHI", data, entry)
        if tag not in _FIELDS and tag != _EXIF_DIRECTORY:
            continue
        length, offset = _BYTES_OF_TYPE.get(field_type, 1) * number, entry + 8
        if length > 4:
            (offset,) = struct.unpack_from(f"{order}I", data, offset)
        fields[tag] = data[offset : offset + length]
    return fields


def xmp_texts(data: bytes) -> Iterator[str]:
    """Yield every text and attribute of an XMP packet.

    An XML parser would expand entities, which an untrusted packet may define.
    """
    from html import unescape

    for found in _XML_TEXT.finditer(decode_text(data)):
        text = unescape(found[found.lastindex or 0]).strip()
        if text:
            yield text


def profile_bytes(text: str) -> bytes:
    """Decode a ``Raw profile type ...`` text of ImageMagick: name, length, and hexadecimal data."""
    try:
        return bytes.fromhex("".join(text.split("\n")[3:]))
    except ValueError:
        return b""
