"""A gallery of the pictures in a folder."""

import hashlib
import heapq
import logging
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gpustack_draw import Picture, save
from gpustack_draw.errors import DrawError
from gpustack_draw.serve.page.gallery import GalleryPage, cut
from gpustack_draw.serve.page.stored_picture import StoredPicture, read_stored

_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
_MAX_FILES = 10_000  # the newest files of a folder; older ones are not listed

_log = logging.getLogger(__name__)


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
        self._names: dict[str, str] = {}  # file names by id
        self._lock = threading.Lock()

    def add(self, picture: Picture) -> None:
        """Save a picture as the command does: complete or not at all, under a free name."""
        save(picture, os.path.join(self._folder, ""))  # noqa: PTH118 - a Path drops the last "/"

    def newest(self, limit: int, *, after: str | None = None) -> GalleryPage:
        """Return some pictures, newest first."""
        with self._lock:
            return cut(self._pictures(), limit, after)

    def read(self, picture_id: str) -> bytes:
        """Return the contents of a picture's file."""
        with self._lock:
            if picture_id not in self._names:
                self._pictures()
            name = self._names[picture_id]
        try:
            return (self._folder / name).read_bytes()
        except FileNotFoundError as error:
            raise KeyError(picture_id) from error

    def _pictures(self) -> list[StoredPicture]:
        """Read the folder; files that it has read before are not opened again."""
        files = heapq.nlargest(_MAX_FILES, self._files())
        self._known = {
            file: self._known[file] if file in self._known else self._read(file) for file in files
        }
        pictures = [picture for picture in self._known.values() if picture is not None]
        self._names = {picture.id: picture.name for picture in pictures}
        return pictures

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
            _log.error("folder %s cannot be read: %s", self._folder, error.strerror)

    def _read(self, file: _File) -> StoredPicture | None:
        try:
            with (self._folder / file.name).open("rb") as opened:
                return read_stored(
                    opened, name=file.name, picture_id=file.id, created=file.changed / 1e9
                )
        except (DrawError, OSError):
            return None
