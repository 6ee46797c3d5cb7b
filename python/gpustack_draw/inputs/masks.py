"""Masks: the area of a picture that is redrawn, and its soft border for pasting."""

from typing import TYPE_CHECKING

from gpustack_draw.errors import UsageError
from gpustack_draw.inputs.input_picture import InputPicture
from gpustack_draw.inputs.placement import resize_mask
from gpustack_draw.phrases import phrase

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Shapes may differ by the rounding of programs that scale pictures.
_SAME_SHAPE = 0.01
# The engine rounds masks at one half.
_THRESHOLD = 128


def read_mask(
    mask: InputPicture, picture: InputPicture, *, invert: bool
) -> "tuple[NDArray[np.uint8], tuple[str, ...]]":
    """Make the mask of a picture from a picture of the mask.

    Args:
        mask: White is redrawn, black is kept; if it has transparency, its opaque area is redrawn.
        picture: The picture to redraw.
        invert: Redraw the other area.

    Returns:
        (height, width) uint8 of the picture's size, 255 is redrawn and 0 is kept; and notes for
        the user.

    Raises:
        UsageError: The mask has another shape than the picture, or nothing is redrawn.
    """
    if mask.alpha is not None:
        values, name, other = mask.alpha, "opaque", "transparent"
        notes = [f"{mask.label} has transparency: its {other if invert else name} area is redrawn"]
    else:
        values, name, other = _luminance(mask.pixels), "white", "black"
        notes = []
    area = _area(values, mask.label, names=(name, other), invert=invert, notes=notes)
    if mask.size != picture.size:
        _check_shape(mask, picture)
        notes.append(
            f"{mask.label} is scaled from {mask.width}x{mask.height} to"
            f" {picture.width}x{picture.height}, the size of {picture.label}"
        )
        area = resize_mask(area, picture.size)
        if not area.any():
            raise _nothing(mask.label, other if invert else name)
    return area, tuple(notes)


def mask_of_alpha(
    picture: InputPicture, *, invert: bool
) -> "tuple[NDArray[np.uint8], tuple[str, ...]]":
    """Make the mask of a picture from its transparency: the transparent area is redrawn.

    Args:
        picture: The picture to redraw.
        invert: Redraw the opaque area.

    Returns:
        As :func:`read_mask`.

    Raises:
        UsageError: The picture has no transparency, or nothing is redrawn.
    """
    import numpy as np

    if picture.alpha is None:
        raise UsageError(
            f"{picture.label} has no transparency: nothing to redraw",
            hint=phrase("erase the area to redraw, or name another picture with {mask}"),
            argument="mask",
        )
    notes: list[str] = []
    values = np.uint8(255) - picture.alpha
    names = ("transparent", "opaque")
    return _area(values, picture.label, names=names, invert=invert, notes=notes), tuple(notes)


def _luminance(pixels: "NDArray[np.uint8]") -> "NDArray[np.uint8]":
    import numpy as np
    from PIL import Image

    return np.asarray(Image.fromarray(pixels).convert("L"))


def _area(
    values: "NDArray[np.uint8]",
    label: str,
    *,
    names: tuple[str, str],
    invert: bool,
    notes: list[str],
) -> "NDArray[np.uint8]":
    """Return the pixels from the middle value on, or below it, as 255, and the others as 0."""
    import numpy as np

    chosen = values < _THRESHOLD if invert else values >= _THRESHOLD
    name = names[1] if invert else names[0]
    if not chosen.any():
        raise _nothing(label, name)
    if chosen.all():
        notes.append(f"{label} is {name} everywhere: the whole picture is redrawn")
    return np.asarray(chosen * np.uint8(255), dtype=np.uint8)


def _nothing(label: str, name: str) -> UsageError:
    return UsageError(
        f"{label} has no {name} area: nothing to redraw",
        hint=phrase("{mask_invert} exchanges the area that is redrawn and the one that is kept"),
        argument="mask",
    )


def _check_shape(mask: InputPicture, picture: InputPicture) -> None:
    """Check that a mask of another size has the shape of its picture."""
    expected, actual = mask.width * picture.height, mask.height * picture.width
    if abs(expected - actual) > _SAME_SHAPE * expected:
        raise UsageError(
            f"{mask.label} has {mask.width}x{mask.height} pixels, another shape than"
            f" {picture.label} with {picture.width}x{picture.height}",
            hint="make the mask from the picture, in the same size",
            argument="mask",
        )


