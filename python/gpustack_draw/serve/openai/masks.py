"""Masks of edits as OpenAI and GPUStack's playground draw them, for the library."""

from typing import Any

from gpustack_draw import UsageError, read_picture


def mask_of(file: bytes) -> Any:
    """Return the mask in a file for :class:`PictureOptions`: decodes it, so call it in a thread.

    OpenAI's API redraws the transparent area of a mask. A mask without transparency is one of
    GPUStack's playground and of llama-box, whose white area is redrawn. The library, like image
    editors, redraws the opaque area of a mask with transparency.

    Args:
        file: PNG, JPEG, WebP or another format that the library reads.

    Returns:
        The file where white is redrawn; otherwise an array of shape (height, width), uint8, 255 is
        redrawn.

    Raises:
        UsageError: The file cannot be read.
    """
    try:
        mask = read_picture(file, role="mask")
    except UsageError as error:
        error.argument = "mask"
        raise
    return file if mask.alpha is None else 255 - mask.alpha
