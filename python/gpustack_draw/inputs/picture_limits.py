"""Limits of input pictures, checked before anything is decoded."""

from gpustack_draw.errors import UsageError

MAX_PIXELS = 100_000_000
MAX_SIDE = 32_768
MAX_ASPECT = 8  # of a picture that decides a size: the engine's sizes become 0 beyond

_HINT = "scale or cut the picture first"


def check_size(width: int, height: int, label: str, argument: str | None = None) -> None:
    """Check the size of a picture.

    Args:
        width: Width in pixels.
        height: Height in pixels.
        label: Name of the picture in messages.
        argument: Name of the argument that the errors are about; ``None`` if the caller adds it.

    Raises:
        UsageError: It is empty or too large.
    """
    if width < 1 or height < 1:
        raise UsageError(f"{label} has no pixels: its size is {width}x{height}", argument=argument)
    if max(width, height) > MAX_SIDE:
        raise UsageError(
            f"{label} has {width}x{height} pixels, and a side can have {MAX_SIDE} at most",
            hint=_HINT,
            argument=argument,
        )
    if width * height > MAX_PIXELS:
        raise UsageError(
            f"{label} has {width}x{height} pixels, more than 100 megapixels",
            hint=_HINT,
            argument=argument,
        )


def check_aspect(width: int, height: int, label: str, argument: str) -> None:
    """Check the shape of a picture that decides a size.

    Args:
        width: Width in pixels.
        height: Height in pixels.
        label: Name of the picture in messages.
        argument: Name of the argument that the error is about.

    Raises:
        UsageError: One side is more than eight times as long as the other.
    """
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise UsageError(
            f"{label} has {width}x{height} pixels: one side is more than {MAX_ASPECT} times as"
            " long as the other",
            hint="cut the picture first",
            argument=argument,
        )


def bomb(label: str) -> UsageError:
    """Make the error for a file whose header announces far more pixels than are decoded."""
    return UsageError(f"{label} has more than 100 megapixels", hint=_HINT)
