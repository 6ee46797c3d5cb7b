"""The interface of a gallery: the pictures that the server has drawn, for its page."""

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
