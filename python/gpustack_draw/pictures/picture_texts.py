"""Read the texts in a picture without decoding its pixels.

Reads PNG chunks, JPEG segments, WebP chunks and Pillow's images. Any program may have written
them, so no length and no checksum is trusted.
"""

import io
import os
import struct
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, cast

from gpustack_draw.errors import UsageError, quoted
from gpustack_draw.inputs.regular_file import file_errors, open_regular_file
from gpustack_draw.pictures.embedded_text import decode_text, exif_texts, profile_bytes, xmp_texts

if TYPE_CHECKING:
    import PIL.Image

# Three times the size of two prompts of maximum length, fully escaped.
MAX_CHARACTERS = 1_000_000
_MAX_BYTES = 4 * MAX_CHARACTERS
_MAX_TOTAL_CHARACTERS = 2 * MAX_CHARACTERS
# A picture of 8192x8192 has 25,000 chunks of the size that libpng writes.
_MAX_CHUNKS = 200_000
_MAX_TEXTS = 100
_MAX_STREAM_BYTES = 2**28

_XMP_NAME = "XML:com.adobe.xmp"
_XMP_SEGMENT = b"http://ns.adobe.com/xap/1.0/\0"
_EXIF_SEGMENT = b"Exif\0\0"


@dataclass(frozen=True)
class PictureText:
    """A text of a picture.

    Attributes:
        name: The keyword of a PNG chunk, the name of an EXIF field, ``comment`` for a JPEG
            comment, or ``XMP``.
        text: The text, of at most ``MAX_CHARACTERS``.
    """

    name: str
    text: str


@dataclass
class PictureTexts:
    """The texts of a picture, in the order of the file.

    Attributes:
        texts: The texts that could be read.
        is_damaged: Whether the file is truncated or inconsistent.
        is_too_long: Whether texts were left out because of their length or number.
    """

    texts: list[PictureText] = field(default_factory=list)
    is_damaged: bool = False
    is_too_long: bool = False

    def add(self, name: str, text: str) -> None:
        """Add a text, unless it is too long."""
        total = len(text) + sum(len(known.text) for known in self.texts)
        if (
            len(text) > MAX_CHARACTERS
            or total > _MAX_TOTAL_CHARACTERS
            or len(self.texts) == _MAX_TEXTS
        ):
            self.is_too_long = True
        else:
            self.texts.append(PictureText(name, text))

    def add_exif(self, data: bytes) -> None:
        """Add the texts of EXIF data."""
        for name, text in exif_texts(data):
            self.add(name, text)

    def add_xmp(self, data: bytes) -> None:
        """Add the longest texts of an XMP packet; the others are namespaces."""
        for text in sorted(xmp_texts(data), key=len, reverse=True)[:5]:
            self.add("XMP", text)


class _DamagedError(Exception):
    """The file is truncated or inconsistent."""


def read_texts(source: object, label: str) -> PictureTexts:
    """Read the texts of a picture.

    Args:
        source: A path, the contents of a file, a binary file object or a Pillow image.
        label: Name of the source in messages.

    Raises:
        UsageError: The source cannot be read, or is not such a picture.
    """
    found = PictureTexts()
    pillow = sys.modules.get("PIL.Image")  # if not imported, no such image exists
    if pillow is not None and isinstance(source, pillow.Image):
        _add_texts_of_image(source, found)
        return found
    with _opened(source, label) as file:
        try:
            _add_texts_of_file(file, found, label)
        except (_DamagedError, struct.error):
            found.is_damaged = True
    return found


@contextmanager
def _opened(source: object, label: str) -> Iterator[BinaryIO]:
    if isinstance(source, bytes | bytearray | memoryview):
        yield io.BytesIO(source)
    elif isinstance(source, str | os.PathLike):
        with file_errors(label):
            file = open_regular_file(source, label)
        with file, _read_errors(label):
            yield file
    elif hasattr(source, "read"):
        with _read_errors(label):
            file = cast("BinaryIO", source)
            if not isinstance(file.read(0), bytes):
                raise UsageError(f"{label} is text", hint="open the file in binary mode, 'rb'")
            yield from _from_start(file)
    else:
        raise UsageError(
            f"{quoted(source)} is not a path, bytes, a binary file object or a PIL image"
        )


