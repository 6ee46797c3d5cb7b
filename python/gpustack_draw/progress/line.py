"""A progress line that is rewritten in place on a terminal, and a few lines elsewhere."""

import os
import sys
import threading
import time
from dataclasses import replace
from typing import TextIO

from gpustack_draw.progress.describe import describe, fraction
from gpustack_draw.progress.progress import Progress

_SECONDS_BETWEEN_REDRAWS = 0.1
_MIN_SECONDS_BETWEEN_LINES = 1.0
_MAX_SECONDS_BETWEEN_LINES = 10.0
_MIN_FRACTION_BETWEEN_LINES = 0.1


class ProgressLine:
    """A progress line on a stream, with other lines above it.

    Errors of the stream are ignored: a closed terminal must not stop the drawing. Thread-safe.
    """

    def __init__(self, stream: TextIO | None, *, terminal: bool | None = None) -> None:
        """Create a progress line.

        Args:
            stream: The stream, usually standard error, or ``None`` to write nothing.
            terminal: True if lines can be rewritten; by default, True for a terminal.
        """
        self._stream = stream
        self._terminal = is_terminal(stream) if terminal is None else terminal
        self._lock = threading.RLock()
        self._last: Progress | None = None
        self._last_time = 0.0
        self._last_fraction = 0.0
        self._visible = ""  # the progress line on the terminal

    def progress(self, progress: Progress) -> None:
        """Show progress."""
        with self._lock:
            last, self._last = self._last, progress
            new_phase = last is None or _phase(last) != _phase(progress)
            if self._terminal:
                since = time.monotonic() - self._last_time
                done = progress.step == progress.total
                if new_phase or done or since >= _SECONDS_BETWEEN_REDRAWS:
                    self._redraw()
            elif new_phase or self._line_is_due(progress):
                self._write(describe(progress) + "\n")
                self._last_time = time.monotonic()
                self._last_fraction = fraction(progress)

    def finish(self, *, complete: bool = True) -> None:
        """End the progress line, and move the cursor below it.

        Args:
            complete: Show 100 % first.
        """
        with self._lock:
            last, self._last = self._last, None
            if self._visible:
                if complete and last is not None and last.step < last.total:
                    self._last = replace(last, step=last.total)
                    self._redraw()
                    self._last = None
                self._visible = ""
                self._write("\n")

    def line(self, text: str) -> None:
        """Write a line above the progress line."""
        with self._lock:
            was_visible = bool(self._visible)
            self._erase()
            self._write(text + "\n")
            if was_visible:
                self._redraw()

    def replace(self, text: str) -> None:
        """Replace the progress line by another line."""
        with self._lock:
            self._erase()
            self._last = None
            self._write(text + "\n")

    def _line_is_due(self, progress: Progress) -> bool:
        since = time.monotonic() - self._last_time
        if self._last_fraction >= 1 and fraction(progress) >= 1:
            return False  # 100 % is written once
        if progress.phase in {"fetch", "sample"} and fraction(progress) >= 1:
            return True
        if since >= _MAX_SECONDS_BETWEEN_LINES:
            return True
        advance = fraction(progress) - self._last_fraction
        return (
            since >= _MIN_SECONDS_BETWEEN_LINES and round(advance, 6) >= _MIN_FRACTION_BETWEEN_LINES
        )

    def _redraw(self) -> None:
        assert self._last is not None
        bar = _bar_characters(self._stream)
        text = describe(self._last, columns=self._columns() - 1, bar=bar)
        # Blanks erase the rest of the line on terminals without escape sequences too.
        self._write("\r" + text + " " * (len(self._visible) - len(text)))
        self._visible = text
        self._last_time = time.monotonic()

    def _erase(self) -> None:
        if self._visible:
            self._write("\r" + " " * len(self._visible) + "\r")
            self._visible = ""

    def _columns(self) -> int:
        try:
            return max(int(os.environ.get("COLUMNS", "")), 20)
        except ValueError:
            pass
        try:
            assert self._stream is not None
            return os.get_terminal_size(self._stream.fileno()).columns or 80
        except (OSError, ValueError):
            return 80

    def _write(self, text: str) -> None:
        try:
            if self._stream is not None:
                self._stream.write(text)
                self._stream.flush()
        except (OSError, ValueError):
            self._stream = None


def _phase(progress: Progress) -> tuple[str, int]:
    return progress.phase, progress.picture


def is_terminal(stream: TextIO | None) -> bool:
    """Return True if a stream is a terminal on which lines can be rewritten."""
    try:
        terminal = stream is not None and stream.isatty()
    except ValueError:  # closed
        return False
    # A dumb terminal cannot return to the start of a line.
    return terminal and (os.environ.get("TERM") != "dumb" or sys.platform == "win32")


def _bar_characters(stream: TextIO | None) -> str:
    encoding = getattr(stream, "encoding", None) or "ascii"
    try:
        "\N{FULL BLOCK}\N{LIGHT SHADE}".encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return "#-"
    return "\N{FULL BLOCK}\N{LIGHT SHADE}"
