"""How a picture is fitted to the size of a drawing."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Placement:
    """A part of a picture, scaled, on a canvas.

    Attributes:
        box: Left, top, right and bottom of the part, in pixels of the picture.
        scaled: Width and height that the part is scaled to.
        size: Width and height of the canvas; the part lies in its middle.
    """

    box: tuple[float, float, float, float]
    scaled: tuple[int, int]
    size: tuple[int, int]

    def place(self, pixels: "NDArray[np.uint8]") -> "NDArray[np.uint8]":
        """Place a picture; the border around it continues the colors of its edges.

        Args:
            pixels: (height, width, 3) uint8.
        """
        import numpy as np

        scaled = resize(pixels, self.scaled, self.box)
        return np.ascontiguousarray(np.pad(scaled, (*self._border(), (0, 0)), mode="edge"))

    def place_mask(self, mask: "NDArray[np.uint8]") -> "NDArray[np.uint8]":
        """Place a mask; the border around it is kept.

        Args:
            mask: (height, width) uint8, 0 or 255.
        """
        import numpy as np

        scaled = resize_mask(mask, self.scaled, self.box)
        return np.ascontiguousarray(np.pad(scaled, self._border()))

    def _border(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return the rows above and below, and the columns left and right, of the scaled part."""
        missing = [whole - part for whole, part in zip(self.size, self.scaled, strict=True)]
        (left, top), (right, bottom) = (
            [side // 2 for side in missing],
            [side - side // 2 for side in missing],
        )
        return (top, bottom), (left, right)


def resize(
    pixels: "NDArray[np.uint8]",
    size: tuple[int, int],
    box: tuple[float, float, float, float] | None = None,
    *,
    nearest: bool = False,
) -> "NDArray[np.uint8]":
    """Scale a picture, or a part of it, by Lanczos' method; the same size stays equal to the bit.

    Args:
        pixels: (height, width, 3) uint8.
        size: Width and height of the result.
        box: Left, top, right and bottom of the part; ``None`` for the whole picture.
        nearest: Take the nearest pixel instead.
    """
    import numpy as np
    from PIL import Image

    method = Image.Resampling.NEAREST if nearest else Image.Resampling.LANCZOS
    return np.array(Image.fromarray(pixels).resize(size, method, box))


def resize_mask(
    mask: "NDArray[np.uint8]",
    size: tuple[int, int],
    box: tuple[float, float, float, float] | None = None,
) -> "NDArray[np.uint8]":
    """Scale a mask so that thin lines remain: a smaller pixel is 255 if any pixel under it is.

    Args:
        mask: (height, width) uint8, 0 or 255.
        size: Width and height of the result.
        box: Left, top, right and bottom of the part; ``None`` for the whole mask.

    Returns:
        (height, width) uint8, 0 or 255.
    """
    import numpy as np
    from PIL import Image

    left, top, right, bottom = box or (0, 0, mask.shape[1], mask.shape[0])
    shrinks = size[0] <= right - left and size[1] <= bottom - top
    method = Image.Resampling.BOX if shrinks else Image.Resampling.BILINEAR
    image = Image.fromarray(mask.astype(np.float32)).resize(size, method, box)
    # Shares of 255; rounding errors of empty areas are far below one millionth.
    threshold = 1e-3 if shrinks else 127.5
    return np.asarray((np.asarray(image) > threshold) * np.uint8(255), dtype=np.uint8)


def fit(picture: tuple[int, int], size: tuple[int, int], mode: str) -> Placement:
    """Fit a picture to a size.

    Args:
        picture: Width and height of the picture.
        size: Width and height of the canvas.
        mode: ``crop`` cuts off both ends of the longer side, ``pad`` adds a border, ``stretch``
            changes the shape.
    """
    (width, height), (to_width, to_height) = picture, size
    if mode == "pad":
        scale = min(to_width / width, to_height / height)
        scaled = (
            min(to_width, max(1, round(width * scale))),
            min(to_height, max(1, round(height * scale))),
        )
        return Placement(box=(0, 0, width, height), scaled=scaled, size=size)
    part_width, part_height = float(width), float(height)
    if mode == "crop":
        part_width = min(part_width, height * to_width / to_height)
        part_height = min(part_height, width * to_height / to_width)
    return Placement(box=_middle(picture, (part_width, part_height)), scaled=size, size=size)


def align(
    picture: tuple[int, int], multiple: int, area: int, max_side: int, min_side: int = 1
) -> Placement:
    """Fit a picture to a size near its own, without stretching it.

    Picture of more pixels than ``area`` are scaled down; those with a side below ``multiple`` or
    ``min_side`` are scaled up. Then less than ``multiple`` pixels are cut off.

    Args:
        picture: Width and height of the picture.
        multiple: Number that both sides of the result are multiples of.
        area: Largest number of pixels.
        max_side: Largest side in pixels.
        min_side: Smallest side in pixels.
    """
    scale = min(1.0, math.sqrt(area / (picture[0] * picture[1])), max_side / max(picture))
    scale = max(scale, max(multiple, min_side) / min(picture))
    width, height = (_round_down(side * scale, multiple, max_side) for side in picture)
    if scale != 1.0:
        return fit(picture, (width, height), "crop")
    left, top = (picture[0] - width) // 2, (picture[1] - height) // 2
    box = (left, top, left + width, top + height)
    return Placement(box=box, scaled=(width, height), size=(width, height))


def size_of_area(
    picture: tuple[int, int], multiple: int, area: int, max_side: int, min_side: int = 1
) -> tuple[int, int]:
    """Return the width and height nearest to a number of pixels, in the shape of a picture.

    Args:
        picture: Width and height of the picture, which may be smaller or larger.
        multiple: Number that both sides are rounded to multiples of.
        area: Number of pixels.
        max_side: Largest side in pixels.
        min_side: Smallest side in pixels.
    """
    scale = min(math.sqrt(area / (picture[0] * picture[1])), max_side / max(picture))
    width, height = (
        min(
            max(multiple, min_side, round(side * scale / multiple) * multiple),
            max_side // multiple * multiple,
        )
        for side in picture
    )
    return width, height


def _middle(
    picture: tuple[int, int], part: tuple[float, float]
) -> tuple[float, float, float, float]:
    left, top = (picture[0] - part[0]) / 2, (picture[1] - part[1]) / 2
    return left, top, left + part[0], top + part[1]


def _round_down(side: float, multiple: int, max_side: int) -> int:
    # The square root may end just below a whole number.
    units = math.floor(min(side, max_side) / multiple + 1e-6)
    return max(1, units) * multiple
