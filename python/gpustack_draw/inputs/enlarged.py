"""Pictures that an upscaling model enlarges: their size, and their transparency."""

from typing import TYPE_CHECKING

from gpustack_draw.errors import UsageError
from gpustack_draw.inputs.input_picture import InputPicture
from gpustack_draw.inputs.picture_limits import MAX_PIXELS, MAX_SIDE
from gpustack_draw.phrases import phrase

if TYPE_CHECKING:
    import numpy as np
    import PIL.Image
    from numpy.typing import NDArray


def enlarged_size(width: int, height: int, scale: float, label: str) -> tuple[int, int]:
    """Return the size of an enlarged picture.

    Args:
        width: Width in pixels.
        height: Height in pixels.
        scale: Factor of both sides.
        label: Name of the picture in messages.

    Raises:
        UsageError: It would be larger than the pictures that this package reads.
    """
    size = max(1, round(width * scale)), max(1, round(height * scale))
    if size[0] * size[1] > MAX_PIXELS or max(size) > MAX_SIDE:
        raise UsageError(
            f"{label} would have {size[0]}x{size[1]} pixels, more than 100 megapixels"
            if max(size) <= MAX_SIDE
            else f"{label} would have {size[0]}x{size[1]} pixels, and a side can have {MAX_SIDE}"
            " at most",
            hint=phrase("for example {scale=2}"),
            argument="scale",
        )
    return size


def finish_enlarged(
    enlarged: memoryview, picture: InputPicture, size: tuple[int, int]
) -> "PIL.Image.Image":
    """Scale an enlarged picture to its final size, and give it back its transparency.

    Args:
        enlarged: (height, width, 3) uint8, the picture as the model enlarged it: on white.
        picture: The picture before.
        size: Width and height of the result.

    Returns:
        An image in RGB, or in RGBA if the picture has transparent areas.
    """
    import numpy as np
    from PIL import Image

    lanczos = Image.Resampling.LANCZOS
    image = Image.fromarray(np.asarray(enlarged)).resize(size, lanczos)
    if picture.alpha is None:
        return image
    alpha = np.array(Image.fromarray(picture.alpha).resize(size, lanczos))
    color = _without_white(np.asarray(image), alpha)
    return Image.fromarray(np.dstack([color, alpha]))


def on_white(image: "PIL.Image.Image") -> "PIL.Image.Image":
    """Return an image in RGB, its transparent areas on white."""
    from PIL import Image

    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")


def _without_white(color: "NDArray[np.uint8]", alpha: "NDArray[np.uint8]") -> "NDArray[np.uint8]":
    """Undo the laying on white, which would be a white rim on another background."""
    import numpy as np

    opacity = np.maximum(alpha, 1)[:, :, None] / np.float32(255)
    whole = 255 + (color - np.float32(255)) / opacity
    levels: NDArray[np.uint8] = np.rint(whole.clip(0, 255)).astype(np.uint8)
    return levels
