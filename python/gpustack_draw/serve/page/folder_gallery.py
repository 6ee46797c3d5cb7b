"""A gallery of the pictures in a folder."""

import hashlib
import heapq
import itertools
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gpustack_draw import Picture, save
from gpustack_draw.errors import DrawError
from gpustack_draw.serve.log import LOGGER
from gpustack_draw.serve.page.gallery import GalleryPage
from gpustack_draw.serve.page.stored_picture import StoredPicture, read_stored

_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
_MAX_FILES = 10_000  # the newest files of a folder; older ones are not listed


@dataclass(frozen=True, order=True)
class _File:
    """A file that may be a picture; a changed file is another one."""

    changed: int  # nanoseconds since 1970
    name: str
    size: int

    @property
    def id(self) -> str:
        """Its name in addresses, which cannot name any other file."""
        text = f"{self.name}\0{self.changed}\0{self.size}"
        return hashlib.sha256(os.fsencode(text)).hexdigest()[:32]


class FolderGallery:
    """The pictures of this program in a folder, those of earlier servers included.

    Other files are not listed, nor are links: they may lead out of the folder.
    """

    def __init__(self, folder: Path) -> None:
        """Open a gallery.

        Args:
            folder: A folder that can be written to.
        """
        self._folder = folder
        self._known: dict[_File, StoredPicture | None] = {}  # None: not a picture of this program
        self._lock = threading.Lock()

    def add(self, picture: Picture) -> None:
        """Save a picture as the command does: complete or not at all, under a free name."""
        save(picture, os.path.join(self._folder, ""))  # noqa: PTH118 - a Path drops the last "/"

    def newest(self, limit: int, *, after: str | None = None) -> GalleryPage:
        """Return some pictures, newest first; only files of these pictures are opened."""
        with self._lock:
            files = heapq.nlargest(_MAX_FILES, self._files())
            self._known = {file: self._known[file] for file in files if file in self._known}
            if after is not None:
                files = files[_position_after(files, after) :]
            found = (picture for picture in map(self._describe, files) if picture is not None)
            pictures = tuple(itertools.islice(found, limit + 1))
        return GalleryPage(pictures[:limit], len(pictures) > limit)

    def read(self, picture_id: str) -> bytes:
        """Return the contents of a picture's file."""
        with self._lock:
            names = (each.name for each in self._known.values() if each and each.id == picture_id)
            name = next(names, None) or self._find(picture_id)
        try:
            return (self._folder / name).read_bytes()
        except FileNotFoundError as error:
            raise KeyError(picture_id) from error

    def _find(self, picture_id: str) -> str:
        """Return the name of a picture's file that was not listed before.

        Raises:
            KeyError: There is no such picture.
        """
        for file in self._files():
            if file.id == picture_id and self._describe(file) is not None:
                return file.name
        raise KeyError(picture_id)

    def _describe(self, file: _File) -> StoredPicture | None:
        """Return the description of a file, which is read once; ``None`` if it is no picture."""
        if file not in self._known:
            self._known[file] = self._read(file)
        return self._known[file]

    def _files(self) -> Iterator[_File]:
        try:
            with os.scandir(self._folder) as entries:
                for entry in entries:
                    name = entry.name
                    if name.startswith(".") or not name.lower().endswith(_SUFFIXES):
                        continue
                    if entry.is_file(follow_symlinks=False):
                        status = entry.stat(follow_symlinks=False)
                        yield _File(status.st_mtime_ns, name, status.st_size)
        except OSError as error:
            LOGGER.error("folder %s cannot be read: %s", self._folder, error.strerror)

    def _read(self, file: _File) -> StoredPicture | None:
        try:
            with (self._folder / file.name).open("rb") as opened:
                return read_stored(
                    opened, name=file.name, picture_id=file.id, created=file.changed / 1e9
                )
        except (DrawError, OSError):
            return None


def _position_after(files: list[_File], picture_id: str) -> int:
    """Return the position of the file after another one.

    Raises:
        KeyError: There is no file with this id.
    """
    for position, file in enumerate(files):
        if file.id == picture_id:
            return position + 1
    raise KeyError(picture_id)