def _from_start(file: BinaryIO) -> Iterator[BinaryIO]:
    """Yield a file at its start, and restore its position."""
    try:
        position = file.tell()
        file.seek(0)
    except (AttributeError, io.UnsupportedOperation):
        yield io.BytesIO(file.read(_MAX_STREAM_BYTES))
        return
    try:
        yield file
    finally:
        file.seek(position)


@contextmanager
def _read_errors(label: str) -> Iterator[None]:
    try:
        yield
    except UsageError:
        raise
    except (OSError, ValueError) as error:  # Python's own files raise ValueError once closed
        reason = (getattr(error, "strerror", None) or str(error)).rstrip(".")
        if reason[1:2].islower():
            reason = reason[0].lower() + reason[1:]
        raise UsageError(f"{label} cannot be read: {reason}") from error


# --- containers -----------------------------------------------------------------------------------


def _add_texts_of_file(file: BinaryIO, found: PictureTexts, label: str) -> None:
    end = file.seek(0, os.SEEK_END)
    file.seek(0)
    start = file.read(12)
    if start.startswith(b"\x89PNG\r\n\x1a\n"):
        file.seek(8)
        _add_texts_of_png(file, end, found)
    elif start.startswith(b"\xff\xd8\xff"):
        file.seek(2)
        _add_texts_of_jpeg(file, found)
    elif start[:4] == b"RIFF" and start[8:] == b"WEBP":
        _add_texts_of_webp(file, end, found)
    else:
        raise UsageError(f"{label} is not a PNG, JPEG or WebP picture")


def _add_texts_of_png(file: BinaryIO, end: int, found: PictureTexts) -> None:
    for _ in range(_MAX_CHUNKS):
        length, chunk_type = struct.unpack(">I4s", _read(file, 8))
        if file.tell() + length + 4 > end:
            raise _DamagedError
        if chunk_type == b"IEND":
            return
        if chunk_type not in (b"tEXt", b"zTXt", b"iTXt", b"eXIf") or length > _MAX_BYTES:
            found.is_too_long |= chunk_type in (b"tEXt", b"zTXt", b"iTXt", b"eXIf")
            file.seek(length + 4, os.SEEK_CUR)
            continue
        data = _read(file, length)
        (checksum,) = struct.unpack(">I", _read(file, 4))
        if zlib.crc32(data, zlib.crc32(chunk_type)) != checksum:
            raise _DamagedError
        if chunk_type == b"eXIf":
            found.add_exif(data)
        else:
            _add_png_text(chunk_type, data, found)
    raise _DamagedError


def _add_png_text(chunk_type: bytes, data: bytes, found: PictureTexts) -> None:
    keyword, _, rest = data.partition(b"\0")
    name = keyword.decode("latin-1")
    is_compressed = chunk_type == b"zTXt" or (chunk_type == b"iTXt" and rest[:1] == b"\1")
    if chunk_type == b"zTXt":
        rest = rest[1:]
    elif chunk_type == b"iTXt":
        *_, rest = rest[2:].split(b"\0", 2)  # after the language and the translated keyword
    if is_compressed:
        stream = zlib.decompressobj()
        try:
            rest = stream.decompress(rest, _MAX_BYTES)
        except zlib.error:
            raise _DamagedError from None
        if stream.unconsumed_tail:
            found.is_too_long = True
            return
    if name == _XMP_NAME:
        found.add_xmp(rest)
    elif name.startswith("Raw profile type "):
        profile = profile_bytes(rest.decode("latin-1"))
        if profile.startswith(_EXIF_SEGMENT):
            found.add_exif(profile)
        else:
            found.add_xmp(profile)
    else:
        # The standard has Latin-1 for tEXt and zTXt, but programs write UTF-8.
        found.add(name, decode_text(rest))


