"""The beginnings of files: read for a plan, kept in memory for the fetch that follows it."""

import threading

from gpustack_draw.hub.repository import RepositoryFile

_MOST_BYTES = 64 * 1024 * 1024

_kept: dict[tuple[str, str, str], bytes] = {}
_lock = threading.Lock()


def keep_beginning(file: RepositoryFile, data: bytes) -> None:
    """Keep a file's first bytes; those that were kept first go where there are too many."""
    with _lock:
        _kept.pop(_key(file), None)
        _kept[_key(file)] = data
        while sum(map(len, _kept.values())) > _MOST_BYTES:
            del _kept[next(iter(_kept))]


def take_beginning(file: RepositoryFile) -> bytes:
    """Give a file's first bytes and forget them; none where none were kept."""
    with _lock:
        return _kept.pop(_key(file), b"")


def _key(file: RepositoryFile) -> tuple[str, str, str]:
    return file.repository, file.commit, file.path
