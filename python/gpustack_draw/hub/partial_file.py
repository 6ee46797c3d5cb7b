"""A file of the hub while it is being fetched.

The lock of the cache keeps other processes away, but not everywhere: shared disks may have no
locks, and people clean up. So only the bytes that are on the disk at the end are trusted.
"""

import os
from collections.abc import Callable
from pathlib import Path

from gpustack_draw.hub.cache import digest_of, mark_of, update_from
from gpustack_draw.hub.repository import RepositoryFile

# What a loss of power can cost.
_BYTES_BETWEEN_SYNCS = 64 * 1024 * 1024


class OtherWriterError(Exception):
    """Another process writes to the file, or has moved it."""


class PartialFile:
    """The bytes of a file that are here, continued where an earlier run has ended.

    Use it in a ``with`` block.

    Attributes:
        size: Bytes that are here.
    """

    def __init__(self, path: Path, file: RepositoryFile) -> None:
        """Open or make it.

        Args:
            path: Where it is.
            file: The file; its size is known.

        Raises:
            OSError: It cannot be written.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._file = file
        self._opened = path.open("ab", buffering=0)
        self.size = os.fstat(self._opened.fileno()).st_size
        if self.size > file.bytes:
            self.restart()

    @property
    def is_complete(self) -> bool:
        """Whether all is there."""
        return self.size >= self._file.bytes

    def restart(self) -> None:
        """Drop what is here.

        Raises:
            OtherWriterError: It is not this process's alone.
        """
        self._check_alone()
        self._opened.truncate(0)
        self.size = 0

    def add(self, data: bytes) -> None:
        """Append bytes.

        Raises:
            OtherWriterError: It is not this process's alone.
            OSError: It cannot be written.
        """
        self._check_alone()
        write(self._opened.fileno(), data)
        before, self.size = self.size, self.size + len(data)
        if before // _BYTES_BETWEEN_SYNCS != self.size // _BYTES_BETWEEN_SYNCS:
            self.sync()

    def sync(self) -> None:
        """Wait until the bytes are on the disk."""
        os.fsync(self._opened.fileno())

    def __enter__(self) -> "PartialFile":  # noqa: PYI034 - Self is younger than Python 3.10
        """Return itself."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Close it."""
        self._opened.close()

    def _check_alone(self) -> None:
        here = os.fstat(self._opened.fileno())
        try:
            there = self._path.stat()
        except FileNotFoundError:
            raise OtherWriterError from None
        if not os.path.samestat(here, there) or here.st_size != self.size:
            raise OtherWriterError


def mark_of_right_bytes(
    path: Path, file: RepositoryFile, on_bytes: Callable[[int], None] | None = None
) -> str:
    """Compare the bytes on the disk with what the hub says about them.

    Args:
        path: Where they are.
        file: What they should be.
        on_bytes: Called with the number of bytes of each piece; what it raises ends the work.

    Returns:
        The mark of the file that was read; empty where its bytes are wrong.

    Raises:
        OSError: It cannot be read.
    """
    mark = mark_of(path)
    if path.stat().st_size != file.bytes >= 0:
        return ""
    if not file.digest:
        return mark
    digest = digest_of(file)
    update_from(path, digest, on_bytes)
    return mark if digest.hexdigest() == file.digest else ""


def write(descriptor: int, data: bytes) -> None:
    """Write all of some bytes to an open file."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
