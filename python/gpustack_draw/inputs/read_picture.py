"""Read a picture from a path, bytes, a PIL image, a numpy array or standard input."""

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from gpustack_draw.errors import UsageError, quoted
from gpustack_draw.inputs.convert_image import convert_image, decode_file, file_size
from gpustack_draw.inputs.input_picture import InputPicture
from gpustack_draw.inputs.picture_arrays import picture_of_array
from gpustack_draw.inputs.regular_file import (
    STANDARD_INPUT,
    file_errors,
    open_regular_file,
    read_at_most,
)
from gpustack_draw.units import format_bytes

if TYPE_CHECKING:
    from gpustack_draw.request.picture_options import PictureSource

MAX_FILE_BYTES = 500_000_000

_SMALLER = "scale the picture down first"
_ADDRESS = re.compile(r"(?i)(https?|ftp|file|data|s3|gs|blob):")


def read_picture(
    source: "PictureSource",
    *,
    role: str = "picture",
    standard_input: BinaryIO | None = None,
    allow_gray: bool = False,
) -> InputPicture:
    """Read a picture.

    Args:
        source: The path of a file, the bytes of a file, a PIL image, or a numpy array of shape
            (height, width, 3 or 4) and type uint8. Any other object with pixels that numpy can
            read counts as an array. A picture that was read is returned.
        role: Name of a picture without a path in messages, such as ``mask``.
        standard_input: Stream that the path ``-`` stands for; ``None`` if it is a file's name.
        allow_gray: Accept arrays of shape (height, width), of type uint8 or bool.

    Raises:
        UsageError: It cannot be read, is too large, or is not a picture.
    """
    label = f"the {role}"
    if isinstance(source, InputPicture):
        return source
    if isinstance(source, str | os.PathLike):
        path = os.fspath(source)
        if isinstance(path, bytes):
            path = os.fsdecode(path)
        if path == STANDARD_INPUT and standard_input is not None:
            return decode_file(_read_stream(standard_input), "standard input")
        label = quoted(path)
        return decode_file(_read_file(path, label), label, Path(path).suffix.lower())
    if isinstance(source, bytes | bytearray) or (
        isinstance(source, memoryview) and source.ndim == 1
    ):
        data = bytes(source)
        _check_length(len(data), label)
        return decode_file(data, label)
    pillow: Any = sys.modules.get("PIL.Image")  # if not imported, no such image exists
    if pillow is not None and isinstance(source, pillow.Image):
        return convert_image(source, label)
    if hasattr(source, "__array_interface__") or hasattr(source, "__array__"):
        return picture_of_array(source, label, allow_gray=allow_gray)
    raise UsageError(
        f"{label} is {type(source).__name__}, not a picture",
        hint="pass a path, the bytes of a file, a PIL image, or a numpy array",
    )


def picture_size(data: bytes, *, role: str = "picture") -> tuple[int, int]:
    """Return the width and height of a picture file in pixels; reads its header only.

    Args:
        data: The bytes of the file.
        role: Name of the picture in messages, such as ``mask``.

    Raises:
        UsageError: It is not a picture, is damaged or too large, or its format is not read.
    """
    return file_size(data, f"the {role}")


def _read_file(path: str, label: str) -> bytes:
    """Read a regular file."""
    if _ADDRESS.match(path):
        raise UsageError(f"{label} is an address, not a file", hint="download the picture first")
    with file_errors(label), open_regular_file(path, label) as file:
        _check_length(os.fstat(file.fileno()).st_size, label)
        return file.read(MAX_FILE_BYTES)


def _check_length(length: int, label: str) -> None:
    if length > MAX_FILE_BYTES:
        raise UsageError(
            f"{label} has {format_bytes(length)}, more than {format_bytes(MAX_FILE_BYTES)}",
            hint=_SMALLER,
        )


def _read_stream(stream: BinaryIO) -> bytes:
    if stream.isatty():
        raise UsageError(
            "standard input is a terminal, not a picture",
            hint="redirect a file to it: < picture.png",
        )
    with file_errors("standard input"):
        return read_at_most(stream, MAX_FILE_BYTES, "standard input", hint=_SMALLER)
