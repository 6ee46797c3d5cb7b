"""Where a drawing goes in the picture that it started from."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gpustack_draw.inputs.canvas import Canvas
from gpustack_draw.inputs.masks import composite, soften
from gpustack_draw.inputs.placement import resize

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Left, top, right and bottom of a part of a picture, in pixels.
Box = tuple[int, int, int, int]


@dataclass(frozen=True, kw_only=True, eq=False)
class Paste:
    """A picture, and the part of it that a drawing replaces.

    Attributes:
        original: (height, width, 3) uint8, the whole picture.
        box: The part that was drawn.
        soft_mask: (height, width) uint8, of the part's size: 255 is drawn, 0 is the original.
    """

    original: "NDArray[np.uint8]"
    box: Box
    soft_mask: "NDArray[np.uint8]"

    def apply(self, drawn: "NDArray[np.uint8]") -> "NDArray[np.uint8]":
        """Return the picture with the drawing in it.

        Args:
            drawn: (height, width, 3) uint8, the part as it was drawn, in any size.
        """
        import numpy as np

        left, top, right, bottom = self.box
        part = self.original[top:bottom, left:right]
        result = np.array(self.original)
        scaled = resize(drawn, (right - left, bottom - top))
        result[top:bottom, left:right] = composite(part, scaled, self.soft_mask)
        return result

    def of_blended(self) -> "Paste":
        """Return the record for a drawing that is already blended with the original.

        It replaces every pixel that the mask and its blur reach.
        """
        import numpy as np

        return replace(self, soft_mask=np.where(self.soft_mask > 0, np.uint8(255), np.uint8(0)))


def paste_of(canvas: Canvas, box: Box, blur: int) -> Paste:
    """Make the record for pasting a part of a canvas with a mask."""
    assert canvas.mask is not None
    left, top, right, bottom = box
    soft_mask = soften(canvas.mask[top:bottom, left:right], blur)
    return Paste(original=canvas.pixels, box=box, soft_mask=soft_mask)


def box_around(mask: "NDArray[np.uint8]", padding: int, shape: tuple[int, int]) -> Box:
    """Return the part of a picture that is drawn for its masked area alone.

    Args:
        mask: (height, width) uint8; the area that is not 0 lies in the part.
        padding: Pixels around that area, as far as the picture reaches.
        shape: Width and height, in any unit, whose shape the part gets as far as the picture
            reaches.
    """
    import numpy as np

    spans: list[tuple[int, int]] = []
    for axis in (0, 1):
        used = np.flatnonzero(mask.any(axis=axis))
        end = mask.shape[1 - axis]
        spans.append((max(0, int(used[0]) - padding), min(end, int(used[-1]) + 1 + padding)))
    (left, right), (top, bottom) = spans
    width, height = right - left, bottom - top
    width_of_shape = round(height * shape[0] / shape[1])
    height_of_shape = round(width * shape[1] / shape[0])
    left, right = _widen(left, right, max(width, width_of_shape), mask.shape[1])
    top, bottom = _widen(top, bottom, max(height, height_of_shape), mask.shape[0])
    return left, top, right, bottom


def _widen(start: int, end: int, length: int, limit: int) -> tuple[int, int]:
    """Return a span of a length around another one, moved into 0 to ``limit``."""
    length = min(length, limit)
    start = min(max(0, (start + end - length) // 2), limit - length)
    return start, start + length
