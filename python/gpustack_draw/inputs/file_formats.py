"""Formats of picture files by their first bytes: those that are read, and names for the others."""

import re
from dataclasses import dataclass

from gpustack_draw.errors import UsageError

SIGNATURE_LENGTH = 1024
READABLE = "PNG, JPEG, WebP, GIF, BMP, TIFF, AVIF, JPEG 2000 and PNM files can be read"

# Names for cameras' own formats, which Pillow would open as the small preview inside.
_RAW_SUFFIX = re.compile(
    r"\.(3fr|arw|cr[23w]|dcr|dng|erf|iiq|kdc|mef|mos|nef|nrw|orf|pef|ra[fw]|rw[2l]|srw|x3f)"
)
RAW_CAMERA_FILE = "is a camera's raw file, not a finished picture"
RAW_HINT = "export it as JPEG, PNG or TIFF"


@dataclass(frozen=True)
class FileFormat:
    """A format that is read.

    Attributes:
        name: Pillow's name.
        title: Name for messages.
    """

    name: str
    title: str


def _compile(pattern: bytes) -> "re.Pattern[bytes]":
    return re.compile(pattern, re.DOTALL)


_FORMATS = (
    (_compile(rb"\x89PNG\r\n\x1a\n"), FileFormat("PNG", "PNG")),
    (_compile(rb"\xff\xd8\xff"), FileFormat("JPEG", "JPEG")),
    (_compile(rb"RIFF.{4}WEBP"), FileFormat("WEBP", "WebP")),
    (_compile(rb"GIF8[79]a"), FileFormat("GIF", "GIF")),
    (_compile(rb"BM.{12}[\x0c-\x7c]\0\0\0"), FileFormat("BMP", "BMP")),
    (_compile(rb"(II[*+]\0|MM\0[*+])(?!.{4}CR)"), FileFormat("TIFF", "TIFF")),
    (
        _compile(rb".{4}ftyp(avi[fs]|m[is]f1.{4}(.{4}){0,12}?avi[fs])"),
        FileFormat("AVIF", "AVIF"),
    ),
    (
        _compile(rb"\xff\x4f\xff\x51|\0\0\0\x0cjP  \r\n\x87\n"),
        FileFormat("JPEG2000", "JPEG 2000"),
    ),
    (_compile(rb"P[1-6]\s"), FileFormat("PPM", "PNM")),
)
_PNG = "export it as PNG"
_FRAME = "save one of its frames as a picture"
# Pattern, what the file is, and a hint.
_OTHERS = tuple(
    (_compile(pattern), predicate, hint)
    for pattern, predicate, hint in (
        (rb"8BPS", "is a Photoshop file", _PNG),
        (rb"gimp xcf", "is a GIMP file", _PNG),
        (rb"%PDF", "is a PDF document", _PNG),
        (rb"%!PS|\xc5\xd0\xd3\xc6", "is a PostScript file", _PNG),
        (rb"\xff\x0a|\0\0\0\x0cJXL ", "is a JPEG XL picture", "export it as JPEG or PNG"),
        (rb"\x76\x2f\x31\x01|#\?RADIANCE", "is a high dynamic range picture", _PNG),
        (
            rb".{4}ftyp(hei|hev|mif1|msf1)",
            "is a HEIC picture",
            "export it as JPEG or PNG",
        ),
        (
            rb"FUJIFILMCCD-RAW|IIR[OS]|IIU\0|(II\*\0|MM\0\*).{4}CR|.{4}ftypcrx ",
            RAW_CAMERA_FILE,
            RAW_HINT,
        ),
        (
            rb".{4}ftyp|.{4}moov|\x1a\x45\xdf\xa3|RIFF.{4}AVI |\0\0\x01[\xb3\xba]|FLV\x01|OggS",
            "is a video",
            _FRAME,
        ),
        (rb"\0\0[\1\2]\0", "is an icon or a cursor", _PNG),
        (rb"PK\x03\x04", "is a ZIP archive", "unpack the picture first"),
        (rb"\x1f\x8b", "is a compressed file", "unpack the picture first"),
        (rb'GGUF|.{6}\0\0\{"', "is a model, not a picture", ""),
        (rb"version https://git-lfs", "is a placeholder of Git LFS", "fetch it: git lfs pull"),
        (
            rb"(\xef\xbb\xbf)?\s*<(!doctype html|!DOCTYPE html|!DOCTYPE HTML|html|HTML)",
            "is a web page, not a picture",
            "download the picture itself",
        ),
        (rb".{0,900}?<svg[\s>]", "is an SVG drawing", _PNG),
    )
)


def format_of(data: bytes, label: str, suffix: str = "") -> FileFormat:
    """Find the format of a file.

    Args:
        data: The file's bytes, or at least the first 1,024.
        label: Name of the file in messages.
        suffix: The file's suffix in lower case, such as ``.nef``.

    Raises:
        UsageError: It is empty, or its format is not read.
    """
    start = data[:SIGNATURE_LENGTH]
    if not start:
        raise UsageError(f"{label} is empty", hint="copy or download it again")
    found = next((known for pattern, known in _FORMATS if pattern.match(start)), None)
    if _RAW_SUFFIX.fullmatch(suffix) and (found is None or found.name == "TIFF"):
        raise UsageError(f"{label} {RAW_CAMERA_FILE}", hint=RAW_HINT)
    if found is not None:
        return found
    for pattern, predicate, hint in _OTHERS:
        if pattern.match(start):
            raise UsageError(f"{label} {predicate}", hint=hint or READABLE)
    if _is_text(start):
        raise UsageError(f"{label} is text, not a picture", hint=READABLE)
    raise UsageError(f"{label} is not a picture of a known format", hint=READABLE)


def _is_text(start: bytes) -> bool:
    # The last character may be cut.
    text = start.decode("utf-8", errors="ignore")
    return len(text.encode()) > len(start) - 4 and all(
        mark.isprintable() or mark.isspace() for mark in text
    )
