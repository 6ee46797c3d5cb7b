"""Open and read files and streams without waiting for a pipe, within limits, with their errors."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from gpustack_draw.errors import UsageError
from gpustack_draw.units import format_bytes

STANDARD_INPUT = "-"


@contextmanager
def file_errors(label: str) -> Iterator[None]:
    """Raise an error of opening or reading a file as a UsageError about it.

    Args:
        label: Name of the file in messages.
    """
    try:
        yield
    except UsageError:
        raise
    except FileNotFoundError:
        raise UsageError(f"{label} does not exist", hint="check the path") from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UsageError(f"{label} cannot be read: {reason}") from error
    except ValueError as error:
        raise UsageError(f"{label} cannot be a file name") from error


def read_at_most(
    stream: BinaryIO, limit: int, label: str, *, purpose: str = "", hint: str
) -> bytes:
    """Read a stream to its end.

    Args:
        stream: The stream.
        limit: Largest number of bytes.
        label: Name of the stream in messages.
        purpose: Text behind the message of a stream that is too long.
        hint: Hint of that message.

    Raises:
        UsageError: It has more bytes than the limit.
    """
    data = stream.read(limit + 1)
    if len(data) > limit:
        raise UsageError(f"{label} has more than {format_bytes(limit)}{purpose}", hint=hint)
    return data


def open_regular_file(path: str | os.PathLike[str], label: str) -> BinaryIO:
    """Open a regular file; refuse anything that could block, such as a named pipe.

    Args:
        path: The path.
        label: Name of the file in messages.

    Raises:
        UsageError: It is a folder, a pipe, a device or a socket.
        OSError: It cannot be opened.
        ValueError: The path cannot be that of a file.
    """
    _check_regular(os.stat(path).st_mode, label)  # noqa: PTH116 - any PathLike is a path here
    no_waiting = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    file = os.fdopen(os.open(path, os.O_RDONLY | no_waiting), "rb")
    try:
        _check_regular(os.fstat(file.fileno()).st_mode, label)  # the path may have been replaced
    except UsageError:
        file.close()
        raise
    return file


def _check_regular(mode: int, label: str) -> None:
    if stat.S_ISDIR(mode):
        raise UsageError(f"{label} is a folder", hint="name a picture in it")
    if not stat.S_ISREG(mode):
        file_type = "a named pipe" if stat.S_ISFIFO(mode) else "a device or a socket"
        raise UsageError(
            f"{label} is {file_type}, not a file", hint="save the picture to a file first"
        )
