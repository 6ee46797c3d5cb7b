"""Pictures in the words of terminals, read back as a terminal would."""

import base64
import io
import re

import PIL.Image
import pytest

from gpustack_draw.cli.inline_pictures import Area, blocks, iterm2, kitty, sixel
from sample_picture import make_picture
from terminal_pictures import pixels_apart, read_sixel

IMAGE = make_picture(width=64, height=32).to_image()
AREA = Area(columns=8, rows=2, cell=(10, 20), number=77)


def read_png(data: str) -> PIL.Image.Image:
    return PIL.Image.open(io.BytesIO(base64.b64decode(data, validate=True)))


def test_kitty_gets_the_whole_picture_in_chunks_and_is_not_to_answer() -> None:
    large = PIL.Image.effect_noise((100, 100), 50).convert("RGB")
    parts = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", kitty(large, AREA))
    assert parts[0][0] == "a=T,f=100,q=2,C=1,c=8,r=2,i=77,p=1,m=1"
    assert {keys for keys, _data in parts[1:-1]} <= {"m=1"}
    assert parts[-1][0] == "m=0"
    assert max(len(data) for _keys, data in parts) <= 4096
    shown = read_png("".join(data for _keys, data in parts))
    assert shown.tobytes() == large.tobytes()


def test_a_small_picture_is_one_chunk() -> None:
    assert kitty(PIL.Image.new("RGB", (1, 1)), AREA).startswith(
        "\x1b_Ga=T,f=100,q=2,C=1,c=8,r=2,i=77,p=1,m=0;"
    )


def test_iterm2_gets_the_whole_picture() -> None:
    found = re.fullmatch(r"\x1b\]1337;File=inline=1;(.*):([^:]*)\x07", iterm2(IMAGE, AREA))
    assert found is not None
    assert found[1] == "width=8;height=2;preserveAspectRatio=0"
    assert read_png(found[2]).tobytes() == IMAGE.tobytes()


@pytest.mark.parametrize("cell", [(10, 20), (8, 17)])
def test_sixels_fill_the_cells_with_the_picture(cell: tuple[int, int]) -> None:
    shown = read_sixel(sixel(IMAGE, Area(columns=8, rows=2, cell=cell, number=1)))
    assert shown.size == (8 * cell[0], 2 * cell[1])
    # Few colours in few percent.
    assert pixels_apart(shown, IMAGE.resize(shown.size)) < 8


def test_sixels_of_one_colour_are_short() -> None:
    red = sixel(PIL.Image.new("RGB", (4, 4), (255, 0, 0)), AREA)
    assert re.search(r"#\d+!80~\$-", red)
    assert read_sixel(red).getcolors() == [(80 * 40, (255, 0, 0))]


def test_blocks_are_two_pixels_a_cell() -> None:
    image = PIL.Image.new("RGB", (1, 4))
    for y, colour in enumerate([(1, 2, 3), (4, 5, 6), (7, 8, 9), (255, 0, 0)]):
        image.putpixel((0, y), colour)
    assert blocks(image, Area(columns=1, rows=2, cell=(10, 20), number=1)) == (
        "\x1b[38;2;1;2;3;48;2;4;5;6m\N{UPPER HALF BLOCK}\x1b[0m"
        "\x1b[E"
        "\x1b[38;2;7;8;9;48;2;255;0;0m\N{UPPER HALF BLOCK}\x1b[0m"
    )
