"""A picture as the engine gives it: pixels, and how they came about."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gpustack_draw.draw_settings import DrawSettings

if TYPE_CHECKING:
    import PIL.Image

_CHUNK = 3 * 65536


class Picture:
    """A drawn picture.

    ``numpy.asarray(picture)`` is (height, width, 3) uint8 on the same memory, without a copy.

    Attributes:
        settings: Every value it was drawn with, the seed included.
        width: Pixels.
        height: Pixels.
        model: The model's name.
        reference: What to type for the model on another machine; empty for a file of this one.
        given: The components of the model that were named, and not found: ``vae``, ...
        family: The name of the model's family.
        device: What computed it.
        seconds: Seconds by phase: ``load``, ``encode``, ``sample``, ``decode``.
        pixels: (height, width, 3) uint8, C-contiguous.
    """

    def __init__(
        self,
        pixels: bytes | bytearray | memoryview,
        settings: DrawSettings,
        *,
        model: str,
        family: str,
        device: str,
        seconds: Mapping[str, float],
        reference: str = "",
        given: tuple[str, ...] = (),
    ) -> None:
        """Wrap the engine's pixels.

        Args:
            pixels: Red, green, blue of each pixel, row by row from the top; height * width * 3
                bytes in one piece. Kept, not copied.
            settings: What it was drawn with; its width and height are the picture's.
            model: The model's name.
            family: The name of the model's family.
            device: What computed it.
            seconds: Seconds by phase.
            reference: What to type for the model on another machine.
            given: The components of the model that were named.

        Raises:
            ValueError: The number of bytes does not fit the size.
        """
        self._bytes = memoryview(pixels).cast("B")
        self.settings = settings
        self.width = settings.width
        self.height = settings.height
        self.model = model
        self.reference = reference
        self.given = given
        self.family = family
        self.device = device
        self.seconds = dict(seconds)
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
        """Give the pixels to ``memoryview(picture)``, from Python 3.12 on."""
        return self.pixels

    def __repr__(self) -> str:
        """Say what it is, in a line."""
        return (
            f"<Picture {self.width}x{self.height} by {self.model}, seed {self.settings.seed}:"
            f" {self.settings.prompt[:60]!r}>"
        )

    def to_image(self) -> "PIL.Image.Image":
        """Copy the picture into a Pillow image; ``info["parameters"]`` says how it was drawn."""
        import PIL.Image

        from gpustack_draw.parameters import parameters_text

        image = PIL.Image.frombytes("RGB", (self.width, self.height), self._bytes)
        image.info["parameters"] = parameters_text(self)
        return image

    def is_one_colour(self) -> bool:
        """Tell whether all pixels are the same, as they are when the engine computed NaN."""
        if len(self._bytes) == 0:
            return True
        # Comparing bytes objects is memcmp; comparing memoryviews goes element by element.
        expected = bytes(self._bytes[:3]) * (_CHUNK // 3)
        for start in range(0, len(self._bytes), _CHUNK):
            chunk = bytes(self._bytes[start : start + _CHUNK])
            if chunk != expected[: len(chunk)]:
                return False
        return True
