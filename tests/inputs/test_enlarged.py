"""Enlarged pictures: their size, and their transparency."""

import numpy as np
import pytest
from PIL import Image

from gpustack_draw.errors import UsageError
from gpustack_draw.inputs.enlarged import enlarged_size, finish_enlarged, on_white
from gpustack_draw.inputs.read_picture import read_picture


@pytest.mark.parametrize(
    ("size", "scale", "expected"),
    [
        ((3, 2), 4, (12, 8)),
        ((3, 3), 1.5, (4, 4)),
        ((1, 1), 0.1, (1, 1)),
        ((10_000, 10_000), 1, (10_000, 10_000)),
    ],
)
def test_size(size: tuple[int, int], scale: float, expected: tuple[int, int]) -> None:
    assert enlarged_size(*size, scale, "it") == expected


@pytest.mark.parametrize(
    ("size", "scale", "message"),
    [
        ((10_001, 10_000), 1, "it would have 10001x10000 pixels, more than 100 megapixels"),
        ((32_769, 1), 1, "it would have 32769x1 pixels, and a side can have 32768 at most"),
        ((1, 30_000), 32, "it would have 32x960000 pixels, and a side can have 32768 at most"),
    ],
)
def test_too_large(size: tuple[int, int], scale: float, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        enlarged_size(*size, scale, "it")
    assert (caught.value.message, caught.value.argument) == (message, "scale")


def test_an_opaque_picture_stays_as_the_model_made_it() -> None:
    random = np.random.default_rng(1)
    picture = read_picture(random.integers(0, 256, (4, 5, 3), dtype=np.uint8))
    enlarged = random.integers(0, 256, (8, 10, 3), dtype=np.uint8)
    image = finish_enlarged(enlarged.data, picture, (10, 8))
    np.testing.assert_array_equal(np.asarray(image), enlarged)
    half = finish_enlarged(enlarged.data, picture, (5, 4))
    expected = Image.fromarray(enlarged).resize((5, 4), Image.Resampling.LANCZOS)
    assert half.tobytes() == expected.tobytes()


def test_half_transparent_colors_have_no_white_rim() -> None:
    """The model sees the picture on white, which is taken out of the colors again."""
    levels = np.zeros((4, 4, 4), np.uint8)
    levels[:] = (200, 30, 60, 128)
    picture = read_picture(levels)
    assert picture.pixels[0, 0, 1] > 130
    enlarged = picture.pixels.repeat(2, axis=0).repeat(2, axis=1)
    image = finish_enlarged(np.ascontiguousarray(enlarged).data, picture, (8, 8))
    assert image.mode == "RGBA"
    np.testing.assert_allclose(np.asarray(image).astype(int)[3, 3], (200, 30, 60, 128), atol=1)
    back = np.asarray(on_white(image)).astype(int)
    np.testing.assert_allclose(back, enlarged.astype(int), atol=1)


def test_fully_transparent_pixels_are_white() -> None:
    picture = read_picture(np.zeros((4, 4, 4), np.uint8))
    image = finish_enlarged(picture.pixels.data, picture, (4, 4))
    assert np.asarray(image)[0, 0].tolist() == [255, 255, 255, 0]
