"""Pictures: the engine's pixels, seen without a copy."""

import sys

import pytest

from gpustack_draw.pictures.picture import Picture
from gpustack_draw.request.draw_settings import DrawSettings


def settings(width: int = 4, height: int = 2) -> DrawSettings:
    return DrawSettings(
        prompt="a cat",
        negative_prompt="",
        width=width,
        height=height,
        sampler="euler",
        scheduler="discrete",
        sample_steps=4,
        cfg_scale=1.0,
        seed=7,
    )


def picture(pixels: bytes | bytearray | memoryview, width: int = 4, height: int = 2) -> Picture:
    seconds = {"load": 0.5, "sample": 1.0}
    return Picture(
        pixels,
        settings(width, height),
        model="demo",
        family="flux2-klein",
        device="CPU",
        seconds=seconds,
    )


def test_picture_knows_how_it_came_about() -> None:
    drawn = picture(bytes(24))
    assert (drawn.width, drawn.height) == (4, 2)
    assert (drawn.model, drawn.family, drawn.device) == ("demo", "flux2-klein", "CPU")
    assert drawn.seconds == {"load": 0.5, "sample": 1.0}
    assert drawn.settings.seed == 7
    assert repr(drawn) == "<Picture 4x2 by demo, seed 7: 'a cat'>"


def test_pixels_are_rows_of_red_green_blue() -> None:
    pixels = picture(bytes(range(24))).pixels
    assert (pixels.shape, pixels.format, pixels.c_contiguous) == ((2, 4, 3), "B", True)
    assert pixels[1, 2, 0] == 18


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_numpy_sees_the_same_memory(kind: type) -> None:
    import numpy as np

    data = bytearray(range(24))
    drawn = picture(memoryview(data) if kind is memoryview else kind(data))
    array = np.asarray(drawn)
    assert (array.shape, array.dtype.name) == ((2, 4, 3), "uint8")
    assert array.flags.c_contiguous
    assert array[1, 2].tolist() == [18, 19, 20]
    assert np.shares_memory(array, np.asarray(drawn))
    if kind is memoryview:
        data[0] = 99
        assert array[0, 0, 0] == 99


def test_array_keeps_the_memory_alive() -> None:
    import numpy as np

    array = np.asarray(picture(bytearray(b"\x05" * 24)))
    assert int(array.sum()) == 5 * 24


@pytest.mark.skipif(sys.version_info < (3, 12), reason="__buffer__ is from Python 3.12 on")
def test_memoryview_of_a_picture() -> None:
    assert memoryview(picture(bytes(24))).shape == (2, 4, 3)  # type: ignore[arg-type,unused-ignore]


def test_pixels_in_another_shape_are_taken() -> None:
    import numpy as np

    array = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    assert picture(array.data).pixels.tobytes() == array.tobytes()


@pytest.mark.parametrize("count", [0, 23, 25])
def test_wrong_number_of_bytes(count: int) -> None:
    with pytest.raises(ValueError, match=f"a 4x2 picture takes 24 bytes, not {count}"):
        picture(bytes(count))


def test_image_carries_its_parameters() -> None:
    image = picture(bytes(range(24))).to_image()
    assert (image.size, image.mode) == ((4, 2), "RGB")
    assert image.getpixel((2, 1)) == (18, 19, 20)
    assert image.info["parameters"].startswith("a cat\n")
    assert "Seed: 7" in image.info["parameters"]


@pytest.mark.parametrize(
    ("pixels", "one_color"),
    [
        (bytes(24), True),
        (b"\x01\x02\x03" * 8, True),
        (bytes(23) + b"\x01", False),
        (b"\x01" + bytes(23), False),
        (b"\x01\x02\x03" * 7 + b"\x01\x02\x04", False),
    ],
)
def test_one_color(pixels: bytes, one_color: bool) -> None:
    assert picture(pixels).is_one_color() is one_color


def test_one_color_in_a_large_picture() -> None:
    pixels = bytearray(b"\x09\x08\x07" * (1024 * 512))
    assert picture(pixels, 1024, 512).is_one_color()
    pixels[-1] = 0
    assert not picture(pixels, 1024, 512).is_one_color()
