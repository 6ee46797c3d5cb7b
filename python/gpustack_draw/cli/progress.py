"""What the command writes to standard error: progress, notes, errors, the engine's log."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from gpustack_draw.cli.terminal.canvas import Canvas
from gpustack_draw.cli.terminal.terminal import Terminal
from gpustack_draw.progress.line import ProgressLine
from gpustack_draw.progress.pixels import Raster
from gpustack_draw.progress.progress import Progress

_SECONDS_BETWEEN_PREVIEWS = 0.25


class Reporter(ProgressLine):
    """Writes to standard error for a command.

    On a terminal, progress is one line that is rewritten in place and kept below everything else;
    elsewhere it is a few plain lines.

    Attributes:
        canvas: Where pictures are shown on the terminal; None where they are not.
    """

    def __init__(
        self, stream: TextIO | None, *, quiet: bool = False, terminal: bool | None = None
    ) -> None:
        """Write to a stream.

        Args:
            stream: Standard error, or ``None`` if there is none.
            quiet: Write errors and the debug log only.
            terminal: Whether lines can be rewritten; by default, what the stream says.
        """
        super().__init__(stream, terminal=terminal)
        self._quiet = quiet
        self._preview_time = 0.0
        self.canvas: Canvas | None = None

    @contextmanager
    def pictures(self, *, show: bool, preview: bool) -> Iterator[None]:
        """Show pictures on the terminal in a ``with`` block, unless output is piped.

        Args:
            show: Whether finished pictures are shown.
            preview: Whether growing pictures are shown, in half blocks if need be.
        """
        if not (show or preview):
            yield
            return
        for name, stream in (("output", sys.stdout), ("error", sys.stderr)):
            if stream is None or not stream.isatty():
                if preview:
                    self.note(f"--preview has no effect: standard {name} is not a terminal")
                yield
                return
        with Terminal() as terminal:
            self.canvas = Canvas(terminal, coarse=preview)
            yield

    def progress(self, progress: Progress) -> None:
        """Show how far the work has come, and a new preview."""
        if self._quiet:
            return
        with self._lock:
            super().progress(progress)
            if progress.preview is not None:
                self._show_preview(progress.preview)

    def finish(self, *, complete: bool = True) -> None:
        """End the progress line, and leave the picture above it."""
        with self._lock:
            super().finish(complete=complete)
            if self.canvas is not None:
                self.canvas.leave()

    def show(self, picture: Raster) -> bool:
        """Show a picture on the terminal, in the place of its previews.

        Returns:
            Whether it can be seen there as it is.
        """
        return self._shows(picture) and self.canvas is not None and self.canvas.is_exact

    def show_in_blocks(self, picture: Raster) -> bool:
        """Show a picture on the terminal in half blocks, unless its previews were shown so.

        Returns:
            Whether it can be seen there.
        """
        if self.canvas is None:
            return False
        if not self.canvas.coarse:
            self.canvas.coarse = True
            return self._shows(picture)
        return bool(self.canvas.protocol)

    def _shows(self, picture: Raster) -> bool:
        with self._lock:
            if self.canvas is None or not self.canvas.protocol:
                return False
            self._show_picture(self.canvas, picture)
            return True

    def note(self, text: str) -> None:
        """Tell something worth knowing; not with ``--quiet``."""
        if not self._quiet:
            self.line(f"gpustack-draw: {text}")

    def line(self, text: str) -> None:
        """Write a line, above the progress line if there is one."""
        with self._lock:
            if self.canvas is not None:
                self.canvas.leave()
            super().line(text)

    def _show_preview(self, preview: Raster) -> None:
        now = time.monotonic()
        if self.canvas is None or now - self._preview_time < _SECONDS_BETWEEN_PREVIEWS:
            return
        self._preview_time = now
        if self.canvas.protocol:
            self._show_picture(self.canvas, preview)
            return
        self.canvas = None
        self.note("--preview has no effect: this terminal shows no pictures")

    def _show_picture(self, canvas: Canvas, picture: Raster) -> None:
        shown = self._shown
        self._erase()
        self._write(canvas.draw(picture.to_image(), self._columns(), self._lines()))
        if shown:
            self._redraw()

    def _lines(self) -> int:
        try:
            assert self._stream is not None
            return os.get_terminal_size(self._stream.fileno()).lines or 24
        except (OSError, ValueError):
            return 24
