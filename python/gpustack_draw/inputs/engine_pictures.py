"""The pictures of a drawing in the exact form that the engine needs."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, eq=False)
class EnginePictures:
    """The input pictures of one drawing, final in size and format.

    Every array is C-contiguous uint8. The engine stretches pictures of another size by nearest
    neighbor, and ends its process for another number of channels or an odd size, so nothing is
    left for it to convert.

    Attributes:
        image: (height, width, 3), RGB, of the drawing's size: the start of image-to-image.
        mask: (height, width), of the drawing's size: 255 is redrawn, 0 is kept. Needs ``image``.
        references: (height, width, 3) each, RGB: the pictures that an edit model looks at. Their
            sides are multiples of what the family needs, independent of the drawing's size.
        control: (height, width, 3), RGB, of the drawing's size: the picture that a ControlNet or a
            control model follows.
        canny: Whether it follows the edges of ``control``, which the engine finds.
    """

    image: "NDArray[np.uint8] | None" = None
    mask: "NDArray[np.uint8] | None" = None
    references: "tuple[NDArray[np.uint8], ...]" = ()
    control: "NDArray[np.uint8] | None" = None
    canny: bool = False

    def __post_init__(self) -> None:
        """Check shapes and types: the engine reads raw memory."""
        assert self.mask is None or self.image is not None
        pictures = [self.image, self.control, *self.references]
        arrays = [(array, 3) for array in pictures if array is not None]
        if self.mask is not None:
            arrays.append((self.mask, 2))
        for array, dimensions in arrays:
            assert array.dtype == "uint8"
            assert array.flags.c_contiguous
            assert array.ndim == dimensions
            assert min(array.shape) > 0
            assert dimensions == 2 or array.shape[2] == 3
        sized = [array for array in (self.image, self.mask, self.control) if array is not None]
        assert len({array.shape[:2] for array in sized}) <= 1
