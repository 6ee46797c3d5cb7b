"""Values of the options for input pictures: parsed from text, and checked from Python.

``--help`` imports this module, so it imports nothing that takes long.
"""

import operator
import re
from collections.abc import Iterable

from gpustack_draw.errors import UsageError, quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ALPHA = "alpha"  # as a mask: the transparency of the picture itself
FITS = ("crop", "pad", "stretch")
DEFAULT_FIT = "crop"
DEFAULT_PADDING = 32  # pixels around a mask that is drawn at the model's native size
DEFAULT_MASK_BLUR = 4
_MAX_PIXELS = 8192
_NUMBER = r"[0-9]{1,9}"  # compiled when a value is read

_EXPAND_HINT = (
    "pixels to add on each side, each 0 to 8192 and not all 0: one number, or four as"
    " TOP,RIGHT,BOTTOM,LEFT"
)
_PADDING_HINT = "pixels around the mask, 0 to 8192, for example 32"


def parse_fit(text: str) -> str:
    """Parse the value of ``--fit``.

    Raises:
        UsageError: It is not ``crop``, ``pad`` or ``stretch``.
    """
    return check_fit(text.strip().lower(), typed=text)


def check_fit(value: object, *, typed: object = None) -> str:
    """Check how a picture is fitted to the size of a drawing.

    Args:
        value: One of :data:`FITS`.
        typed: The value for the message, if it differs.

    Raises:
        UsageError: It is none of them.
    """
    if not isinstance(value, str) or value not in FITS:
        raise UsageError(
            f"{quoted(value if typed is None else typed)} is not crop, pad or stretch",
            hint="crop cuts off what is too much, pad adds a border, stretch changes the shape",
            argument="fit",
        )
    return value


def parse_expand(text: str) -> tuple[int, int, int, int]:
    """Parse the value of ``--expand``.

    Args:
        text: ``TOP,RIGHT,BOTTOM,LEFT``, or one number for all sides.

    Returns:
        Pixels to add at the top, right, bottom and left, each 0 to 8192.

    Raises:
        UsageError: The text is neither.
    """
    numbers = [number.strip() for number in text.split(",")]
    if not all(re.fullmatch(_NUMBER, number) for number in numbers):
        raise _expand_error(text)
    return _check_sides([int(number) for number in numbers], text)


def check_expand(value: object) -> tuple[int, int, int, int]:
    """Check the sides by which a picture is expanded.

    Args:
        value: Four numbers, one number for all sides, or text as for :func:`parse_expand`.

    Returns:
        Pixels to add at the top, right, bottom and left, each 0 to 8192.

    Raises:
        UsageError: The value is none of these.
    """
    if isinstance(value, str):
        return parse_expand(value)
    try:
        numbers: list[Any] = list(value) if isinstance(value, Iterable) else [value]
        if any(isinstance(number, bool) for number in numbers):
            raise TypeError
        return _check_sides([operator.index(number) for number in numbers], value)
    except TypeError:
        raise _expand_error(value) from None


def _check_sides(numbers: list[int], original: object) -> tuple[int, int, int, int]:
    sides = numbers * 4 if len(numbers) == 1 else numbers
    if len(sides) != 4 or not any(sides) or not all(0 <= side <= _MAX_PIXELS for side in sides):
        raise _expand_error(original)
    top, right, bottom, left = sides
    return top, right, bottom, left


def _expand_error(value: object) -> UsageError:
    return UsageError(
        f"{quoted(value)} is not TOP,RIGHT,BOTTOM,LEFT", hint=_EXPAND_HINT, argument="expand"
    )


def parse_padding(text: str) -> int:
    """Parse the value of ``--masked-only``.

    Raises:
        UsageError: It is not a whole number from 0 to 8192.
    """
    stripped = text.strip()
    if not re.fullmatch(_NUMBER, stripped) or int(stripped) > _MAX_PIXELS:
        raise _padding_error(text)
    return int(stripped)


def check_masked_only(value: object) -> int | None:
    """Check the padding around a mask that is drawn alone.

    Args:
        value: Pixels, 0 to 8192; ``True`` for 32; ``False`` or ``None`` to draw the whole picture.

    Returns:
        The pixels; ``None`` to draw the whole picture.

    Raises:
        UsageError: The value is none of these.
    """
    if value is None or value is False:
        return None
    if value is True:
        return DEFAULT_PADDING
    try:
        padding = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise _padding_error(value) from None
    if not 0 <= padding <= _MAX_PIXELS:
        raise _padding_error(value)
    return padding


def _padding_error(value: object) -> UsageError:
    return UsageError(
        f"{quoted(value)} is not a number of pixels from 0 to 8192",
        hint=_PADDING_HINT,
        argument="masked_only",
    )
