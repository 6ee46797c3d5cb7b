"""Pixels in memory, as the engine gives them."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import PIL.Image


class Raster:
    """Red, green and blue of each pixel: a picture, or what one looks like halfway.

    ``numpy.asarray(raster)`` is (height, width, 3) uint8 on the same memory, without a copy.

    Attributes:
        width: Pixels.
        height: Pixels.
        pixels: (height, width, 3) uint8, C-contiguous.
    """

    def __init__(self, pixels: bytes | bytearray | memoryview, width: int, height: int) -> None:
        """Wrap the engine's pixels.

        Args:
            pixels: Red, green, blue of each pixel, row by row from the top; height * width * 3
                bytes in one piece. Kept, not copied.
            width: Pixels.
            height: Pixels.

        Raises:
            ValueError: The number of bytes does not fit the size.
        """
        self._bytes = memoryview(pixels).cast("B")
        self.width = width
        self.height = height
        if len(self._bytes) != self.width * self.height * 3:
            raise ValueError(
                f"{len(self._bytes)} bytes are no picture of {self.width}x{self.height} pixels"
            )

    @property
    def pixels(self) -> memoryview:
        """The pixels, (height, width, 3) uint8, on the engine's memory."""
        return self._bytes.cast("B", (self.height, self.width, 3))

    @property
    def __array_interface__(self) -> dict[str, Any]:
        """NumPy's array interface, version 3, on the engine's memory."""
        return {
            "version": 3,
            "shape": (self.height, self.width, 3),
            "typestr": "|u1",
            "data": self._bytes,
        }

    def __buffer__(self, flags: int, /) -> memoryview:
        """Give the pixels to ``memoryview(raster)``, from Python 3.12 on."""
        return self.pixels

    def __repr__(self) -> str:
        """Say what it is, in a line."""
        return f"<{type(self).__name__} {self.width}x{self.height}>"

    def to_image(self) -> "PIL.Image.Image":
        """Copy the pixels into a Pillow image."""
        import PIL.Image

        return PIL.Image.frombytes("RGB", (self.width, self.height), self._bytes)
