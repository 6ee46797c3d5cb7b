"""The partial file of a download.

A download over one connection appends to ``DIGEST.incomplete``, as ``huggingface_hub`` did until
version 1.17: the bytes on the disk are the first ones of the file. A download over several
connections leaves gaps. Its partial file has another name, because those versions would append to
it, and a map beside it that lists the ranges on the disk. A complete file has the first name again.

The lock of the cache keeps other processes away, but shared disks may not support locks, and users
may delete files. Therefore only the bytes on disk after the download are trusted.
"""

import os
import threading
from collections.abc import Callable
from pathlib import Path

from gpustack_draw.hub.byte_ranges import ByteRange, Ranges, count_bytes, merge
from gpustack_draw.hub.cache import digest_of, fingerprint_of, update_from
from gpustack_draw.hub.partial_map import PartialMap
from gpustack_draw.hub.partial_paths import PartialPaths
from gpustack_draw.hub.repository import RepositoryFile

# A power loss can cost about this many bytes.
_BYTES_BETWEEN_FLUSHES = 64 * 1024 * 1024


class OtherWriterError(Exception):
    """Another process has written to the partial file, or has moved it."""


class PartialFile:
    """A partial file that continues where an earlier download ended; a context manager.

    Threads may add bytes side by side.

    Attributes:
        kept: Ranges on disk.
    """

    def __init__(self, path: Path, file: RepositoryFile) -> None:
        """Open or create the partial file.

        Args:
            path: Path of the partial file without gaps.
            file: File to download, of known size.

        Raises:
            OSError: The file cannot be written.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self._paths = PartialPaths(path)
        self._file = file
        self._lock = threading.Lock()
        self._flush_lock = threading.Lock()  # acquired before the other lock
        found = self._paths.find_kept()
        self._path = found.path
        self._map: PartialMap | None = None
        if found.has_gaps:
            self._map = PartialMap(self._paths.map)
        else:
            self._paths.remove_gapped()
            path.touch()
        self._opened = self._path.open("r+b", buffering=0)
        self._size = os.fstat(self._opened.fileno()).st_size
        self.kept: Ranges = found.ranges if found.has_gaps else merge([ByteRange(0, self._size)])
        if self._size > file.bytes:
            self.restart()

    @property
    def received(self) -> int:
        """Number of bytes on disk."""
        return count_bytes(self.kept)

    @property
    def is_complete(self) -> bool:
        """True if all bytes are on disk."""
        return self.received >= self._file.bytes

    def restart(self) -> None:
        """Delete the bytes on disk, to begin again.

        Raises:
            OtherWriterError: Another process has changed the file.
        """
        with self._flush_lock, self._lock:
            self._check_alone()
            if self._map is not None:  # first, because it must not list missing bytes
                self._map.write(())
                self._map.write_flushed(())
                self._map.flush()
            self._opened.truncate(0)
            self.kept, self._size = (), 0

    def allow_gaps(self) -> None:
        """Prepare for bytes that do not follow the bytes on disk.

        Raises:
            OtherWriterError: Another process has changed the file.
            OSError: The map cannot be written.
        """
        with self._flush_lock, self._lock:
            if self._map is not None:
                return
            self._check_alone()
            os.fsync(self._opened.fileno())
            self._map = PartialMap(self._paths.map)
            self._map.write_flushed(self.kept)
            self._map.flush()
            self._opened.close()  # Windows does not rename open files
            self._path = self._path.replace(self._paths.gapped)
            self._opened = self._path.open("r+b", buffering=0)

    def add(self, offset: int, data: bytes) -> None:
        """Write bytes; they follow the bytes on disk unless gaps are allowed.

        Args:
            offset: Offset of the first byte.
            data: Bytes to write.

        Raises:
            OtherWriterError: Another process has changed the file.
            OSError: The file cannot be written.
        """
        with self._lock:
            self._check_alone()
            before = self.received
            try:
                self._opened.seek(offset)
                write(self._opened.fileno(), data)
            except OSError:  # a part may have been written
                self._size = os.fstat(self._opened.fileno()).st_size
                raise
            self._size = max(self._size, offset + len(data))
            self.kept = merge((*self.kept, ByteRange(offset, offset + len(data))))
            if self._map is not None:
                self._map.write(self.kept)
            is_due = before // _BYTES_BETWEEN_FLUSHES != self.received // _BYTES_BETWEEN_FLUSHES
        if is_due and self._flush_lock.acquire(blocking=False):
            try:
                self._flush()
            finally:
                self._flush_lock.release()

    def finish(self) -> None:
        """Flush the complete file to disk, close it, and give it the name of one without gaps.

        Raises:
            OSError: The file cannot be written.
        """
        with self._flush_lock:
            self._flush()
        self.close()
        if self._map is not None:
            self._path.replace(self._paths.plain)
            self._paths.map.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file; threads that still add bytes fail."""
        with self._lock:
            self._opened.close()
            if self._map is not None:
                self._map.close()

    def __enter__(self) -> "PartialFile":  # noqa: PYI034 - Self is younger than Python 3.10
        """Return itself."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Close it."""
        self.close()

    def _flush(self) -> None:
        """Flush the bytes, then list them in the map; other threads write meanwhile."""
        kept = self.kept
        os.fsync(self._opened.fileno())
        if self._map is None:
            return
        with self._lock:
            self._map.write_flushed(kept)
        self._map.flush()

    def _check_alone(self) -> None:
        if self._opened.closed:
            raise OtherWriterError
        here = os.fstat(self._opened.fileno())
        try:
            there = self._path.stat()
        except FileNotFoundError:
            raise OtherWriterError from None
        if not os.path.samestat(here, there) or here.st_size != self._size:
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
