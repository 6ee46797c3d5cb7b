"""A place for a growing picture on a terminal, above the line of progress."""

import os
import sys
from typing import TYPE_CHECKING

from gpustack_draw.cli.terminal.inline_pictures import ENCODERS, Area
from gpustack_draw.cli.terminal.terminal import Terminal, blocks_by_name

if TYPE_CHECKING:
    import PIL.Image

_MOST_ROWS = 24
_LINES_BELOW = 5  # progress, settings, path, and the next prompt, which may take two
_SAVE, _RESTORE = "\x1b7", "\x1b8"


class Canvas:
    """Gives what to write so that a picture stands above the cursor's line, again and again.

    The cursor is in the first column before and after.

    Attributes:
        coarse: Whether half blocks will do, where a terminal shows no pictures.
    """

    def __init__(self, terminal: Terminal, *, coarse: bool) -> None:
        """Prepare; what the terminal can show is looked at when there is something to show.

        Args:
            terminal: Where it stands.
            coarse: Whether half blocks will do, where a terminal shows no pictures.
        """
        self._terminal = terminal
        self.coarse = coarse
        self._protocol: str | None = None
        self._area: Area | None = None
        # Pictures of other programs on the same terminal have numbers too.
        self._number = int.from_bytes(os.urandom(3), "big") + 1

    @property
    def protocol(self) -> str:
        """How pictures are shown here; empty where they cannot be."""
        if self._protocol is None:
            self._protocol = self._terminal.protocol()
        return self._protocol or (_blocks() if self.coarse else "")

    @property
    def is_exact(self) -> bool:
        """Whether pictures are shown here as they are."""
        return bool(self.protocol) and not self.protocol.startswith("blocks")

    def draw(self, image: "PIL.Image.Image", columns: int, lines: int) -> str:
        """Put a picture where the one before was; the first takes a new place.

        Args:
            image: The picture.
            columns: Of the terminal.
            lines: Of the terminal.
        """
        room = ""
        if self._area is None:
            self._area = self._fit(*image.size, columns - 1, lines - _LINES_BELOW)
            room = "\n" * self._area.rows  # which scrolls, where the cursor is at the bottom
        shown = ENCODERS[self.protocol](image, self._area)
        return f"{room}{_SAVE}\x1b[{self._area.rows}A\r{shown}{_RESTORE}"

    def leave(self) -> None:
        """Let the picture be; the next one takes a new place."""
        self._area = None
        self._number += 1

    def _fit(self, width: int, height: int, most_columns: int, most_rows: int) -> Area:
        cell_width, cell_height = self._terminal.cell
        rows = max(min(_MOST_ROWS, most_rows), 1)
        columns = max(round(rows * cell_height * width / height / cell_width), 1)
        if columns > most_columns:
            columns = max(most_columns, 1)
            rows = max(round(columns * cell_width * height / width / cell_height), 1)
        return Area(columns, rows, self._terminal.cell, self._number)


def _blocks() -> str:
    try:
        "\N{UPPER HALF BLOCK}".encode(sys.stderr.encoding)
    except UnicodeEncodeError:
        return ""
    return blocks_by_name(os.environ)