def soften(mask: "NDArray[np.uint8]", blur: int) -> "NDArray[np.uint8]":
    """Return how much of the drawn picture is seen at each pixel.

    The whole mask is seen, so nothing remains of what was there. The border outside of it falls to
    0 within ``2 * blur`` pixels: the model has blended the drawing into its surroundings there.

    Args:
        mask: (height, width) uint8, 255 is redrawn, 0 is kept.
        blur: Pixels; 0 for a hard edge.

    Returns:
        (height, width) uint8, 255 is drawn, 0 is the original.
    """
    import numpy as np
    from PIL import Image, ImageFilter

    # A wider mask, blurred twice within the pixels that were added to it.
    image = Image.fromarray(_widen(mask, blur))
    for radius in (blur // 2, blur - blur // 2):
        image = image.filter(ImageFilter.BoxBlur(radius))
    return np.array(image)


def _widen(mask: "NDArray[np.uint8]", pixels: int) -> "NDArray[np.uint8]":
    """Return the largest value of the square window around each pixel."""
    import numpy as np

    wide, length = mask, 2 * pixels + 1
    for _ in ("rows", "columns"):
        wide = np.pad(wide, ((pixels, pixels), (0, 0)))
        covered = 1  # each row holds the largest values of this many rows from it on
        while covered < length:
            step = min(covered, length - covered)
            wide = np.maximum(wide[:-step], wide[step:])
            covered += step
        wide = wide.T
    return np.ascontiguousarray(wide)


def composite(
    original: "NDArray[np.uint8]", drawn: "NDArray[np.uint8]", soft_mask: "NDArray[np.uint8]"
) -> "NDArray[np.uint8]":
    """Paste a drawing into a picture; where the mask is 0, the picture stays equal to the bit.

    Args:
        original: (height, width, 3) uint8.
        drawn: Likewise, of the same size.
        soft_mask: (height, width) uint8, 255 is drawn, 0 is the original.
    """
    import numpy as np

    # At most 255 * 255 + 127, which 16 bits hold.
    weight = soft_mask.astype(np.uint16)[:, :, None]
    mixed = drawn * weight
    mixed += original * (np.uint16(255) - weight) + np.uint16(127)
    mixed //= 255
    return mixed.astype(np.uint8)


def fill(pixels: "NDArray[np.uint8]", hole: "NDArray[np.uint8]") -> "NDArray[np.uint8]":
    """Fill a hole with a smooth continuation of the colors around it.

    The drawing starts from these colors where the picture has none.

    Args:
        pixels: (height, width, 3) uint8.
        hole: (height, width) uint8, not 0 where the picture has no colors.
    """
    import numpy as np

    known = (hole == 0).astype(np.float32)
    if not known.any():
        return np.full_like(pixels, 128)
    smooth = _fill(pixels * known[:, :, None], known)
    filled = np.where(hole[:, :, None] == 0, pixels, np.clip(np.rint(smooth), 0, 255))
    return np.ascontiguousarray(filled.astype(np.uint8))


def _fill(sums: "NDArray[np.floating]", weights: "NDArray[np.floating]") -> "NDArray[np.floating]":
    """Return colors everywhere: known ones, and elsewhere those of a picture of half the size.

    Args:
        sums: (height, width, 3): the colors, times their weights.
        weights: (height, width), 0 where no color is known.
    """
    import numpy as np
    from PIL import Image

    colors: NDArray[np.floating] = sums / np.maximum(weights, 1e-6)[:, :, None]
    if weights.all():
        return colors
    height, width = weights.shape
    even = ((0, height % 2), (0, width % 2))
    half = _fill(_halved(np.pad(sums, (*even, (0, 0)))), _halved(np.pad(weights, even)))
    method = Image.Resampling.BILINEAR
    channels = [
        np.asarray(Image.fromarray(half[:, :, channel]).resize((width, height), method))
        for channel in range(3)
    ]
    is_known = weights[:, :, None] > 0
    return np.asarray(np.where(is_known, colors, np.stack(channels, axis=2)), dtype=np.float32)


def _halved(values: "NDArray[np.floating]") -> "NDArray[np.floating]":
    """Return the mean of each square of four values."""
    import numpy as np

    rows = values[0::2] + values[1::2]
    return np.asarray((rows[:, 0::2] + rows[:, 1::2]) / 4, dtype=np.float32)
