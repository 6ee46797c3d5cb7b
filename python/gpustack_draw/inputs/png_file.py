"""Write prepared pictures as PNG files that hold nothing but their pixels."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def write_png(pixels: "NDArray[np.uint8]") -> bytes:
    """Return a PNG file without metadata.

    Args:
        pixels: uint8, of shape (height, width, 3) for RGB, (height, width, 4) for RGBA, or (height,
            width) for gray.
    """
    import io

    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def write_transparent_mask(mask: "NDArray[np.uint8]") -> bytes:
    """Return a PNG file of a mask for readers of transparency and for readers of brightness.

    The area to redraw is white and transparent, the rest is black and opaque.

    Args:
        mask: (height, width) uint8, 255 is redrawn and 0 is kept.
    """
    import numpy as np

    return write_png(np.stack([mask, mask, mask, np.uint8(255) - mask], axis=2))
