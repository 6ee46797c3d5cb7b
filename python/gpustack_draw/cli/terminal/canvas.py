"""The area of a terminal, above the progress line, that shows a picture and its previews."""

import os
import sys
from typing import TYPE_CHECKING

from gpustack_draw.cli.terminal.inline_pictures import ENCODERS, Area
from gpustack_draw.cli.terminal.terminal import Terminal, blocks_by_name

if TYPE_CHECKING:
    import PIL.Image

_MAX_ROWS = 24
_LINES_BELOW = 5  # for progress, settings, path, and a shell prompt of two lines
_SAVE_CURSOR, _RESTORE_CURSOR = "\x1b7", "\x1b8"


class Canvas:
    """Encodes pictures so that each replaces the previous one above the line of the cursor.

    The cursor must be in the first column, and returns there.

    Attributes:
        allow_blocks: Draw with half blocks on terminals without graphics.
    """

    def __init__(self, terminal: Terminal, *, allow_blocks: bool) -> None:
        """Create a canvas; the terminal's protocol is determined by the first picture.

        Args:
            terminal: The terminal.
            allow_blocks: Draw with half blocks on terminals without graphics.
        """
        self._terminal = terminal
        self.allow_blocks = allow_blocks
        self._protocol: str | None = None
        self._area: Area | None = None
        # Random, so as not to replace pictures of other programs on the same terminal.
        self._number = int.from_bytes(os.urandom(3), "big") + 1

    @property
    def protocol(self) -> str:
        """Key of :data:`ENCODERS` for this terminal; empty if it cannot show pictures."""
        if self._protocol is None:
            self._protocol = self._terminal.protocol()
        return self._protocol or (_blocks() if self.allow_blocks else "")

    @property
    def has_graphics(self) -> bool:
        """True if the terminal shows pictures in full resolution."""
        return bool(self.protocol) and not self.protocol.startswith("blocks")

    def draw(self, image: "PIL.Image.Image", columns: int, lines: int) -> str:
        """Return the text that draws a picture over the previous one, or in a new area.

        Args:
            image: The picture.
            columns: Width of the terminal in cells.
            lines: Height of the terminal in cells.
        """
        blank_lines = ""
        if self._area is None:
            self._area = self._fit(*image.size, columns - 1, lines - _LINES_BELOW)
            blank_lines = "\n" * self._area.rows  # scrolls if the cursor is at the bottom
        encoded = ENCODERS[self.protocol](image, self._area)
        return f"{blank_lines}{_SAVE_CURSOR}\x1b[{self._area.rows}A\r{encoded}{_RESTORE_CURSOR}"

    def keep_picture(self) -> None:
        """Keep the picture; the next one is drawn in a new area."""
        self._area = None
        self._number += 1

    def _fit(self, width: int, height: int, max_columns: int, max_rows: int) -> Area:
        cell_width, cell_height = self._terminal.cell
        rows = max(min(_MAX_ROWS, max_rows), 1)
        columns = max(round(rows * cell_height * width / height / cell_width), 1)
        if columns > max_columns:
            columns = max(max_columns, 1)
            rows = max(round(columns * cell_width * height / width / cell_height), 1)
        return Area(columns, rows, self._terminal.cell, self._number)


def _blocks() -> str:
    try:
        "\N{UPPER HALF BLOCK}".encode(sys.stderr.encoding)
    except UnicodeEncodeError:
        return ""
    return blocks_by_name(os.environ)
