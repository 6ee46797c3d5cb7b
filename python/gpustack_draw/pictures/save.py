"""Save pictures with their parameters.

The only user of Pillow's writers. A file appears under its name complete or not at all.
"""

# Paths are text here, as in output_path.
# ruff: noqa: PTH101, PTH105, PTH116

import itertools
import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from gpustack_draw.errors import OutputError, UsageError, quoted
from gpustack_draw.inputs.enlarged import on_white
from gpustack_draw.pictures.infotext import parse_text
from gpustack_draw.pictures.output_path import (
    FORMATS,
    OutputPlan,
    os_errors_about,
    plan_output,
    temporary_file,
)
from gpustack_draw.pictures.picture import Picture

if TYPE_CHECKING:
    import PIL.Image

# A segment's length has 16 bits, and counts itself and "Exif\0\0".
_MAX_SEGMENT_BYTES = 65535 - 2 - 6
# Quality of JPEG and WebP. More than the default makes files larger and pictures hardly better.
DEFAULT_QUALITY = 95
MAX_QUALITY = 100
# zlib's strategies for PNG: its default, and run lengths (Z_RLE), which were made for PNG.
_SMALL, _FAST = -1, 3
# Pillow's modes that are saved unchanged; others become RGB.
_MODES = {
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    "JPEG": ("L", "RGB"),
    "WEBP": ("RGB", "RGBA"),
}


def save(image: "PIL.Image.Image | Picture", path: str | os.PathLike[str]) -> str:
    """Save a picture with its parameters.

    They are in ``image.info["parameters"]``, and :func:`read_parameters` reads them from the file.
    Pillow's own ``image.save`` drops them.

    Example:
        >>> image = gpustack_draw.generate("demo", "a red circle", seed=7)
        >>> gpustack_draw.save(image, "circle.png")
        'circle.png'

    Args:
        image: A picture of this package; it may have been edited with Pillow.
        path: A file (.png, .jpg, .jpeg, .webp), which is replaced, or a folder, for a new file
            named after the prompt and the time. The file appears complete or not at all.

    Returns:
        The path of the file.

    Raises:
        UsageError: The image is not a picture, or has no parameters.
        OutputError: The file cannot be written.
    """
    pixels, text = _recorded(image)
    try:
        target = os.fsdecode(path)
    except TypeError:
        raise UsageError(f"{quoted(path)} is not a path", argument="path") from None
    if target == "-":
        raise OutputError("'-' is not a file name", hint="for example circle.png")
    read = parse_text(text)
    plan = plan_output(target, read.prompt if read else "", 1)
    return _write_file(_encode_image(pixels, text, plan.suffix), plan, 0)


@runtime_checkable
class Saved(Protocol):
    """A picture that can be saved."""

    def to_image(self) -> "PIL.Image.Image":
        """Return an image with its parameters in ``info["parameters"]``."""


def encode(
    image: "PIL.Image.Image | Saved",
    suffix: str = ".png",
    *,
    quality: int = DEFAULT_QUALITY,
    fast: bool = False,
) -> bytes:
    """Return the contents of a file with a picture and its parameters.

    PNG holds the parameters in the text chunk ``parameters``, JPEG and WebP in the EXIF field
    UserComment.

    Args:
        image: A picture of this package; it may have been edited with Pillow.
        suffix: ``.png``, ``.jpg``, ``.jpeg`` or ``.webp``, in any case.
        quality: Quality of JPEG and WebP, 0 to 100. PNG loses nothing.
        fast: Compress PNG in less than half of the time; the files of photos are up to 4 % larger.

    Raises:
        UsageError: The image is not a picture, or has no parameters; or there is no such format or
            quality.
    """
    if suffix.lower() not in FORMATS:
        raise UsageError(
            f"{quoted(suffix)} is not the ending of a picture's file",
            hint=f"type {', '.join(FORMATS)}",
            argument="suffix",
        )
    if not 0 <= quality <= MAX_QUALITY:
        raise UsageError(
            f"{quoted(quality)} is not a quality from 0 to {MAX_QUALITY}",
            hint=f"for example {DEFAULT_QUALITY}",
            argument="quality",
        )
    return _encode_image(*_recorded(image), suffix, quality, _FAST if fast else _SMALL)


def _recorded(image: object) -> "tuple[PIL.Image.Image, str]":
    """Return the pixels of a picture, and its parameters.

    Raises:
        UsageError: It is not a picture, or has no parameters.
    """
    from PIL import Image

    pixels = image.to_image() if isinstance(image, Saved) else image
    if not isinstance(pixels, Image.Image):
        raise UsageError(
            f"{quoted(image)} is not a picture",
            hint="pass what generate() returned",
            argument="image",
        )
    text = pixels.info.get("parameters")
    if not isinstance(text, str):
        raise UsageError(
            'the picture has no record of how it was drawn in image.info["parameters"]',
            hint="save it with image.save(path)",
            argument="image",
        )
    return pixels, text


