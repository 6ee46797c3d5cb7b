"""Tests of masks: the area they choose, their soft border, pasting, and filling holes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from input_files import corners, noise
from PIL import Image

from gpustack_draw.errors import UsageError
from gpustack_draw.inputs.input_picture import InputPicture
from gpustack_draw.inputs.masks import composite, fill, mask_of_alpha, read_mask, soften
from gpustack_draw.inputs.read_picture import read_picture

PICTURE = read_picture(corners(), role="picture")


def mask_picture(values: np.ndarray) -> InputPicture:
    return read_picture(values.astype(np.uint8), role="mask", allow_gray=True)


def half(width: int = 48, height: int = 32) -> np.ndarray:
    """Return a mask whose left half is white."""
    values = np.zeros((height, width), np.uint8)
    values[:, : width // 2] = 255
    return values


# --- the area to redraw ---------------------------------------------------------------------------


def test_white_is_redrawn_and_black_is_kept() -> None:
    mask, notes = read_mask(mask_picture(half()), PICTURE, invert=False)
    assert np.array_equal(mask, half())
    assert notes == ()
    mask, notes = read_mask(mask_picture(half()), PICTURE, invert=True)
    assert np.array_equal(mask, 255 - half())
    assert notes == ()


def test_gray_is_redrawn_from_the_middle_on_as_the_engine_rounds() -> None:
    values = np.resize(np.arange(256), (32, 48))
    mask, _ = read_mask(mask_picture(values), PICTURE, invert=False)
    assert np.array_equal(mask, np.where(values >= 128, 255, 0))
    inverted, _ = read_mask(mask_picture(values), PICTURE, invert=True)
    assert np.array_equal(inverted, 255 - mask)


def test_colors_count_by_their_brightness() -> None:
    mask, _ = read_mask(read_picture(corners(), role="mask"), PICTURE, invert=False)
    assert [int(mask[y, x]) for y in (8, 24) for x in (12, 36)] == [0, 255, 0, 255]


@pytest.mark.parametrize("color", [(255, 255, 255), (0, 0, 0), (200, 30, 30)])
def test_in_a_mask_with_transparency_the_opaque_area_is_redrawn(
    color: tuple[int, int, int],
) -> None:
    array = np.zeros((32, 48, 4), np.uint8)
    array[:, :, :3] = color
    array[:, :, 3] = half()
    mask, notes = read_mask(read_picture(array, role="mask"), PICTURE, invert=False)
    assert np.array_equal(mask, half())
    assert notes == ("the mask has transparency: its opaque area is redrawn",)
    mask, notes = read_mask(read_picture(array, role="mask"), PICTURE, invert=True)
    assert np.array_equal(mask, 255 - half())
    assert notes == ("the mask has transparency: its transparent area is redrawn",)


def test_the_transparent_area_of_the_picture_itself_is_redrawn() -> None:
    array = np.dstack([noise(), 255 - half()])
    picture = read_picture(array)
    mask, notes = mask_of_alpha(picture, invert=False)
    assert np.array_equal(mask, half())
    assert notes == ()
    mask, _ = mask_of_alpha(picture, invert=True)
    assert np.array_equal(mask, 255 - half())


def test_a_mask_of_another_size_and_the_same_shape_is_scaled() -> None:
    mask, notes = read_mask(mask_picture(half(96, 64)), PICTURE, invert=False)
    assert np.array_equal(mask, half())
    assert notes == ("the mask is scaled from 96x64 to 48x32, the size of the picture",)
    photo = read_picture(noise(1000, 667))  # 667 is rounded from 666.7
    assert read_mask(mask_picture(half(96, 64)), photo, invert=False)[0].shape == (667, 1000)


@pytest.mark.parametrize("invert", [False, True])
def test_a_mask_of_one_color_redraws_all_or_is_refused(invert: bool) -> None:
    redrawn, kept = ("black", "white") if invert else ("white", "black")
    colors = {"white": np.full((32, 48), 255), "black": np.zeros((32, 48))}
    mask, notes = read_mask(mask_picture(colors[redrawn]), PICTURE, invert=invert)
    assert mask.min() == 255
    assert notes == (f"the mask is {redrawn} everywhere: the whole picture is redrawn",)
    with pytest.raises(UsageError) as caught:
        read_mask(mask_picture(colors[kept]), PICTURE, invert=invert)
    assert caught.value.message == f"the mask has no {redrawn} area: nothing to redraw"
    assert caught.value.hint == (
        "mask_invert exchanges the area that is redrawn and the one that is kept"
    )
    assert caught.value.argument == "mask"


def test_a_mask_of_another_shape_is_refused() -> None:
    with pytest.raises(UsageError) as caught:
        read_mask(mask_picture(half(32, 48)), PICTURE, invert=False)
    assert caught.value.message == (
        "the mask has 32x48 pixels, another shape than the picture with 48x32"
    )
    assert caught.value.hint == "make the mask from the picture, in the same size"


def test_a_picture_without_transparency_has_no_mask_of_its_own() -> None:
    with pytest.raises(UsageError) as caught:
        mask_of_alpha(PICTURE, invert=False)
    assert caught.value.message == "the picture has no transparency: nothing to redraw"
    assert caught.value.hint == "erase the area to redraw, or name another picture with mask"


def test_a_picture_that_is_hardly_transparent_has_no_area_to_redraw() -> None:
    array = np.dstack([noise(), np.full((32, 48), 200, np.uint8)])
    with pytest.raises(UsageError) as caught:
        mask_of_alpha(read_picture(array), invert=False)
    assert caught.value.message == "the picture has no transparent area: nothing to redraw"
    _, notes = mask_of_alpha(read_picture(array), invert=True)
    assert notes == ("the picture is opaque everywhere: the whole picture is redrawn",)


# --- the soft border ------------------------------------------------------------------------------


def random_mask(seed: int, width: int = 45, height: int = 35) -> np.ndarray:
    """Return a few rectangles, some of which touch the edges."""
    random = np.random.default_rng(seed)
    mask = np.zeros((height, width), np.uint8)
    for _ in range(random.integers(1, 4)):
        (left, right), (top, bottom) = (
            sorted(random.integers(0, side + 1, 2)) for side in (width, height)
        )
        mask[top : bottom + 1, left : right + 1] = 255
    return mask


def distance_to(mask: np.ndarray) -> np.ndarray:
    """Return the larger of the horizontal and vertical distance to the mask, by brute force."""
    ys, xs = np.nonzero(mask)
    y, x = np.mgrid[: mask.shape[0], : mask.shape[1]]
    distances = np.full(mask.shape, 10_000)
    for masked_y, masked_x in zip(ys, xs):
        np.minimum(distances, np.maximum(abs(y - masked_y), abs(x - masked_x)), out=distances)
    return distances


@pytest.mark.parametrize("blur", [0, 1, 2, 3, 4, 9])
def test_the_whole_mask_is_seen_and_nothing_beyond_its_blur(blur: int) -> None:
    for seed in range(4):
        mask = random_mask(seed)
        soft = soften(mask, blur)
        distances = distance_to(mask)
        assert soft.shape == mask.shape
        assert (soft[mask == 255] == 255).all()
        assert not soft[distances > 2 * blur].any()


def test_the_border_falls_steadily() -> None:
    mask = np.zeros((40, 60), np.uint8)
    mask[:, :20] = 255
    soft = soften(mask, 4)
    row = soft[20].astype(int)
    assert row[:20].tolist() == [255] * 20
    assert (np.diff(row[19:28]) < 0).all()
    assert row[28:].tolist() == [0] * 32
    assert (soft == soft[0]).all()  # also along the edges of the picture


def test_no_blur_is_a_hard_edge() -> None:
    mask = random_mask(7)
    assert np.array_equal(soften(mask, 0), mask)


def test_the_largest_blur_and_picture_do_not_overflow() -> None:
    mask = np.full((300, 30_000), 255, np.uint8)
    assert soften(mask, 64).min() == 255
    small = np.array([[255, 0, 0], [0, 0, 0]], np.uint8)
    assert soften(small, 64).min() == 255


# --- pasting --------------------------------------------------------------------------------------


@given(seed=st.integers(0, 2**32), blur=st.integers(0, 12))
def test_pixels_outside_the_mask_and_its_blur_stay_equal_to_the_bit(seed: int, blur: int) -> None:
    mask = random_mask(seed)
    original, drawn = noise(45, 35, seed), noise(45, 35, seed + 1)
    soft = soften(mask, blur)
    result = composite(original, drawn, soft)
    assert np.array_equal(result[soft == 0], original[soft == 0])
    assert np.array_equal(result[mask == 255], drawn[mask == 255])


def test_pasting_is_exact() -> None:
    drawn, original, weight = np.meshgrid(*[np.arange(0, 256, 5)] * 3)
    pixels = [
        np.repeat(each.reshape(1, -1, 1), 3, axis=2).astype(np.uint8) for each in (original, drawn)
    ]
    result = composite(*pixels, weight.reshape(1, -1).astype(np.uint8))
    exact = (drawn * weight + original * (255 - weight)) / 255
    assert np.array_equal(result[0, :, 0], np.floor(exact + 0.5).reshape(-1).astype(np.uint8))


# --- holes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("width", "height"), [(64, 48), (33, 57), (1, 9), (100, 1)])
def test_a_hole_gets_the_colors_around_it(width: int, height: int) -> None:
    pixels = np.full((height, width, 3), (200, 100, 50), np.uint8)
    hole = np.zeros((height, width), np.uint8)
    hole[height // 3 :, width // 4 :] = 255
    dirty = np.where(hole[:, :, None] > 0, 255, pixels).astype(np.uint8)
    filled = fill(dirty, hole)
    assert np.abs(filled.astype(int) - pixels).max() <= 1
    assert np.array_equal(filled[hole == 0], pixels[hole == 0])
    assert filled.flags.c_contiguous


def test_a_hole_between_two_colors_changes_smoothly() -> None:
    pixels = np.zeros((32, 96, 3), np.uint8)
    pixels[:, 64:] = 240
    hole = np.zeros((32, 96), np.uint8)
    hole[:, 32:64] = 255
    row = fill(pixels, hole)[16, :, 0].astype(int)
    assert np.abs(np.diff(row)).max() < 60
    assert 90 < row[48] < 150


def test_a_picture_without_any_color_becomes_gray() -> None:
    hole = np.full((8, 8), 255, np.uint8)
    assert (fill(noise(8, 8), hole) == 128).all()


def test_a_mask_can_be_drawn_in_a_paint_program() -> None:
    image = Image.new("1", (48, 32))
    image.paste(1, (0, 0, 24, 32))
    assert np.array_equal(read_mask(read_picture(image), PICTURE, invert=False)[0], half())
