"""Encoded pictures, decoded as a terminal does."""

import base64
import io
import re

import PIL.Image
import pytest
from sample_picture import make_picture
from terminal_pictures import pixels_apart, read_sixel

from gpustack_draw.cli.terminal.inline_pictures import (
    Area,
    blocks,
    blocks_256,
    iterm2,
    kitty,
    sixel,
)
from gpustack_draw.cli.terminal.terminal import blocks_by_name, protocol_by_name

IMAGE = make_picture(width=64, height=32).to_image()
AREA = Area(columns=8, rows=2, cell=(10, 20), number=77)


def read_png(data: str) -> PIL.Image.Image:
    return PIL.Image.open(io.BytesIO(base64.b64decode(data, validate=True)))


def test_kitty_gets_the_whole_picture_in_chunks_without_answering() -> None:
    large = PIL.Image.effect_noise((100, 100), 50).convert("RGB")
    parts = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", kitty(large, AREA))
    assert parts[0][0] == "a=T,f=100,q=2,C=1,c=8,r=2,i=77,p=1,m=1"
    assert {keys for keys, _data in parts[1:-1]} <= {"m=1"}
    assert parts[-1][0] == "m=0"
    assert max(len(data) for _keys, data in parts) <= 4096
    decoded = read_png("".join(data for _keys, data in parts))
    assert decoded.tobytes() == large.tobytes()


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
    decoded = read_sixel(sixel(IMAGE, Area(columns=8, rows=2, cell=cell, number=1)))
    assert decoded.size == (8 * cell[0], 2 * cell[1])
    # 256 colors in whole percents.
    assert pixels_apart(decoded, IMAGE.resize(decoded.size)) < 8


def test_sixels_of_one_color_are_short() -> None:
    red = sixel(PIL.Image.new("RGB", (4, 4), (255, 0, 0)), AREA)
    assert re.search(r"#\d+!80~\$-", red)
    assert read_sixel(red).getcolors() == [(80 * 40, (255, 0, 0))]


def test_blocks_are_two_pixels_per_cell() -> None:
    image = PIL.Image.new("RGB", (1, 4))
    for y, color in enumerate([(1, 2, 3), (4, 5, 6), (7, 8, 9), (255, 0, 0)]):
        image.putpixel((0, y), color)
    assert blocks(image, Area(columns=1, rows=2, cell=(10, 20), number=1)) == (
        "\x1b[38;2;1;2;3;48;2;4;5;6m\N{UPPER HALF BLOCK}\x1b[0m"
        "\x1b[E"
        "\x1b[38;2;7;8;9;48;2;255;0;0m\N{UPPER HALF BLOCK}\x1b[0m"
    )


def test_blocks_of_256_colors_are_the_nearest_ones() -> None:
    image = PIL.Image.new("RGB", (1, 4))
    for y, color in enumerate([(255, 0, 0), (0, 95, 135), (8, 8, 8), (255, 255, 255)]):
        image.putpixel((0, y), color)
    assert blocks_256(image, Area(columns=1, rows=2, cell=(10, 20), number=1)) == (
        "\x1b[38;5;196;48;5;24m\N{UPPER HALF BLOCK}\x1b[0m"
        "\x1b[E"
        "\x1b[38;5;232;48;5;231m\N{UPPER HALF BLOCK}\x1b[0m"
    )


@pytest.mark.parametrize(
    ("environment", "protocol", "blocks"),
    [
        ({"TERM": "xterm-kitty"}, "kitty", "blocks"),
        ({"TERM": "xterm-ghostty"}, "kitty", "blocks"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app"}, "iterm2", "blocks 256"),
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, "", "blocks"),
        ({"TERM": "xterm-256color"}, "", "blocks 256"),
        ({"TERM": "alacritty"}, "", "blocks"),
        ({"TERM": "xterm"}, "", ""),
        ({"TERM": "vt100"}, "", ""),
        ({"TERM": "dumb", "COLORTERM": "truecolor"}, "", ""),
        ({"TERM": "linux"}, "", ""),
        ({}, "", ""),
        # Inside another terminal, whose name and variables are inherited.
        ({"TERM": "tmux-256color", "TERM_PROGRAM": "WezTerm"}, "", "blocks 256"),
        ({"TERM": "xterm-kitty", "TMUX": "/tmp/tmux-0/default,1,0"}, "", "blocks"),
        ({"TERM": "xterm-kitty", "STY": "1.pts-0.host"}, "", "blocks 256"),
        ({"TERM": "screen-256color", "STY": "1.x", "COLORTERM": "truecolor"}, "", "blocks 256"),
        ({"TERM": "xterm-ghostty", "ZELLIJ": "0"}, "", "blocks"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "ghostty", "NVIM": "/run/x"}, "", "blocks 256"),
        (
            {"TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app", "VIM_TERMINAL": "901"},
            "",
            "blocks 256",
        ),
        ({"TERM": "eterm-color", "TERM_PROGRAM": "WezTerm", "INSIDE_EMACS": "30"}, "", ""),
    ],
)
def test_terminals_by_name(environment: dict[str, str], protocol: str, blocks: str) -> None:
    assert protocol_by_name(environment) == protocol
    assert blocks_by_name(environment) == blocks