def _add_texts_of_jpeg(file: BinaryIO, found: PictureTexts) -> None:
    exif = bytearray()
    others: list[tuple[int, bytes]] = []
    for _ in range(_MAX_CHUNKS):
        (marker,) = _read(file, 1)
        if marker != 0xFF:
            raise _DamagedError
        while marker == 0xFF:  # padding
            (marker,) = _read(file, 1)
        if marker in (0xD9, 0xDA):  # the end, or the pixels
            break
        if 0xD0 <= marker <= 0xD7 or marker == 0x01:  # without data
            continue
        (length,) = struct.unpack(">H", _read(file, 2))
        if length < 2:
            raise _DamagedError
        data = _read(file, length - 2)
        if marker == 0xE1 and data.startswith(_EXIF_SEGMENT):
            # EXIF data that exceeds a segment continues in the next.
            exif += data.removeprefix(_EXIF_SEGMENT)
            found.is_too_long |= len(exif) > _MAX_BYTES
            del exif[_MAX_BYTES:]
        elif len(others) < _MAX_TEXTS and (
            marker == 0xFE or (marker == 0xE1 and data.startswith(_XMP_SEGMENT))
        ):
            others.append((marker, data))
    else:
        raise _DamagedError
    found.add_exif(bytes(exif))
    for marker, data in others:
        if marker == 0xFE:
            found.add("comment", decode_text(data))
        else:
            found.add_xmp(data.removeprefix(_XMP_SEGMENT))


def _add_texts_of_webp(file: BinaryIO, end: int, found: PictureTexts) -> None:
    file.seek(4)
    (size,) = struct.unpack("<I", _read(file, 4))
    is_cut, end = end < size + 8, min(end, size + 8)
    file.seek(12)
    for _ in range(_MAX_CHUNKS):
        if file.tell() + 8 > end:
            if is_cut:
                raise _DamagedError
            return
        chunk_type, length = struct.unpack("<4sI", _read(file, 8))
        following = file.tell() + length + (length & 1)
        if file.tell() + length > end:
            raise _DamagedError
        if chunk_type in (b"EXIF", b"XMP "):
            found.is_too_long |= length > _MAX_BYTES
            data = _read(file, min(length, _MAX_BYTES))
            if chunk_type == b"EXIF":
                found.add_exif(data)
            else:
                found.add_xmp(data)
        file.seek(following)
    raise _DamagedError


def _read(file: BinaryIO, length: int) -> bytes:
    data = file.read(length)
    if len(data) < length:
        raise _DamagedError
    return data


# --- Pillow's images ------------------------------------------------------------------------------


def _add_texts_of_image(image: "PIL.Image.Image", found: PictureTexts) -> None:
    information = dict(image.info)
    if "parameters" not in information:
        # Pillow reads texts after the pixels of a PNG file together with the pixels.
        information.update(getattr(image, "text", None) or {})
    for name, value in information.items():
        if isinstance(value, str) and name == _XMP_NAME:
            found.add_xmp(value.encode())
        elif isinstance(value, str):
            found.add(str(name), _without_mojibake(image, value))
        elif isinstance(value, bytes) and name == "exif":
            found.add_exif(value)
        elif isinstance(value, bytes) and name == "xmp":
            found.add_xmp(value)
        elif isinstance(value, bytes) and name == "comment":
            found.add("comment", decode_text(value))


def _without_mojibake(image: "PIL.Image.Image", text: str) -> str:
    """Return a tEXt chunk's text as UTF-8, which Pillow decoded as Latin-1."""
    if image.format != "PNG" or type(text) is not str:  # the other type is that of iTXt chunks
        return text
    try:
        return text.encode("latin-1").decode()
    except UnicodeError:
        return text
