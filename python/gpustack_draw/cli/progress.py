"""Output of the command on standard error: progress, notes, pictures and the engine's log."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from gpustack_draw.cli.option_names import with_options
from gpustack_draw.cli.terminal.canvas import Canvas
from gpustack_draw.cli.terminal.terminal import Terminal
from gpustack_draw.errors import DrawError
from gpustack_draw.progress.line import ProgressLine
from gpustack_draw.progress.pixels import Raster
from gpustack_draw.progress.progress import Progress

_MIN_SECONDS_BETWEEN_PREVIEWS = 0.25


class Reporter(ProgressLine):
    """The standard error of a command.

    On a terminal, progress is one line that is rewritten in place below all other lines; elsewhere
    it is a few plain lines.

    Attributes:
        canvas: The canvas for pictures on the terminal; None if they are not displayed there.
    """

    def __init__(
        self, stream: TextIO | None, *, quiet: bool = False, terminal: bool | None = None
    ) -> None:
        """Create a reporter.

        Args:
            stream: Standard error, or ``None`` to write nothing.
            quiet: Write errors and the debug log only.
            terminal: True if lines can be rewritten; by default, True for a terminal.
        """
        super().__init__(stream, terminal=terminal)
        self._quiet = quiet
        self._preview_time = 0.0
        self.canvas: Canvas | None = None

    @contextmanager
    def pictures(self, *, show: bool, preview: bool) -> Iterator[None]:
        """Return a context manager that shows pictures on the terminal, unless output is piped.

        Args:
            show: Show finished pictures.
            preview: Show intermediate pictures, in half blocks on terminals without graphics.
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
            self.canvas = Canvas(terminal, allow_blocks=preview)
            yield

    def progress(self, progress: Progress) -> None:
        """Show progress, and its preview if there is one."""
        if self._quiet:
            return
        with self._lock:
            super().progress(progress)
            if progress.preview is not None:
                self._show_preview(progress.preview)

    def finish(self, *, complete: bool = True) -> None:
        """End the progress line, and keep the picture above it."""
        with self._lock:
            super().finish(complete=complete)
            if self.canvas is not None:
                self.canvas.keep_picture()

    def show(self, picture: Raster) -> bool:
        """Show a finished picture on the terminal, in place of its previews.

        Returns:
            True if the terminal shows it in full resolution.
        """
        return self._draw(picture) and self.canvas is not None and self.canvas.has_graphics

    def show_in_blocks(self, picture: Raster) -> bool:
        """Show a finished picture in half blocks, unless :meth:`show` has done so.

        Returns:
            True if the terminal shows it.
        """
        if self.canvas is None:
            return False
        if not self.canvas.allow_blocks:
            self.canvas.allow_blocks = True
            return self._draw(picture)
        return bool(self.canvas.protocol)

    def _draw(self, picture: Raster) -> bool:
        with self._lock:
            if self.canvas is None or not self.canvas.protocol:
                return False
            self._show_picture(self.canvas, picture)
            return True

    def note(self, text: str) -> None:
        """Write a note, unless the reporter is quiet."""
        if not self._quiet:
            self.line(f"gpustack-draw: {with_options(text)}")

    def failure(self, place: str, error: DrawError) -> None:
        """Write an error after which the command goes on.

        Args:
            place: The place of the prompt that failed.
            error: The error.
        """
        self.line(f"gpustack-draw: {place}: {with_options(error.message)}")
        if error.hint:
            self.line(f"gpustack-draw: {with_options(error.hint)}")

    def line(self, text: str) -> None:
        """Write a line above the progress line."""
        with self._lock:
            if self.canvas is not None:
                self.canvas.keep_picture()
            super().line(text)

    def log(self, level: str, text: str) -> None:
        """Write a line of the engine's log, or of the exchange with a server."""
        self.line(f"{level}: {text.rstrip()}")

    def _show_preview(self, preview: Raster) -> None:
        now = time.monotonic()
        if self.canvas is None or now - self._preview_time < _MIN_SECONDS_BETWEEN_PREVIEWS:
            return
        self._preview_time = now
        if self.canvas.protocol:
            self._show_picture(self.canvas, preview)
            return
        self.canvas = None
        self.note("--preview has no effect: this terminal cannot show pictures")

    def _show_picture(self, canvas: Canvas, picture: Raster) -> None:
        was_visible = bool(self._visible)
        self._erase()
        self._write(canvas.draw(picture.to_image(), self._columns(), self._lines()))
        if was_visible:
            self._redraw()

    def _lines(self) -> int:
        try:
            assert self._stream is not None
            return os.get_terminal_size(self._stream.fileno()).lines or 24
        except (OSError, ValueError):
            return 24
