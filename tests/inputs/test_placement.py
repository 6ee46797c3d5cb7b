"""Tests of fitting pictures to sizes: nothing is stretched, and sizes are exact."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from input_files import noise

from gpustack_draw.inputs.placement import (
    Placement,
    align,
    fit,
    resize,
    resize_mask,
    size_of_area,
)

MEGAPIXEL = 1024 * 1024


@pytest.mark.parametrize(
    ("picture", "multiple", "area", "size"),
    [
        ((512, 512), 64, 512 * 512, (512, 512)),
        ((1000, 750), 16, MEGAPIXEL, (992, 736)),
        ((1000, 750), 64, MEGAPIXEL, (960, 704)),
        ((2048, 2048), 16, MEGAPIXEL, (1024, 1024)),
        ((3000, 3000), 64, MEGAPIXEL, (1024, 1024)),
        ((4000, 3000), 16, MEGAPIXEL, (1168, 880)),
        ((4000, 3000), 16, 128 * 128, (144, 96)),
        ((20, 30), 64, MEGAPIXEL, (64, 64)),
        ((1, 1), 16, MEGAPIXEL, (16, 16)),
        ((10_000, 1_250), 64, 512 * 512, (1408, 128)),
    ],
)
def test_the_size_of_a_picture_is_aligned_within_the_models_area(
    picture: tuple[int, int], multiple: int, area: int, size: tuple[int, int]
) -> None:
    assert align(picture, multiple, area, 8192).size == size


@pytest.mark.parametrize(
    ("picture", "size"),
    [
        ((256, 300), (256, 256)),
        ((100, 150), (256, 384)),
        ((60, 300), (256, 1024)),
        ((1, 1), (256, 256)),
        ((4000, 1000), (1024, 256)),
    ],
)
def test_no_side_is_below_the_smallest_that_is_drawn(
    picture: tuple[int, int], size: tuple[int, int]
) -> None:
    placement = align(picture, 64, 512 * 512, 1024, 256)
    assert placement.size == size
    left, top, right, bottom = placement.box
    assert size[0] / (right - left) == pytest.approx(size[1] / (bottom - top))
    for side in size_of_area(picture, 64, 512 * 512, 1024, 256):
        assert 256 <= side <= 1024


@given(
    width=st.integers(1, 9000),
    aspect=st.floats(1 / 8, 8),
    multiple=st.sampled_from([1, 8, 16, 32, 64]),
    area=st.sampled_from([128**2, 512**2, 1024**2]),
    max_side=st.sampled_from([1024, 8192]),
)
def test_aligning_cuts_off_less_than_the_multiple_and_never_stretches(
    width: int, aspect: float, multiple: int, area: int, max_side: int
) -> None:
    picture = (width, max(1, round(width / aspect)))
    placement = align(picture, multiple, area, max_side)
    left, top, right, bottom = placement.box
    part = (right - left, bottom - top)
    assert placement.scaled == placement.size
    assert all(side % multiple == 0 and 0 < side <= max_side for side in placement.size)
    scales = [size / side for size, side in zip(placement.size, part)]
    assert scales[0] == pytest.approx(scales[1])
    cut = [(whole - side) * scales[0] for whole, side in zip(picture, part)]
    assert min(cut) >= 0
    if scales[0] == 1:
        assert max(cut) < multiple
        assert all(float(side).is_integer() for side in placement.box)
    if min(picture) >= multiple and max(placement.size) > multiple:
        assert placement.size[0] * placement.size[1] <= max(area, multiple * max(placement.size))


def test_a_picture_of_the_right_size_stays_equal_to_the_bit() -> None:
    pixels = noise(48, 32)
    for mode in ("crop", "pad", "stretch"):
        assert np.array_equal(fit((48, 32), (48, 32), mode).place(pixels), pixels)
    assert np.array_equal(align((48, 32), 16, MEGAPIXEL, 8192).place(pixels), pixels)
    # Aligning cuts off, and does not scale.
    assert np.array_equal(align((48, 32), 32, MEGAPIXEL, 8192).place(pixels), pixels[:, 8:40])


def circle(width: int, height: int) -> np.ndarray:
    """Return a white circle of a third of the height, in the middle of a black picture."""
    y, x = np.mgrid[:height, :width]
    inside = (x - width / 2 + 0.5) ** 2 + (y - height / 2 + 0.5) ** 2 < (height / 3) ** 2
    return np.repeat(np.where(inside, 255, 0).astype(np.uint8)[:, :, None], 3, axis=2)


def box_of_white(pixels: np.ndarray) -> tuple[int, int]:
    """Return the width and height of the white area."""
    bright = pixels[:, :, 0] > 127
    return int(bright.any(axis=0).sum()), int(bright.any(axis=1).sum())


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("crop", (64, 64)), ("pad", (32, 32)), ("stretch", (32, 64))],
)
def test_crop_and_pad_keep_the_shape_and_stretch_changes_it(
    mode: str, expected: tuple[int, int]
) -> None:
    pixels = circle(192, 96)
    placement = fit((192, 96), (96, 96), mode)
    placed = placement.place(pixels)
    assert placed.shape == (96, 96, 3)
    assert np.abs(np.array(box_of_white(placed)) - expected).max() <= 2
    mask = placement.place_mask(pixels[:, :, 0])
    assert np.abs(np.array(box_of_white(mask[:, :, None])) - expected).max() <= 4
    assert set(np.unique(mask)) == {0, 255}


def test_padding_continues_the_edges_and_is_not_redrawn() -> None:
    pixels = np.full((10, 20, 3), 200, np.uint8)
    pixels[0], pixels[-1] = 10, 90
    placement = fit((20, 10), (20, 25), "pad")
    placed = placement.place(pixels)
    assert placed[:, 0, 0].tolist() == [10] * 7 + pixels[:, 0, 0].tolist() + [90] * 8
    mask = placement.place_mask(np.full((10, 20), 255, np.uint8))
    assert mask[:, 0].tolist() == [0] * 7 + [255] * 10 + [0] * 8


def test_extreme_shapes_are_cut_before_they_are_scaled() -> None:
    pixels = np.zeros((2, 30_000, 3), np.uint8)
    assert fit((30_000, 2), (512, 512), "crop").place(pixels).shape == (512, 512, 3)
    assert fit((30_000, 2), (512, 512), "pad").place(pixels).shape == (512, 512, 3)


def test_scaling_down_keeps_thin_lines_of_a_mask() -> None:
    mask = np.zeros((640, 640), np.uint8)
    mask[333, 100:500] = 255
    small = resize_mask(mask, (64, 64))
    assert np.flatnonzero(small.any(axis=1)).tolist() == [33]
    assert np.flatnonzero(small.any(axis=0)).tolist() == list(range(10, 50))
    large = resize_mask(small, (640, 640))
    assert set(np.unique(large)) == {0, 255}
    assert abs(int((large > 0).any(axis=1).sum()) - 10) <= 2


def test_an_empty_mask_stays_empty_and_a_full_one_full() -> None:
    for value in (0, 255):
        mask = np.full((70, 90), value, np.uint8)
        for size in ((64, 64), (33, 100), (200, 300), (1, 1)):
            assert np.unique(resize_mask(mask, size)).tolist() == [value]


def test_scaling_uses_all_pixels() -> None:
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[::2] = 255
    # Nearest neighbors, as the engine takes them, would give one of the two colors.
    assert np.abs(resize(pixels, (16, 16))[2:-2].astype(int) - 127).max() <= 2


@pytest.mark.parametrize(
    ("picture", "area", "multiple", "size"),
    [
        ((512, 512), MEGAPIXEL, 16, (1024, 1024)),
        ((4000, 3000), MEGAPIXEL, 16, (1184, 880)),
        ((4000, 3000), MEGAPIXEL, 32, (1184, 896)),
        ((100, 90), 128 * 128, 16, (128, 128)),
        ((8, 1), 64 * 64, 32, (192, 32)),
        ((8, 1), 16 * 16, 32, (32, 32)),
    ],
)
def test_the_size_of_an_area_has_the_shape_of_the_picture(
    picture: tuple[int, int], area: int, multiple: int, size: tuple[int, int]
) -> None:
    assert size_of_area(picture, multiple, area, 8192) == size


@given(
    width=st.integers(1, 9000),
    aspect=st.floats(1 / 8, 8),
    drawing=st.sampled_from([(16, 16), (128, 128), (512, 768), (1024, 1024), (8192, 8192)]),
    multiple=st.sampled_from([16, 32]),
)
def test_a_reference_never_has_more_than_a_megapixel_nor_a_side_of_zero(
    width: int, aspect: float, drawing: tuple[int, int], multiple: int
) -> None:
    picture = (width, max(1, round(width / aspect)))
    area = min(MEGAPIXEL, drawing[0] * drawing[1])
    size = size_of_area(picture, multiple, area, 8192)
    assert all(side >= multiple and side % multiple == 0 for side in size)
    # Rounding adds half the multiple to each side at most.
    assert size[0] * size[1] <= area + multiple * sum(size)


def test_a_placement_is_a_part_scaled_on_a_canvas() -> None:
    pixels = noise(40, 40)
    placement = Placement(box=(4, 8, 24, 28), scaled=(20, 20), size=(24, 20))
    placed = placement.place(pixels)
    assert np.array_equal(placed[:, 2:22], pixels[8:28, 4:24])
    assert placed.flags.c_contiguous
