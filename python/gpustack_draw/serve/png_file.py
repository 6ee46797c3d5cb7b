"""The PNG files of drawn pictures."""

import threading
from weakref import WeakKeyDictionary

from gpustack_draw import Picture, encode


class _File:
    """A file that one thread encodes, while others that need it wait."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.data = b""


_FILES: "WeakKeyDictionary[Picture, _File]" = WeakKeyDictionary()
_LOCK = threading.Lock()


def png_file(picture: Picture) -> bytes:
    """Return the PNG file of a picture with its parameters, from any thread.

    It is encoded once, for the client and for the gallery, and kept as long as the picture.
    """
    with _LOCK:
        file = _FILES.setdefault(picture, _File())
    with file.lock:
        file.data = file.data or encode(picture, fast=True)
        return file.data
