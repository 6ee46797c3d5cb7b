"""Contact sheets: their layout, their captions and their limits."""

import numpy as np
import pytest
from sample_picture import make_picture

from gpustack_draw.pictures.contact_sheet import (
    MAX_PIXELS,
    MAX_SIDE,
    ContactSheet,
    caption_of,
    columns_of,
)
from gpustack_draw.progress.pixels import Raster


def plain(width: int, height: int, gray: int = 90) -> Raster:
    return Raster(bytes([gray]) * (width * height * 3), width, height)


@pytest.mark.parametrize(
    ("count", "columns"), [(1, 1), (2, 2), (3, 3), (4, 2), (5, 3), (7, 4), (8, 4), (9, 3), (12, 4)]
)
def test_the_number_of_columns(count: int, columns: int) -> None:
    assert columns_of(count) == columns


@pytest.mark.parametrize(
    ("prompt", "number", "words"),
    [
        ("a red circle", None, "a red circle"),
        ("a red\n circle", 3, "3: a red circle"),
        ("caf\xe9 cr\xe8me", None, "cafe creme"),
        ("\u732b and dog", None, "? and dog"),
        ("\u4e00\u53ea\u732b", 3, "prompt 3"),
        ("\u4e00\u53ea\u732b", None, ""),
        ("", None, ""),
    ],
)
def test_captions(prompt: str, number: int | None, words: str) -> None:
    assert caption_of(prompt, 7, number) == (words, "seed 7")


def test_pictures_keep_their_size_and_their_pixels() -> None:
    sheet = ContactSheet(3)
    first, second = make_picture(width=128, height=96), make_picture(width=128, height=96, seed=8)
    sheet.add(first, 0, ("a", "seed 7"))
    sheet.add(second, 2, ("a", "seed 8"))
    image = np.asarray(sheet.to_image())
    assert image.shape == (8 + 96 + 2 * 13 + 8, 8 + 3 * (128 + 8), 3)
    assert (image[8:104, 8:136] == np.asarray(first)).all()
    assert (image[8:104, 280:408] == np.asarray(second)).all()
    assert (image[:, 144:272] == 255).all()  # no picture, no caption
    caption = image[104:, 8:136]
    assert caption.min() < 100
    assert caption.max() == 255


def test_an_unfinished_sheet_ends_with_its_last_picture() -> None:
    sheet = ContactSheet(12, columns=3)
    sheet.add(plain(128, 128), 0, ("", ""))
    sheet.add(plain(128, 128), 1, ("", ""))
    assert sheet.to_image().size == (8 + 2 * 136, 8 + 128 + 26 + 8)
    sheet.add(plain(128, 128), 4, ("", ""))
    assert sheet.to_image().size == (8 + 3 * 136, 8 + 2 * (128 + 26 + 8))
    assert sheet.pictures == 3


def test_a_larger_picture_is_scaled_down() -> None:
    sheet = ContactSheet(2)
    sheet.add(plain(128, 64), 0, ("", ""))
    sheet.add(plain(256, 256), 1, ("", ""))
    image = np.asarray(sheet.to_image())
    assert (image[8:72, 144 + 32 : 144 + 96] == 90).all()  # 64x64 in the middle of the column
    assert (image[8:72, 144 : 144 + 32] == 255).all()


def test_a_long_caption_is_cut() -> None:
    sheet = ContactSheet(2)
    sheet.add(plain(128, 64), 0, ("a long prompt " * 30, "seed 7"))
    sheet.add(plain(128, 64), 1, ("", "seed 8"))
    image = np.asarray(sheet.to_image())
    assert image[72:85, 110:136].min() < 100  # up to the end of the column
    assert (image[72:85, 136:] == 255).all()


@pytest.mark.parametrize(("count", "columns", "side"), [(100, None, 1024), (100, 100, 512)])
def test_the_limits(count: int, columns: int | None, side: int) -> None:
    sheet = ContactSheet(count, columns)
    sheet.add(plain(side, side), count - 1, ("a", "seed 1"))
    width, height = sheet.to_image().size
    assert max(width, height) <= MAX_SIDE
    assert 0.6 * MAX_PIXELS < width * height <= MAX_PIXELS or width > 0.9 * MAX_SIDE
