"""Pictures from numpy arrays."""

import hashlib
from typing import TYPE_CHECKING, Any

from gpustack_draw.errors import UsageError
from gpustack_draw.inputs.input_picture import InputPicture
from gpustack_draw.inputs.picture_limits import check_size

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_FORM = "a picture is an array of shape (height, width, 3 or 4) and type uint8"


def picture_of_array(source: object, label: str, *, allow_gray: bool = False) -> InputPicture:
    """Copy an array into a picture.

    Args:
        source: An array, or an object that numpy makes one of.
        label: Name of the picture in messages.
        allow_gray: Accept shape (height, width), and the type bool.

    Raises:
        UsageError: It has another shape or type, or too many pixels.
    """
    import numpy as np

    try:
        array: NDArray[Any] = np.asarray(source)
    except Exception as error:  # the object's own code
        raise UsageError(f"{label} cannot become an array: {error}", hint=_FORM) from error
    if allow_gray and array.dtype == np.bool_:
        array = array.astype(np.uint8) * np.uint8(255)
    _check(array, label, allow_gray=allow_gray)
    if array.ndim == 2:
        array = np.repeat(array[:, :, None], 3, axis=2)
    pixels = np.array(array[:, :, :3], dtype=np.uint8, order="C")
    alpha = np.array(array[:, :, 3], dtype=np.uint8, order="C") if array.shape[2] == 4 else None
    return make_picture(pixels, alpha, label=label)


def _check(array: "NDArray[Any]", label: str, *, allow_gray: bool) -> None:
    """Check type, shape and size.

    Raises:
        UsageError: One of them is not allowed.
    """
    if array.dtype != "uint8":
        hint = _FORM
        if array.dtype.kind == "f":
            hint = "convert values from 0 to 1 with (array * 255).round().astype('uint8')"
        raise UsageError(f"{label} is an array of type {array.dtype}, not uint8", hint=hint)
    shape = array.shape
    is_gray = array.ndim == 2
    if not (is_gray and allow_gray) and not (array.ndim == 3 and shape[2] in (3, 4)):
        hint = _FORM
        if array.ndim == 4:
            hint = "pass the pictures of a batch one by one: array[0]"
        elif array.ndim == 3 and shape[0] in (3, 4):
            hint = "move the channels to the end: array.transpose(1, 2, 0)"
        elif is_gray:
            hint = "repeat gray pixels for three channels: numpy.stack([array] * 3, axis=2)"
        raise UsageError(
            f"{label} is an array of shape {shape}, not (height, width, 3 or 4)", hint=hint
        )
    check_size(shape[1], shape[0], label)


def make_picture(
    pixels: "NDArray[np.uint8]",
    alpha: "NDArray[np.uint8] | None",
    *,
    label: str,
    sha256: str = "",
    notes: tuple[str, ...] = (),
) -> InputPicture:
    """Make a picture of pixels, and lay its transparent area on white.

    Args:
        pixels: (height, width, 3) uint8, whatever the transparency.
        alpha: (height, width) uint8.
        label: Name of the picture in messages.
        sha256: Digest of its file; empty to compute that of the pixels.
        notes: Notes for the user.
    """
    if alpha is not None and int(alpha.min()) == 255:
        alpha = None
    if not sha256:
        digest = hashlib.sha256(pixels.tobytes())
        digest.update(b"" if alpha is None else alpha.tobytes())
        sha256 = digest.hexdigest()
    if alpha is not None:
        pixels = _on_white(pixels, alpha)
    return InputPicture(pixels=pixels, alpha=alpha, sha256=sha256, label=label, notes=notes)


def _on_white(pixels: "NDArray[np.uint8]", alpha: "NDArray[np.uint8]") -> "NDArray[np.uint8]":
    import numpy as np

    # At most 255 * 255 + 127, which 16 bits hold.
    opacity = alpha.astype(np.uint16)[:, :, None]
    mixed = pixels * opacity
    mixed += (255 - opacity) * np.uint16(255) + np.uint16(127)
    mixed //= 255
    return mixed.astype(np.uint8)
