"""A picture that was read: upright, 8-bit sRGB, transparency apart."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, eq=False)
class InputPicture:
    """A picture that was read.

    Attributes:
        pixels: (height, width, 3) uint8, sRGB, upright; transparent areas lie on white.
        alpha: (height, width) uint8, 255 is opaque; ``None`` if everything is opaque.
        sha256: Digest of the file in hexadecimal; of the pixels, then the alpha, for a picture from
            memory.
        label: Name for messages: the path in quotes, or its role such as ``the mask``. Not for
            files that are shared.
        notes: For the user, such as that only the first frame is used.
        argument: Name of the argument that names it, for errors: ``image``, ``ref_image``, ...
    """

    pixels: "NDArray[np.uint8]"
    alpha: "NDArray[np.uint8] | None"
    sha256: str
    label: str
    notes: tuple[str, ...] = ()
    argument: str = "image"

    @property
    def short_hash(self) -> str:
        """First 12 characters of the digest, which name the picture in files that are shared."""
        return self.sha256[:12]

    @property
    def width(self) -> int:
        """Width in pixels."""
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        """Height in pixels."""
        return int(self.pixels.shape[0])

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.width, self.height
