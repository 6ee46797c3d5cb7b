"""A picture with the area to redraw, on its way to the engine."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gpustack_draw.inputs.masks import fill
from gpustack_draw.inputs.placement import Placement

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Canvas:
    """A picture with the area to redraw.

    Attributes:
        pixels: (height, width, 3) uint8.
        mask: (height, width) uint8, 255 is redrawn, 0 is kept; ``None`` if there is no mask.
        hole: (height, width) uint8, 255 where the picture has no colors; ``None`` if it has colors
            everywhere. Lies within the mask.
    """

    pixels: "NDArray[np.uint8]"
    mask: "NDArray[np.uint8] | None" = None
    hole: "NDArray[np.uint8] | None" = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return int(self.pixels.shape[1]), int(self.pixels.shape[0])

    def filled(self) -> "NDArray[np.uint8]":
        """Return the pixels, with a continuation of their colors in the hole."""
        return self.pixels if self.hole is None else fill(self.pixels, self.hole)

    def placed(self, placement: Placement) -> "Canvas":
        """Return a part of it, scaled to a size."""
        return Canvas(
            pixels=placement.place(self.pixels),
            mask=None if self.mask is None else placement.place_mask(self.mask),
            hole=None if self.hole is None else placement.place_mask(self.hole),
        )

    def expanded(self, top: int, right: int, bottom: int, left: int) -> "Canvas":
        """Return it with a border, in pixels, that is redrawn."""
        import numpy as np

        border = ((top, bottom), (left, right))
        kept = np.zeros(self.pixels.shape[:2], np.uint8)
        mask, hole = (
            np.pad(kept if area is None else area, border, constant_values=255)
            for area in (self.mask, self.hole)
        )
        pixels = np.pad(self.pixels, (*border, (0, 0)), mode="edge")
        return replace(self, pixels=pixels, mask=mask, hole=hole)
