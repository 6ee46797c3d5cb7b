"""Pixels in memory, in the layout of the engine."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import PIL.Image

_CHUNK = 3 * 65536


class Raster:
    """An RGB picture, finished or a preview.

    ``numpy.asarray(raster)`` has shape (height, width, 3), dtype uint8, and shares its memory.

    Attributes:
        width: Width in pixels.
        height: Height in pixels.
        pixels: (height, width, 3) uint8, C-contiguous.
    """

    def __init__(self, pixels: bytes | bytearray | memoryview, width: int, height: int) -> None:
        """Wrap pixels, without copying them.

        Args:
            pixels: Red, green and blue of each pixel, row by row from the top; height * width * 3
                contiguous bytes.
            width: Width in pixels.
            height: Height in pixels.

        Raises:
            ValueError: The number of bytes does not match the size.
        """
        self._bytes = memoryview(pixels).cast("B")
        self.width = width
        self.height = height
        count, expected = len(self._bytes), width * height * 3
        if count != expected:
            raise ValueError(f"a {width}x{height} picture takes {expected} bytes, not {count}")

    @classmethod
    def of(cls, pixels: memoryview) -> "Raster":
        """Wrap pixels of the shape (height, width, 3), uint8, C-contiguous."""
        assert pixels.shape is not None
        height, width, _channels = pixels.shape
        return cls(pixels, width, height)

    @property
    def pixels(self) -> memoryview:
        """The pixels, (height, width, 3) uint8, without a copy."""
        return self._bytes.cast("B", (self.height, self.width, 3))

    @property
    def __array_interface__(self) -> dict[str, Any]:
        """NumPy's array interface, version 3, without a copy."""
        return {
            "version": 3,
            "shape": (self.height, self.width, 3),
            "typestr": "|u1",
            "data": self._bytes,
        }

    def __buffer__(self, flags: int, /) -> memoryview:
        """Return the pixels for ``memoryview(raster)``, from Python 3.12 on."""
        return self.pixels

    def __getstate__(self) -> dict[str, object]:
        """Pickle and copy with the pixels, which a memoryview would prevent."""
        return {**self.__dict__, "_bytes": bytes(self._bytes)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore the pixels and all other attributes."""
        self.__dict__.update(state, _bytes=memoryview(state["_bytes"]))

    def __repr__(self) -> str:
        """Return the type and the size."""
        return f"<{type(self).__name__} {self.width}x{self.height}>"

    def to_image(self) -> "PIL.Image.Image":
        """Copy the pixels into a Pillow image."""
        import PIL.Image

        return PIL.Image.frombytes("RGB", (self.width, self.height), self._bytes)

    def is_one_color(self) -> bool:
        """Return True if all pixels are equal, as they are if the engine computed NaN."""
        if len(self._bytes) == 0:
            return True
        # Comparing bytes objects is memcmp; memoryviews are compared element by element.
        expected = bytes(self._bytes[:3]) * (_CHUNK // 3)
        for start in range(0, len(self._bytes), _CHUNK):
            chunk = bytes(self._bytes[start : start + _CHUNK])
            if chunk != expected[: len(chunk)]:
                return False
        return True
