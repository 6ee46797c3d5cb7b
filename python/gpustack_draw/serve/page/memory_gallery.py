"""A gallery of the last pictures, in memory."""

import io
import secrets
import threading
import time

from gpustack_draw import Picture, encode
from gpustack_draw.serve.page.gallery import GalleryPage
from gpustack_draw.serve.page.stored_picture import StoredPicture, read_stored

MAX_PICTURES = 200
MAX_BYTES = 128 * 2**20


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
        self._files: dict[str, tuple[StoredPicture, bytes]] = {}  # oldest first
        self._lock = threading.Lock()

    def add(self, picture: Picture) -> None:
        """Store a picture, and drop the oldest ones if there are too many."""
        png = encode(picture, fast=True)
        stored = read_stored(
            io.BytesIO(png),
            name=f"gpustack-draw-{picture.settings.seed}.png",
            picture_id=secrets.token_hex(16),
            created=time.time(),
        )
        with self._lock:
            self._files[stored.id] = stored, png
            self._bytes += len(png)
            while len(self._files) > 1 and self._has_too_much():
                _, dropped = self._files.pop(next(iter(self._files)))
                self._bytes -= len(dropped)

    def newest(self, limit: int, *, after: str | None = None) -> GalleryPage:
        """Return some pictures, newest first."""
        with self._lock:
            pictures = [stored for stored, _ in reversed(self._files.values())]
        start = 0
        if after is not None:
            start = {each.id: position for position, each in enumerate(pictures)}[after] + 1
        chosen = tuple(pictures[start : start + limit])
        return GalleryPage(chosen, start + len(chosen) < len(pictures))

    def read(self, picture_id: str) -> bytes:
        """Return the contents of a picture's file."""
        with self._lock:
            return self._files[picture_id][1]

    def _has_too_much(self) -> bool:
        return len(self._files) > self._max_pictures or self._bytes > self._max_bytes