def save_picture(picture: Saved, plan: OutputPlan, index: int) -> str:
    """Write a picture to the path that a plan has for it.

    Args:
        picture: The picture.
        plan: The plan; not standard output.
        index: Index of the picture in the plan, from 0.

    Returns:
        The path of the file: the user's, or the first free one.

    Raises:
        OutputError: It cannot be written.
    """
    return _write_file(encode(picture, plan.suffix), plan, index)


def save_image(image: "PIL.Image.Image", plan: OutputPlan) -> str:
    """Write an image without parameters to the path that a plan has for it.

    Returns:
        The path of the file.

    Raises:
        OutputError: It cannot be written.
    """
    return _write_file(_encode_image(image, "", plan.suffix, compression=_FAST), plan, 0)


def _encode_image(
    image: "PIL.Image.Image",
    text: str,
    suffix: str,
    quality: int = DEFAULT_QUALITY,
    compression: int = _SMALL,
) -> bytes:
    import io

    from PIL.PngImagePlugin import PngInfo

    file_format = FORMATS[suffix.lower()]
    if image.mode == "RGBA" and file_format == "JPEG":
        image = on_white(image)
    elif image.mode not in _MODES[file_format]:
        image = image.convert("RGB")
    # Encode in memory: Pillow loses the errno of a full disk when it writes to a file.
    file = io.BytesIO()
    if file_format == "PNG":
        chunks = PngInfo()
        if text:
            # Programs disagree on the encoding of tEXt, so use it for ASCII only.
            add = chunks.add_text if text.isascii() else chunks.add_itxt
            add("parameters", text)
        image.save(file, format=file_format, pnginfo=chunks, compress_type=compression)
        return file.getvalue()
    if file_format == "WEBP":
        exif = b"Exif\0\0" + _exif(text) if text else b""
        image.save(file, format=file_format, quality=quality, exif=exif)
        return file.getvalue()
    # The default 4:2:0 subsampling blurs the edges of colored shapes. WebP has no other.
    image.save(file, format=file_format, quality=quality, subsampling=0)
    return _with_exif(file.getvalue(), _exif(text)) if text else file.getvalue()


def _write_file(data: bytes, plan: OutputPlan, index: int) -> str:
    """Write a file to the path that a plan has for it.

    The bytes go to a temporary file in the same folder, which is then renamed atomically. Any
    failure, Ctrl-C included, leaves no file.
    """
    path = plan.path(index + 1)
    with os_errors_about(path), temporary_file(plan.target_folder, data) as temporary:
        if plan.mode == "file":
            _keep_mode(plan.target, temporary)
            os.replace(temporary, plan.target)
            return path
        first = 1 if plan.mode == "generated" else index + 1
        return next(
            path for path in map(plan.path, itertools.count(first)) if _claim(temporary, path)
        )


def _claim(temporary: str, path: str) -> bool:
    """Rename a finished file; return False if the name is taken."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    except (OSError, AttributeError):
        pass  # no hard links here: create an empty file, then replace it
    else:
        return True
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    os.replace(temporary, path)
    return True


def _keep_mode(target: str, temporary: str) -> None:
    """Copy the permissions of the file that will be replaced, if it exists."""
    with suppress(OSError):  # no such file, or no permissions on this file system
        os.chmod(temporary, stat.S_IMODE(os.stat(target).st_mode))


def _exif(text: str) -> bytes:
    """Return EXIF data in the form of the web UI: UserComment in UTF-16, big-endian.

    Two directories with one field each (TIFF 6.0, Exif 2.3). The field has the type UNDEFINED;
    Pillow would write BYTE, which piexif, the web UI's reader, cannot read.
    """
    import struct

    comment = b"UNICODE\0" + text.encode("utf-16-be")
    header = struct.pack(">2sHI", b"MM", 42, 8)
    main_directory = struct.pack(
        ">HHHIII", 1, 0x8769, 4, 1, 8 + 18, 0
    )  # LONG: offset of the next one
    exif_directory = struct.pack(">HHHIII", 1, 0x9286, 7, len(comment), 8 + 2 * 18, 0)
    return header + main_directory + exif_directory + comment


def _with_exif(jpeg: bytes, exif: bytes) -> bytes:
    """Return a JPEG file with EXIF data, split into segments.

    Pillow writes at most one segment and reads several as one. Two prompts of 10,000 characters
    can need five.
    """
    import struct

    # Segments go after the first one, JFIF.
    start = 4 + int.from_bytes(jpeg[4:6], "big")
    segments = [
        struct.pack(">HH6s", 0xFFE1, 2 + 6 + len(part), b"Exif\0\0") + part
        for first in range(0, len(exif), _MAX_SEGMENT_BYTES)
        if (part := exif[first : first + _MAX_SEGMENT_BYTES])
    ]
    return b"".join([jpeg[:start], *segments, jpeg[start:]])
