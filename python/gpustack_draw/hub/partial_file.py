"""The partial file of a download.

The lock of the cache keeps other processes away, but shared disks may not support locks, and users
may delete files. Therefore only the bytes on disk after the download are trusted.
"""

import os
from collections.abc import Callable
from pathlib import Path

from gpustack_draw.hub.cache import digest_of, fingerprint_of, update_from
from gpustack_draw.hub.repository import RepositoryFile

# A power loss can cost this many bytes.
_BYTES_BETWEEN_SYNCS = 64 * 1024 * 1024


class OtherWriterError(Exception):
    """Another process has written to the partial file, or has moved it."""


class PartialFile:
    """A partial file that continues where an earlier download ended; a context manager.

    Attributes:
        size: Number of bytes on disk.
    """

    def __init__(self, path: Path, file: RepositoryFile) -> None:
        """Open or create the partial file.

        Args:
            path: Path of the partial file.
            file: File to download, of known size.

        Raises:
            OSError: The file cannot be written.
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
        """True if all bytes are on disk."""
        return self.size >= self._file.bytes

    def restart(self) -> None:
        """Delete the bytes on disk, to begin again.

        Raises:
            OtherWriterError: Another process has changed the file.
        """
        self._check_alone()
        self._opened.truncate(0)
        self.size = 0

    def add(self, data: bytes) -> None:
        """Append bytes.

        Raises:
            OtherWriterError: Another process has changed the file.
            OSError: The file cannot be written.
        """
        self._check_alone()
        write(self._opened.fileno(), data)
        before, self.size = self.size, self.size + len(data)
        if before // _BYTES_BETWEEN_SYNCS != self.size // _BYTES_BETWEEN_SYNCS:
            self.sync()

    def sync(self) -> None:
        """Flush the bytes to disk."""
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


def verified_fingerprint(
    path: Path, file: RepositoryFile, on_bytes: Callable[[int], None] | None = None
) -> str:
    """Verify a file on disk against the size and digest stated by the hub.

    Args:
        path: File on disk.
        file: Expected size and digest.
        on_bytes: Called with the number of bytes of each piece; its exceptions propagate.

    Returns:
        The fingerprint of the verified file; empty if its size or digest differs.

    Raises:
        OSError: The file cannot be read.
    """
    fingerprint = fingerprint_of(path)
    if path.stat().st_size != file.bytes >= 0:
        return ""
    if not file.digest:
        return fingerprint
    digest = digest_of(file)
    update_from(path, digest, on_bytes)
    return fingerprint if digest.hexdigest() == file.digest else ""


def write(descriptor: int, data: bytes) -> None:
    """Write all bytes to a file descriptor, in as many system calls as needed."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
