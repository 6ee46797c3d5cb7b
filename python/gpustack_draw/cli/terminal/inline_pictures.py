"""Encodings of pictures for terminals.

Each encoder takes a picture and the area to fill, and returns the text to write with the cursor at
the upper left corner of the area. The final position of the cursor depends on the terminal.
"""

import base64
import io
import itertools
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import PIL.Image

    Encode = Callable[["PIL.Image.Image", "Area"], str]

# Colors 16 to 255 of xterm-256color: a cube of six levels, and 24 grays.
_LEVELS = (0, 95, 135, 175, 215, 255)
_COLORS_FROM_16 = (
    *itertools.chain.from_iterable(itertools.product(_LEVELS, repeat=3)),
    *(8 + 10 * gray for gray in range(24) for _ in range(3)),
)
_KITTY_CHUNK = 4096  # maximum number of bytes per escape sequence
# The character for each set of six pixels, one bit per pixel.
_SIXELS = bytes((63 + bits) % 256 for bits in range(256))


class Area:
    """The area of a terminal that a picture fills.

    Attributes:
        columns: Width in cells.
        rows: Height in cells.
        cell: Width and height of a cell in pixels.
        number: Number of the picture; a picture replaces the previous one with its number.
    """

    def __init__(self, columns: int, rows: int, cell: tuple[int, int], number: int) -> None:
        """Create an area."""
        self.columns = columns
        self.rows = rows
        self.cell = cell
        self.number = number


def kitty(image: "PIL.Image.Image", area: Area) -> str:
    """Encode a picture in kitty's graphics protocol.

    https://sw.kovidgoyal.net/kitty/graphics-protocol/, read 2026-11-26: transmit and display (a=T)
    a PNG (f=100), do not answer (q=2), leave the cursor (C=1).
    """
    data = _png(image)
    chunks = [data[start : start + _KITTY_CHUNK] for start in range(0, len(data), _KITTY_CHUNK)]
    first = f"a=T,f=100,q=2,C=1,c={area.columns},r={area.rows},i={area.number},p=1,"
    parts = []
    for index, chunk in enumerate(chunks):
        keys = (first if index == 0 else "") + f"m={int(index < len(chunks) - 1)}"
        parts.append(f"\x1b_G{keys};{chunk}\x1b\\")
    return "".join(parts)


def iterm2(image: "PIL.Image.Image", area: Area) -> str:
    """Encode a picture for iTerm2 (https://iterm2.com/documentation-images.html)."""
    size = f"width={area.columns};height={area.rows};preserveAspectRatio=0"
    return f"\x1b]1337;File=inline=1;{size}:{_png(image)}\x07"


def sixel(image: "PIL.Image.Image", area: Area) -> str:
    """Encode a picture in sixels: bands of six rows, one line per color in each.

    DEC's "VT330/VT340 Programmer Reference Manual", volume 2, chapter 14.
    """
    width, height = area.columns * area.cell[0], area.rows * area.cell[1]
    small = image.convert("RGB").resize((width, height)).quantize(256)
    palette = small.getpalette() or []
    pixels = small.tobytes()
    parts = [f'\x1bPq"1;1;{width};{height}']
    for color in range(len(palette) // 3):
        percent = (round(level / 2.55) for level in palette[3 * color : 3 * color + 3])
        parts.append(f"#{color};2;" + ";".join(map(str, percent)))
    for top in range(0, height, 6):
        rows = [pixels[y * width : (y + 1) * width] for y in range(top, min(top + 6, height))]
        parts += [_sixel_line(rows, color) for color in sorted(set(b"".join(rows)))]
        parts.append("-")
    return "".join(parts) + "\x1b\\"


def _sixel_line(rows: list[bytes], color: int) -> str:
    bits = 0
    for index, row in enumerate(rows):
        table = bytearray(256)
        table[color] = 1 << index
        bits |= int.from_bytes(row.translate(table), "big")
    text = bits.to_bytes(len(rows[0]), "big").translate(_SIXELS).decode("ascii")
    repeated = re.sub(r"(.)\1{3,}", lambda run: f"!{len(run[0])}{run[1]}", text.rstrip("?"))
    return f"#{color}{repeated}$"


def blocks(image: "PIL.Image.Image", area: Area) -> str:
    """Encode a picture in half blocks, two pixels per cell, in 24-bit color."""
    pixels = image.convert("RGB").resize((area.columns, 2 * area.rows)).tobytes()
    colors = (f"2;{r};{g};{b}" for r, g, b in zip(*(pixels[i::3] for i in range(3)), strict=True))
    return _half_blocks(list(colors), area.columns)


def blocks_256(image: "PIL.Image.Image", area: Area) -> str:
    """Encode a picture in half blocks, two pixels per cell, in 256 colors."""
    small = image.convert("RGB").resize((area.columns, 2 * area.rows))
    palette = small.resize((1, 1)).quantize(1)  # Pillow takes a palette in the form of a picture
    palette.putpalette(bytes(_COLORS_FROM_16))
    indexes = small.quantize(palette=palette).tobytes()
    return _half_blocks([f"5;{16 + index}" for index in indexes], area.columns)


def _half_blocks(colors: Sequence[str], columns: int) -> str:
    lines = []
    for start in range(0, len(colors), 2 * columns):
        upper, lower = colors[start : start + columns], colors[start + columns :]
        cells = (
            f"\x1b[38;{above};48;{below}m\N{UPPER HALF BLOCK}"
            for above, below in zip(upper, lower, strict=False)
        )
        lines.append("".join(cells) + "\x1b[0m")
    return "\x1b[E".join(lines)


def _png(image: "PIL.Image.Image") -> str:
    file = io.BytesIO()
    image.save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode("ascii")


ENCODERS: "dict[str, Encode]" = {
    "kitty": kitty,
    "iterm2": iterm2,
    "sixel": sixel,
    "blocks": blocks,
    "blocks 256": blocks_256,
}
