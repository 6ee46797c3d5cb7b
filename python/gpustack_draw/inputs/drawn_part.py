"""Choose the part of a canvas that is drawn, and the size to draw it in."""

from gpustack_draw.inputs.canvas import Canvas
from gpustack_draw.inputs.paste import Box, box_around
from gpustack_draw.inputs.picture_limits import check_aspect, check_size
from gpustack_draw.inputs.picture_rules import PictureRules
from gpustack_draw.inputs.placement import Placement, align, fit, size_of_area
from gpustack_draw.phrases import phrase
from gpustack_draw.request.picture_options import PictureOptions
from gpustack_draw.request.picture_values import DEFAULT_FIT, DEFAULT_MASK_BLUR
from gpustack_draw.units import round_up

# An expanded picture is scaled down only if it has more pixels than this many times those that the
# model was trained for, because the picture in its middle shall stay equal to the bit.
_EXPANDED_AREA = 4


def blur_of(options: PictureOptions) -> int:
    """Return the blur of the mask in pixels."""
    return DEFAULT_MASK_BLUR if options.mask_blur is None else options.mask_blur


def expand(
    canvas: Canvas,
    sides: tuple[int, int, int, int],
    label: str,
    rules: PictureRules,
    size: tuple[int, int] | None,
) -> tuple[Canvas, tuple[str, ...]]:
    """Add a border that is redrawn.

    Without a size, the border grows to what the model needs, so that nothing of the picture is cut
    off on the sides that have one.

    Args:
        canvas: The picture.
        sides: Pixels to add at the top, right, bottom and left.
        label: Name of the picture in messages.
        rules: The sizes that the model needs.
        size: Width and height to draw; ``None`` if they follow from the picture.

    Raises:
        UsageError: The expanded picture is too large.
    """
    top, right, bottom, left = sides
    width, height = canvas.size[0] + left + right, canvas.size[1] + top + bottom
    check_size(width, height, f"{label} with the border", "expand")
    if size is not None or width * height > _EXPANDED_AREA * rules.native_area:
        return canvas.expanded(*sides), ()
    left, right = _grow(left, right, round_up(width, rules.size_multiple) - width)
    top, bottom = _grow(top, bottom, round_up(height, rules.size_multiple) - height)
    grown = (top, right, bottom, left)
    notes: tuple[str, ...] = ()
    if grown != sides:
        numbers = ",".join(map(str, grown))
        reason = f"this model needs multiples of {rules.size_multiple}"
        notes = (f"{label} is expanded by {numbers}: {reason}",)
    return canvas.expanded(*grown), notes


def _grow(first: int, last: int, missing: int) -> tuple[int, int]:
    """Add missing pixels to the larger one of two opposite borders, unless there is none."""
    if not first and not last:
        return first, last
    return (first + missing, last) if first > last else (first, last + missing)


def place(
    picture: tuple[int, int],
    label: str,
    options: PictureOptions,
    rules: PictureRules,
    size: tuple[int, int] | None,
    *,
    argument: str,
) -> tuple[Placement, tuple[str, ...]]:
    """Place a whole picture in a drawing.

    Args:
        picture: Width and height of the picture.
        label: Name of the picture in messages.
        options: How it is fitted to the size.
        rules: The sizes that the model needs.
        size: Width and height to draw; ``None`` for those of the picture, aligned.
        argument: Name of the argument that an error is about.

    Returns:
        The placement, and notes for the user on what is scaled or cut off.

    Raises:
        UsageError: The size follows from the picture, and one of its sides is far too long.
    """
    if size is not None:
        return _place_in(picture, label, options, size)
    check_aspect(*picture, label, argument)
    area = rules.native_area * (1 if options.expand is None else _EXPANDED_AREA)
    placement = align(picture, rules.size_multiple, area, rules.max_side, rules.min_side)
    before, after = _text(picture), _text(placement.size)
    left, top, right, bottom = placement.box
    if placement.size == picture:
        return placement, ()
    if (round(right - left), round(bottom - top)) == placement.size:
        reason = f"this model needs multiples of {rules.size_multiple}"
        return placement, (f"{label} is cropped from {before} to {after}: {reason}",)
    note = f"{label} is scaled from {before} to {after}, near the size that the model was"
    note += f" trained for, {_text(rules.native_size)}"
    if options.mask is None and options.expand is None:
        return placement, (note,)
    return placement, (phrase("{}; {masked_only} keeps its size", note),)


def _place_in(
    picture: tuple[int, int], label: str, options: PictureOptions, size: tuple[int, int]
) -> tuple[Placement, tuple[str, ...]]:
    placement = fit(picture, size, options.fit or DEFAULT_FIT)
    left, top, right, bottom = placement.box
    is_cut = right - left < picture[0] - 1 or bottom - top < picture[1] - 1
    if options.fit is None and is_cut:
        note = f"{label} is cropped from {_text(picture)} to {_text(size)}"
        return placement, (phrase("{}: {fit='pad'} keeps all of it", note),)
    return placement, ()


def place_masked_area(
    canvas: Canvas, options: PictureOptions, rules: PictureRules, size: tuple[int, int] | None
) -> tuple[Box, Placement, tuple[str, ...]]:
    """Place the masked area of a picture, with pixels around it, in a drawing.

    Args:
        canvas: The picture, with a mask.
        options: The pixels around the mask, and its blur.
        rules: The sizes that the model needs.
        size: Width and height to draw; ``None`` for the model's native number of pixels.

    Returns:
        The part of the picture, its placement, and notes for the user.
    """
    assert canvas.mask is not None
    assert options.masked_only is not None
    padding = max(options.masked_only, 2 * blur_of(options))  # the blur lies within the part
    box = box_around(canvas.mask, padding, size or rules.native_size)
    left, top, right, bottom = box
    part = right - left, bottom - top
    if size is None:
        check_aspect(*part, "the masked area", "mask")
        size = size_of_area(
            part, rules.size_multiple, rules.native_area, rules.max_side, rules.min_side
        )
    notes: tuple[str, ...] = ()
    if part[0] > 1.1 * size[0] or part[1] > 1.1 * size[1]:
        notes = (f"the masked area of {_text(part)} is drawn in {_text(size)} and scaled up",)
    return box, Placement(box=box, scaled=size, size=size), notes


def _text(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
