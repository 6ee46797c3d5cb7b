"""A contact sheet: many pictures in one, in rows, each with a caption."""

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gpustack_draw.progress.pixels import Raster

if TYPE_CHECKING:
    import PIL.Image
    import PIL.ImageFont

# WebP has sides up to 16,383 pixels, and many viewers refuse larger pictures.
MAX_SIDE = 16_000
MAX_PIXELS = 40_000_000

_MARGIN = 8
_LINES = 2
_MIN_TEXT, _MAX_TEXT = 10, 24  # pixels
_CHARACTERS = 24  # of a caption, about, in the width of a picture
_MAX_CHARACTERS = 200  # of a caption
_MIN_WIDTH = 100  # of a column, so that the seed below a small picture is legible
_PAPER, _INK = (255, 255, 255), (32, 32, 32)
_SHRINK = 0.97


def columns_of(count: int) -> int:
    """Return a number of columns for pictures of equal rank: nearly a square, with few gaps."""
    least = math.isqrt(count - 1) + 1
    return min(range(least, max(least * 3 // 2, least) + 1), key=lambda columns: -count % columns)


def caption_of(prompt: str, seed: int | None, number: int | None = None) -> tuple[str, str]:
    """Return the lines of a caption.

    Pillow's font has ASCII only, so letters lose their accents, and others become question marks.

    Args:
        prompt: The prompt; one without any ASCII letter or digit is named by its number.
        seed: The seed.
        number: Number of the prompt, from 1; ``None`` for a single one.
    """
    words = "".join(map(_in_ascii, unicodedata.normalize("NFKD", " ".join(prompt.split()))))
    if not any(map(str.isalnum, words)):
        words = f"prompt {number}" if number else ""
    elif number:
        words = f"{number}: {words}"
    return words, "" if seed is None else f"seed {seed}"


def _in_ascii(mark: str) -> str:
    if mark.isascii():
        return mark if mark.isprintable() else " "
    return "" if unicodedata.combining(mark) else "?"


@dataclass(frozen=True)
class _Grid:
    """Sizes in pixels.

    Attributes:
        width: Largest width of a picture.
        height: Largest height of a picture.
        column: Width of a column.
        text: Height of the letters.
    """

    width: int
    height: int
    column: int
    text: int

    @property
    def line(self) -> int:
        """Height of a line of a caption."""
        return self.text * 4 // 3

    def size(self, columns: int, rows: int) -> tuple[int, int]:
        """Return the width and height of a sheet, where the next column and row begin."""
        row = self.height + _LINES * self.line + _MARGIN
        return _MARGIN + columns * (self.column + _MARGIN), _MARGIN + rows * row


def _grid_for(width: int, height: int, columns: int, rows: int) -> _Grid:
    """Return the largest grid for pictures of a size that makes an allowed sheet."""
    scale = 1.0
    while True:
        scaled = max(round(width * scale), 1)
        grid = _Grid(
            scaled,
            max(round(height * scale), 1),
            max(scaled, round(_MIN_WIDTH * scale)),
            min(max(scaled // _CHARACTERS, _MIN_TEXT), _MAX_TEXT),
        )
        size = grid.size(columns, rows)
        if max(size) <= MAX_SIDE and size[0] * size[1] <= MAX_PIXELS:
            return grid
        scale *= _SHRINK


class ContactSheet:
    """A contact sheet that grows; it holds no picture but itself.

    The first picture decides the size of all: its own, or as much less as the sheet's limits need.
    """

    def __init__(self, count: int, columns: int | None = None) -> None:
        """Create a sheet; it takes no memory before the first picture.

        Args:
            count: Number of pictures that can be added, at least 1.
            columns: Number of pictures in a row; ``None`` for a sheet that is nearly a square.
        """
        self._columns = columns or columns_of(count)
        self._rows = -(-count // self._columns)
        self._sheet: PIL.Image.Image | None = None
        self._grid = _Grid(1, 1, 1, 1)
        self._places: set[int] = set()

    @property
    def pictures(self) -> int:
        """The number of pictures on the sheet."""
        return len(self._places)

    def add(self, picture: Raster, place: int, caption: Sequence[str]) -> None:
        """Add a picture.

        Args:
            picture: The picture; one that is larger than the first is scaled down.
            place: Its place, from 0, row by row.
            caption: Two lines of ASCII, which are cut to the picture's width.
        """
        from PIL import Image, ImageDraw

        if self._sheet is None:
            self._grid = _grid_for(picture.width, picture.height, self._columns, self._rows)
            self._sheet = Image.new("RGB", self._grid.size(self._columns, self._rows), _PAPER)
        grid, image = self._grid, Raster.to_image(picture)
        image.thumbnail((grid.width, grid.height), Image.Resampling.LANCZOS)
        row, column = divmod(place, self._columns)
        left, top = grid.size(column, row)
        self._sheet.paste(image, (left + (grid.column - image.width) // 2, top))
        pen, font = ImageDraw.Draw(self._sheet), _font(grid.text)
        for number, line in enumerate(caption):
            below = top + grid.height + number * grid.line + grid.line // 6
            pen.text((left, below), _cut(line, grid.column, font), fill=_INK, font=font)
        self._places.add(place)

    def to_image(self) -> "PIL.Image.Image":
        """Return the sheet up to its last picture.

        Raises:
            ValueError: It has no picture.
        """
        if self._sheet is None:
            raise ValueError("the sheet has no picture")
        last_row, last_column = divmod(max(self._places), self._columns)
        columns = self._columns if last_row else last_column + 1
        return self._sheet.crop((0, 0, *self._grid.size(columns, last_row + 1)))


def _font(
    size: int,
) -> "PIL.ImageFont.FreeTypeFont | PIL.ImageFont.ImageFont":
    """Return Pillow's font in a size, or its only size where Pillow has no FreeType."""
    from PIL import ImageFont, features

    return ImageFont.load_default(size if features.check("freetype2") else None)


def _cut(
    line: str, width: int, font: "PIL.ImageFont.FreeTypeFont | PIL.ImageFont.ImageFont"
) -> str:
    """Return the start of a line that fits into a width, with dots if something is missing."""
    if font.getlength(line) <= width:
        return line
    length = min(len(line), _MAX_CHARACTERS)
    while length and font.getlength(line[:length] + "...") > width:
        length -= 1
    return line[:length].rstrip() + "..."
