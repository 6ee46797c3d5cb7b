"""Enlarge a drawn picture, and everything of its size, for a second pass."""

from typing import TYPE_CHECKING

from gpustack_draw.inputs.engine_pictures import EnginePictures
from gpustack_draw.inputs.paste import Paste
from gpustack_draw.inputs.placement import fit, resize, resize_mask
from gpustack_draw.inputs.prepare_pictures import PreparedPictures

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]


def enlarge_for_second_pass(
    drawn: memoryview,
    drawn_size: tuple[int, int],
    size: tuple[int, int],
    *,
    pictures: PreparedPictures | None = None,
    nearest: bool = False,
    enlarged: memoryview | None = None,
    references_as_drawn: bool = False,
) -> PreparedPictures:
    """Return the pictures of a second pass, which starts from the result of the first.

    A little of the longer side is cut off if the sizes differ in shape. Outside of a mask, the
    second pass keeps the enlarged picture.

    Args:
        drawn: (height, width, 3) uint8 as contiguous bytes of any shape, as the engine drew it.
        drawn_size: Its width and height.
        size: Width and height of the second pass.
        pictures: The input pictures of the first pass, all of ``drawn_size`` but the references;
            ``None`` for none.
        nearest: Enlarge pixels without smoothing, instead of by Lanczos' method.
        enlarged: The finished picture of the first pass as an upscaling model has enlarged it, in
            any size: (height, width, 3) uint8; ``None`` to enlarge it here.
        references_as_drawn: Whether references need the size of the drawing.
    """
    import numpy as np

    width, height = drawn_size
    finished = drawn if pictures is None else pictures.finish_bytes(drawn)
    pixels = np.frombuffer(finished, np.uint8).reshape(height, width, 3)
    box = fit(drawn_size, size, "crop").box
    if enlarged is None:
        image = resize(pixels, size, box, nearest=nearest)
    else:
        larger = np.asarray(enlarged)
        image = resize(larger, size, fit((larger.shape[1], larger.shape[0]), size, "crop").box)
    first = EnginePictures() if pictures is None else pictures.engine
    references = first.references
    if references_as_drawn:
        references = tuple(resize(reference, size, box) for reference in references)
    return PreparedPictures(
        engine=EnginePictures(
            image=image,
            mask=None if first.mask is None else resize_mask(first.mask, size, box),
            references=references,
            control=None if first.control is None else resize(first.control, size, box),
            canny=first.canny,
        ),
        size=size,
        paste=_enlarged_paste(pictures, image, box),
    )


def _enlarged_paste(
    pictures: PreparedPictures | None, image: "Pixels", box: tuple[float, float, float, float]
) -> Paste | None:
    """Return how the second drawing is pasted into the enlarged picture."""
    import numpy as np
    from PIL import Image

    if pictures is None or pictures.paste is None:
        return None
    assert pictures.result_size == pictures.size, "a part was drawn alone"
    height, width = image.shape[:2]
    soft_mask = Image.fromarray(pictures.paste.soft_mask)
    # Bilinear, because Lanczos' method would add waves to the border of the mask.
    larger = soft_mask.resize((width, height), Image.Resampling.BILINEAR, box)
    return Paste(original=image, box=(0, 0, width, height), soft_mask=np.array(larger))
