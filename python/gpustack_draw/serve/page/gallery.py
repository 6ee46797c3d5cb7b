"""The interface of a gallery: the pictures that the server has drawn, for its page."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gpustack_draw import Picture
from gpustack_draw.serve.page.stored_picture import StoredPicture


@dataclass(frozen=True)
class GalleryPage:
    """Some pictures of a gallery.

    Attributes:
        pictures: The pictures, newest first.
        has_more: True if there are older ones.
    """

    pictures: tuple[StoredPicture, ...]
    has_more: bool


class Gallery(Protocol):
    """The pictures of a server. Its methods block, and can be called from any thread."""

    def add(self, picture: Picture) -> None:
        """Store a picture.

        Raises:
            DrawError: It cannot be stored.
        """

    def newest(self, limit: int, *, after: str | None = None) -> GalleryPage:
        """Return some pictures, newest first.

        Args:
            limit: Maximum number of pictures.
            after: Id of the picture before the first one; ``None`` to begin with the newest one.

        Raises:
            KeyError: There is no picture with this id.
        """

    def read(self, picture_id: str) -> bytes:
        """Return the contents of a picture's file.

        Raises:
            KeyError: There is no picture with this id.
        """


def cut(pictures: Sequence[StoredPicture], limit: int, after: str | None) -> GalleryPage:
    """Return some of the pictures, newest first.

    Args:
        pictures: All pictures, newest first.
        limit: Maximum number of pictures to return.
        after: Id of the picture before the first one; ``None`` to begin with the newest one.

    Raises:
        KeyError: There is no picture with this id.
    """
    start = 0
    if after is not None:
        positions = {picture.id: position for position, picture in enumerate(pictures)}
        start = positions[after] + 1
    chosen = tuple(pictures[start : start + limit])
    return GalleryPage(chosen, start + len(chosen) < len(pictures))
