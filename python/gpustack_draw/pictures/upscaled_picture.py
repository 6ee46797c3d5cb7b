"""A picture that an upscaling model has enlarged."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gpustack_draw.pictures.upscaled_text import Upscaled

if TYPE_CHECKING:
    import PIL.Image


@dataclass(frozen=True, kw_only=True, eq=False)
class UpscaledPicture:
    """A picture that an upscaling model has enlarged.

    Attributes:
        image: In RGB, or in RGBA if the picture has transparent areas; its parameters are in
            ``info["parameters"]``.
        upscaled: How it was enlarged.
        source_size: Width and height before, in pixels.
        device: Name of the device that computed it.
        seconds: Seconds by phase: ``load``, ``upscale``.
        notes: Notes for the user.
    """

    image: "PIL.Image.Image"
    upscaled: Upscaled
    source_size: tuple[int, int]
    device: str
    seconds: Mapping[str, float]
    notes: tuple[str, ...] = ()

    def summary(self) -> str:
        """Return the model, the sizes, the device and the duration in one line."""
        (width, height), (new_width, new_height) = self.source_size, self.image.size
        return (
            f"{self.upscaled.upscaler}, {width}x{height} to {new_width}x{new_height},"
            f" {self.device}, {sum(self.seconds.values()):.1f} s"
        )

    def to_image(self) -> "PIL.Image.Image":
        """Return the image."""
        return self.image
