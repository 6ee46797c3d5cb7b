"""Prepare input pictures for the engine, and paste what it draws."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gpustack_draw.errors import UsageError
from gpustack_draw.inputs.canvas import Canvas
from gpustack_draw.inputs.drawn_part import blur_of, expand, place, place_masked_area
from gpustack_draw.inputs.engine_pictures import EnginePictures
from gpustack_draw.inputs.input_picture import InputPicture
from gpustack_draw.inputs.masks import mask_of_alpha, read_mask
from gpustack_draw.inputs.paste import Paste, paste_of
from gpustack_draw.inputs.picture_limits import check_aspect
from gpustack_draw.inputs.picture_rules import PictureRules
from gpustack_draw.inputs.placement import fit, resize, size_of_area
from gpustack_draw.phrases import phrase
from gpustack_draw.request.draw_request import MAX_SIDE
from gpustack_draw.request.picture_options import PictureOptions
from gpustack_draw.request.picture_values import DEFAULT_FIT

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True, eq=False)
class PreparedPictures:
    """The input pictures of a drawing, ready for the engine.

    Attributes:
        engine: The pictures for the engine.
        size: Width and height to draw.
        notes: For the user: what was scaled or cut off.
        paste: Where the drawing goes in the picture; ``None`` if it replaces the whole picture.
    """

    engine: EnginePictures
    size: tuple[int, int]
    notes: tuple[str, ...] = ()
    paste: Paste | None = None

    @property
    def result_size(self) -> tuple[int, int]:
        """Width and height of the finished picture, which can be larger than what is drawn."""
        if self.paste is None:
            return self.size
        height, width = self.paste.original.shape[:2]
        return int(width), int(height)

    @property
    def before(self) -> memoryview:
        """The picture that the drawing starts from, looks at or follows: (height, width, 3)."""
        if self.paste is not None:
            return self.paste.original.data
        engine = self.engine
        found = engine.image if engine.image is not None else engine.control
        return (engine.references[0] if found is None else found).data

    def finish_bytes(self, drawn: memoryview) -> memoryview:
        """Return what :meth:`finish` does, as bytes.

        Args:
            drawn: (height, width, 3) uint8 of :attr:`size` as contiguous bytes of any shape.
        """
        if self.paste is None:
            return drawn
        import numpy as np

        width, height = self.size
        pixels = np.frombuffer(drawn, np.uint8).reshape(height, width, 3)
        return self.finish(pixels).data

    def finish(self, drawn: "Pixels") -> "Pixels":
        """Return the finished picture: outside the mask and its blur, the original to the bit.

        Args:
            drawn: (height, width, 3) uint8 of :attr:`size`, as the engine drew it.
        """
        assert drawn.shape == (self.size[1], self.size[0], 3)
        return drawn if self.paste is None else self.paste.apply(drawn)


def prepare_pictures(
    options: PictureOptions,
    rules: PictureRules,
    *,
    start: InputPicture | None = None,
    references: tuple[InputPicture, ...] = (),
    mask: InputPicture | None = None,
    control: InputPicture | None = None,
    size: tuple[int, int] | None = None,
) -> PreparedPictures:
    """Prepare the input pictures of a drawing for the engine.

    Args:
        options: How the pictures are used.
        rules: The sizes that the model needs.
        start: The picture to start from.
        references: The pictures that the model looks at, first those of ``options.image``.
        mask: The mask of ``start``; ``start`` itself if its transparent area is redrawn.
        control: The picture that a ControlNet or a control model follows.
        size: Width and height to draw, multiples of what the model needs; ``None`` for those of the
            first picture, aligned, with at most the number of pixels that the model was trained
            for. With ``masked_only``, the size to draw the masked area in.

    Raises:
        UsageError: The pictures do not fit each other or the model.
    """
    canvas: Canvas | None = None
    paste: Paste | None = None
    notes: tuple[str, ...] = ()
    if start is not None:
        canvas, paste, notes = _prepare_start(start, mask, options, rules, size)
        size = canvas.size
    control_pixels = None
    if control is not None:
        placement, more = place(
            control.size, control.label, options, rules, size, argument=control.argument
        )
        control_pixels, size = placement.place(control.pixels), placement.size
        notes += more
    reference_pixels = [picture.pixels for picture in references]
    if start is None and control is None and references:
        reference_pixels[0], size, notes = _place_first_reference(
            references[0], options, rules, size
        )
    assert size is not None, "there is no picture"
    engine = EnginePictures(
        image=None if canvas is None else canvas.filled(),
        mask=None if canvas is None else canvas.mask,
        references=tuple(
            _fit_reference(pixels, picture, options, rules, size)
            for pixels, picture in zip(reference_pixels, references, strict=True)
        ),
        control=control_pixels,
        canny=options.canny,
    )
    return PreparedPictures(engine=engine, size=size, notes=notes, paste=paste)


def _prepare_start(
    start: InputPicture,
    mask: InputPicture | None,
    options: PictureOptions,
    rules: PictureRules,
    size: tuple[int, int] | None,
) -> tuple[Canvas, Paste | None, tuple[str, ...]]:
    """Prepare the picture to start from.

    Returns:
        The picture and its mask in the drawing's size, how to paste the drawing, and notes.
    """
    canvas, notes = _canvas_of(start, mask, invert=options.mask_invert)
    if options.expand is not None:
        canvas, more = expand(canvas, options.sides, start.label, rules, size)
        notes += more
    if options.masked_only is not None:
        box, placement, more = place_masked_area(canvas, options, rules, size)
        return canvas.placed(placement), paste_of(canvas, box, blur_of(options)), notes + more
    argument = start.argument if options.expand is None else "expand"
    placement, more = place(canvas.size, start.label, options, rules, size, argument=argument)
    canvas = canvas.placed(placement)
    if canvas.mask is None:
        return canvas, None, notes + more
    if not canvas.mask.any():
        raise UsageError(
            "the area to redraw is cut off: nothing to redraw",
            hint=phrase("keep it with {fit='pad'}, or choose a {size} of another shape"),
            argument="mask",
        )
    paste = paste_of(canvas, (0, 0, *canvas.size), blur_of(options))
    return canvas, paste, notes + more


def _canvas_of(
    start: InputPicture, mask: InputPicture | None, *, invert: bool
) -> tuple[Canvas, tuple[str, ...]]:
    """Return a picture with its mask, and notes for the user."""
    if mask is None:
        return Canvas(pixels=start.pixels), ()
    if mask is start:
        area, notes = mask_of_alpha(start, invert=invert)
        return Canvas(pixels=start.pixels, mask=area, hole=None if invert else area), notes
    area, notes = read_mask(mask, start, invert=invert)
    return Canvas(pixels=start.pixels, mask=area), notes


def _place_first_reference(
    picture: InputPicture,
    options: PictureOptions,
    rules: PictureRules,
    size: tuple[int, int] | None,
) -> "tuple[Pixels, tuple[int, int], tuple[str, ...]]":
    """Choose the size of a drawing that starts from noise.

    Returns:
        The pixels of the first reference, the size, and notes for the user.
    """
    if options.image and (size is None or options.fit is not None):
        # The picture to edit lies where its changed version will be.
        placement, notes = place(
            picture.size, picture.label, options, rules, size, argument=picture.argument
        )
        return placement.place(picture.pixels), placement.size, notes
    if size is None:
        check_aspect(*picture.size, picture.label, picture.argument)
        size = size_of_area(picture.size, rules.size_multiple, rules.native_area, rules.max_side)
    return picture.pixels, size, ()


def _fit_reference(
    pixels: "Pixels",
    picture: InputPicture,
    options: PictureOptions,
    rules: PictureRules,
    drawing: tuple[int, int],
) -> "Pixels":
    """Scale a reference to the drawing's number of pixels, as the engine would.

    The engine scales by nearest neighbor, and models were trained with references of about the
    drawing's number of pixels.

    Raises:
        UsageError: One side of the reference is far too long.
    """
    size = int(pixels.shape[1]), int(pixels.shape[0])
    if rules.references_as_drawn:
        return fit(size, drawing, options.fit or DEFAULT_FIT).place(pixels)
    check_aspect(*size, picture.label, picture.argument)
    area = min(rules.reference_pixels, drawing[0] * drawing[1])
    return resize(pixels, size_of_area(size, rules.reference_multiple, area, MAX_SIDE))
