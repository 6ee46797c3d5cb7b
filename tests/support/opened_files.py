"""Watch folders for any process that opens or changes a file in them (Linux)."""

import ctypes
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_EVENTS = 0xFFF  # all: opened, read, changed, created, moved, deleted
_HEADER = struct.Struct("iIII")


class OpenedFiles:
    """The files of some folders that were opened or changed since the start."""

    def __init__(self, folders: Iterator[Path]) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        assert self._descriptor >= 0, os.strerror(ctypes.get_errno())
        self._folders: dict[int, Path] = {}
        for folder in folders:
            watch = self._libc.inotify_add_watch(self._descriptor, os.fsencode(folder), _EVENTS)
            assert watch >= 0, os.strerror(ctypes.get_errno())
            self._folders[watch] = folder

    def read(self) -> set[Path]:
        """Return the files that were opened or changed since the last call."""
        paths = set()
        try:
            data = os.read(self._descriptor, 1 << 20)
        except BlockingIOError:
            return paths
        while data:
            watch, _mask, _cookie, length = _HEADER.unpack_from(data)
            name = data[_HEADER.size : _HEADER.size + length].rstrip(b"\0")
            paths.add(self._folders[watch] / os.fsdecode(name))
            data = data[_HEADER.size + length :]
        return paths

    def close(self) -> None:
        """End watching."""
        os.close(self._descriptor)


@contextmanager
def watched(*folders: Path) -> Iterator[OpenedFiles]:
    """Watch folders, without the folders in them."""
    opened = OpenedFiles(iter(folders))
    try:
        yield opened
    finally:
        opened.close()
