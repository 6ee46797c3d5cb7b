"""First bytes of files, kept in memory between reading a header and downloading the file."""

import threading

from gpustack_draw.hub.repository import RepositoryFile

_MAX_BYTES = 64 * 1024 * 1024


class FirstBytes:
    """First bytes of files of the hub. Threads may share it."""

    def __init__(self) -> None:
        """Create an empty store."""
        self._stored: dict[tuple[str, str, str], bytes] = {}
        self._lock = threading.Lock()

    def store(self, file: RepositoryFile, data: bytes) -> None:
        """Store a file's first bytes; drop the oldest entries beyond 64 MiB in all."""
        with self._lock:
            self._stored.pop(_key(file), None)
            self._stored[_key(file)] = data
            while sum(map(len, self._stored.values())) > _MAX_BYTES:
                del self._stored[next(iter(self._stored))]

    def take(self, file: RepositoryFile) -> bytes:
        """Remove and return a file's first bytes; empty if none are stored."""
        with self._lock:
            return self._stored.pop(_key(file), b"")


def _key(file: RepositoryFile) -> tuple[str, str, str]:
    return file.repository, file.commit, file.path
