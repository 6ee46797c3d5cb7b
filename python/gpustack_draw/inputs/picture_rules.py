"""The sizes that a model needs of its pictures."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class PictureRules:
    """The sizes that a model needs of its pictures.

    Attributes:
        size_multiple: Number of pixels that both sides of a drawing are a multiple of.
        native_size: Width and height that the model was trained for.
        min_side: Smallest side of a drawing in pixels, a multiple of ``size_multiple``.
        max_side: Largest side of a drawing in pixels.
        reference_multiple: Number of pixels that both sides of a reference are a multiple of.
        reference_pixels: Largest number of pixels of a reference.
        references_as_drawn: Whether references need the size of the drawing.
    """

    size_multiple: int
    native_size: tuple[int, int]
    min_side: int = 1
    max_side: int = 8192
    reference_multiple: int = 16
    reference_pixels: int = 1024 * 1024
    references_as_drawn: bool = False

    @property
    def native_area(self) -> int:
        """Number of pixels that the model was trained for."""
        return self.native_size[0] * self.native_size[1]
