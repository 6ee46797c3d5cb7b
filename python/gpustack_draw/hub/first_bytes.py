"""First bytes of files, kept in memory between reading a header and downloading the file."""

import threading

from gpustack_draw.hub.repository import RepositoryFile

_MAX_BYTES = 64 * 1024 * 1024

_stored: dict[tuple[str, str, str], bytes] = {}
_lock = threading.Lock()


def store_first_bytes(file: RepositoryFile, data: bytes) -> None:
    """Store a file's first bytes; drop the oldest entries beyond 64 MiB in all."""
    with _lock:
        _stored.pop(_key(file), None)
        _stored[_key(file)] = data
        while sum(map(len, _stored.values())) > _MAX_BYTES:
            del _stored[next(iter(_stored))]


def take_first_bytes(file: RepositoryFile) -> bytes:
    """Remove and return a file's first bytes; empty if none are stored."""
    with _lock:
        return _stored.pop(_key(file), b"")


def _key(file: RepositoryFile) -> tuple[str, str, str]:
    return file.repository, file.commit, file.path
