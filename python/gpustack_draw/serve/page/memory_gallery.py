"""A gallery of the last pictures, in memory."""

import io
import secrets
import threading
import time
from dataclasses import dataclass
from functools import cached_property

from gpustack_draw import Picture
from gpustack_draw.serve.page.gallery import GalleryPage
from gpustack_draw.serve.page.stored_picture import StoredPicture, read_stored
from gpustack_draw.serve.png_file import png_file

MAX_PICTURES = 200
MAX_BYTES = 128 * 2**20


@dataclass(frozen=True)
class _File:
    """A file of the gallery."""

    id: str
    created: float
    name: str
    data: bytes

    @cached_property
    def stored(self) -> StoredPicture:
        """Its description, which is read when it is listed first."""
        return read_stored(
            io.BytesIO(self.data), name=self.name, picture_id=self.id, created=self.created
        )


class MemoryGallery:
    """The last pictures of a server, which end with it."""

    def __init__(self, max_pictures: int = MAX_PICTURES, max_bytes: int = MAX_BYTES) -> None:
        """Begin without pictures.

        Args:
            max_pictures: Number of pictures to keep.
            max_bytes: Size of all their files; the newest picture is kept in any case.
        """
        self._max_pictures = max_pictures
        self._max_bytes = max_bytes
        self._bytes = 0
        self._files: dict[str, _File] = {}  # oldest first
        self._lock = threading.Lock()

    def add(self, picture: Picture) -> None:
        """Store a picture, and drop the oldest ones if there are too many."""
        file = _File(
            id=secrets.token_hex(16),
            created=time.time(),
            name=f"gpustack-draw-{picture.settings.seed}.png",
            data=png_file(picture),
        )
        with self._lock:
            self._files[file.id] = file
            self._bytes += len(file.data)
            while len(self._files) > 1 and self._has_too_much():
                dropped = self._files.pop(next(iter(self._files)))
                self._bytes -= len(dropped.data)

    def newest(self, limit: int, *, after: str | None = None) -> GalleryPage:
        """Return some pictures, newest first."""
        with self._lock:
            files = list(reversed(self._files.values()))
        start = 0
        if after is not None:
            start = {each.id: position for position, each in enumerate(files)}[after] + 1
        chosen = files[start : start + limit]
        pictures = tuple(each.stored for each in chosen)
        return GalleryPage(pictures, start + len(pictures) < len(files))

    def read(self, picture_id: str) -> bytes:
        """Return the contents of a picture's file."""
        with self._lock:
            return self._files[picture_id].data

    def _has_too_much(self) -> bool:
        return len(self._files) > self._max_pictures or self._bytes > self._max_bytes
