"""The pictures of a second pass: all of what the first one had, in the larger size."""

import numpy as np
import pytest
from input_files import noise
from PIL import Image

from gpustack_draw.inputs.enlarge import enlarge_for_second_pass
from gpustack_draw.inputs.picture_rules import PictureRules
from gpustack_draw.inputs.prepare_pictures import PreparedPictures, prepare_pictures
from gpustack_draw.inputs.source_pictures import read_pictures
from gpustack_draw.request.picture_options import PictureOptions

RULES = PictureRules(size_multiple=16, native_size=(64, 64))
DRAWN = noise(64, 48, seed=3)


def enlarge(size: tuple[int, int], *, nearest: bool = False) -> PreparedPictures:
    return enlarge_for_second_pass(DRAWN.data, (64, 48), size, nearest=nearest)


def test_the_drawn_picture_is_enlarged() -> None:
    prepared = enlarge((128, 96))
    expected = Image.fromarray(DRAWN).resize((128, 96), Image.Resampling.LANCZOS)
    assert np.array_equal(prepared.engine.image, expected)
    assert (prepared.size, prepared.result_size, prepared.paste) == ((128, 96), (128, 96), None)
    nearest = enlarge((128, 96), nearest=True).engine.image
    assert np.array_equal(nearest, DRAWN.repeat(2, axis=0).repeat(2, axis=1))


def test_another_shape_cuts_off_a_little_and_stretches_nothing() -> None:
    """A circle stays one."""
    y, x = np.mgrid[:48, :64]
    disc = ((x - 31.5) ** 2 + (y - 23.5) ** 2 < 400).astype(np.uint8)[:, :, None] * np.uint8(255)
    drawn = np.ascontiguousarray(disc.repeat(3, axis=2))
    image = enlarge_for_second_pass(drawn.data, (64, 48), (144, 128)).engine.image
    assert image is not None
    inside = image[:, :, 0] > 127
    height, width = inside.any(axis=1).sum(), inside.any(axis=0).sum()
    assert abs(int(height) - int(width)) <= 1
    assert abs(int(height) - 40 * 128 / 48) <= 2


def prepared_with_mask() -> PreparedPictures:
    mask = np.zeros((48, 64), np.uint8)
    mask[:, :32] = 255
    options = PictureOptions(image=noise(64, 48, seed=1), mask=mask, mask_blur=2)
    sources = read_pictures(options)
    return prepare_pictures(options, RULES, start=sources.images[0], mask=sources.mask)


def test_the_second_pass_keeps_the_enlarged_picture_outside_of_the_mask() -> None:
    first = prepared_with_mask()
    prepared = enlarge_for_second_pass(DRAWN.data, (64, 48), (128, 96), pictures=first)
    finished = first.finish(DRAWN)
    assert np.array_equal(
        prepared.engine.image, Image.fromarray(finished).resize((128, 96), Image.Resampling.LANCZOS)
    )
    assert prepared.engine.mask is not None
    assert prepared.engine.mask[:, :64].all()
    assert not prepared.engine.mask[:, 66:].any()
    black = np.zeros((96, 128, 3), np.uint8)
    result = prepared.finish(black)
    assert not result[:, :60].any()
    assert prepared.engine.image is not None
    assert np.array_equal(result[:, 74:], prepared.engine.image[:, 74:])


@pytest.mark.parametrize("as_drawn", [False, True])
def test_references_and_control_pictures(as_drawn: bool) -> None:
    options = PictureOptions(ref_image=noise(64, 48, seed=1), control_image=noise(64, 48, seed=2))
    sources = read_pictures(options)
    first = prepare_pictures(
        options, RULES, references=sources.references, control=sources.control, size=(64, 48)
    )
    prepared = enlarge_for_second_pass(
        DRAWN.data, (64, 48), (128, 96), pictures=first, references_as_drawn=as_drawn
    )
    assert prepared.engine.control is not None
    assert prepared.engine.control.shape == (96, 128, 3)
    (reference,) = prepared.engine.references
    if as_drawn:
        assert reference.shape == (96, 128, 3)
    else:
        assert reference is first.engine.references[0]
