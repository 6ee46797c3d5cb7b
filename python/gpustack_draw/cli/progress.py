"""What the command tells on standard error: progress, notes, errors, the engine's log."""

import os
import sys
import threading
import time
from dataclasses import replace
from typing import TextIO

from gpustack_draw.progress import Progress

# What people see for a phase.
_TITLES = {
    "fetch": "fetching",
    "deploy": "the server is getting the model ready",
    "wait": "waiting for the server",
    "load": "loading",
    "encode": "reading the prompt",
    "sample": "drawing",
    "decode": "decoding",
}
# Phases that may tell nothing but that they go on.
_WAITING = ("deploy", "wait")
_SECONDS_BETWEEN_REDRAWS = 0.1
_SECONDS_BETWEEN_LINES = 1.0
_MOST_SECONDS_BETWEEN_LINES = 10.0
_SHARE_BETWEEN_LINES = 0.1
_LONGEST_BAR = 30
_SHORTEST_BAR = 6


class Reporter:
    """Writes to standard error for a command.

    On a terminal, progress is one line that is rewritten in place and kept below everything else;
    elsewhere it is a few plain lines. A stream that is closed or broken is no reason to stop
    drawing. Can be called from several threads.
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
        self._stream = stream
        self._quiet = quiet
        self._terminal = _is_terminal(stream) if terminal is None else terminal
        self._lock = threading.RLock()
        self._last: Progress | None = None
        self._last_time = 0.0
        self._last_fraction = 0.0
        self._shown = ""  # the progress line the terminal shows now

    def progress(self, progress: Progress) -> None:
        """Show how far the work has come."""
        if self._quiet:
            return
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
                self._last_fraction = _fraction(progress)

    def finish(self, *, complete: bool = True) -> None:
        """End the progress line: at 100 % if all went well, the cursor below it in any case."""
        with self._lock:
            last, self._last = self._last, None
            if self._shown:
                if complete and last is not None and last.step < last.total:
                    self._last = replace(last, step=last.total)
                    self._redraw()
                    self._last = None
                self._shown = ""
                self._write("\n")

    def note(self, text: str) -> None:
        """Tell something worth knowing; not with ``--quiet``."""
        if not self._quiet:
            self.line(f"gpustack-draw: {text}")

    def line(self, text: str) -> None:
        """Write a line, above the progress line if there is one."""
        with self._lock:
            shown = self._shown
            self._erase()
            self._write(text + "\n")
            if shown:
                self._redraw()

    def _line_is_due(self, progress: Progress) -> bool:
        since = time.monotonic() - self._last_time
        if progress.phase in {"fetch", "sample"} and progress.step == progress.total:
            return True  # the last one always says 100 %
        if since >= _MOST_SECONDS_BETWEEN_LINES:
            return True
        advance = _fraction(progress) - self._last_fraction
        return since >= _SECONDS_BETWEEN_LINES and round(advance, 6) >= _SHARE_BETWEEN_LINES

    def _redraw(self) -> None:
        assert self._last is not None
        bar = _bar_characters(self._stream)
        text = describe(self._last, columns=self._columns() - 1, bar=bar)
        # Blanks instead of an escape sequence: every terminal knows them.
        self._write("\r" + text + " " * (len(self._shown) - len(text)))
        self._shown = text
        self._last_time = time.monotonic()

    def _erase(self) -> None:
        if self._shown:
            self._write("\r" + " " * len(self._shown) + "\r")
            self._shown = ""

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


def describe(progress: Progress, *, columns: int = 0, bar: str = "") -> str:
    """Put progress into a line.

    Args:
        progress: What to tell.
        columns: The most characters the line can have; 0 for any number.
        bar: The characters for done and not done; empty for no bar.
    """
    picture = f"picture {progress.picture}/{progress.pictures}: " if progress.pictures > 1 else ""
    head = picture + _TITLES.get(progress.phase, progress.phase)
    if progress.total <= 0 or (progress.total == 1 and progress.step == 0):
        if progress.phase in _WAITING and progress.seconds >= 1:
            head += f", {_duration(progress.seconds)}"
        return head[:columns] if columns else head
    tail = [f"{_fraction(progress):.0%}".replace("%", " %"), *_pace(progress)]
    head += _amount(progress)
    line = ", ".join([head, *tail])
    if not columns:
        return line
    while len(line) > columns and len(tail) > 1:
        tail.pop()
        line = ", ".join([head, *tail])
    room = columns - len(line)  # the bar takes the place of a comma
    if bar and room >= _SHORTEST_BAR:
        width = min(room, _LONGEST_BAR)
        done = int(width * _fraction(progress))
        line = f"{head} {bar[0] * done}{bar[1] * (width - done)} {', '.join(tail)}"
    return line[:columns]


def _phase(progress: Progress) -> tuple[str, int]:
    return progress.phase, progress.picture


def _fraction(progress: Progress) -> float:
    return min(progress.step / progress.total, 1.0) if progress.total > 0 else 0.0


def _amount(progress: Progress) -> str:
    if progress.phase == "fetch":
        if progress.total < 1_000_000_000:
            return f" {progress.step / 1e6:.1f}/{progress.total / 1e6:.1f} MB"
        return f" {progress.step / 1e9:.2f}/{progress.total / 1e9:.2f} GB"
    if progress.phase == "deploy":
        return ""  # it comes in percent
    # A single part has no parts to count.
    return f" {progress.step}/{progress.total}" if progress.total > 1 else ""


def _pace(progress: Progress) -> list[str]:
    """Seconds a step, and the time that remains, or that it took."""
    if progress.step <= progress.resumed:
        return []
    each = progress.seconds / (progress.step - progress.resumed)
    parts = [f"{each:.2f} s/step"] if progress.phase == "sample" else []
    if progress.phase == "fetch" and each > 0:
        parts = [f"{1 / each / 1e6:.1f} MB/s"]
    if progress.step < progress.total:
        return [*parts, f"{_duration((progress.total - progress.step) * each)} left"]
    return [*parts, _duration(progress.seconds)]


def _duration(seconds: float) -> str:
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def _is_terminal(stream: TextIO | None) -> bool:
    try:
        terminal = stream is not None and stream.isatty()
    except ValueError:  # closed
        return False
    # Such a terminal cannot go back in a line.
    return terminal and (os.environ.get("TERM") != "dumb" or sys.platform == "win32")


def _bar_characters(stream: TextIO | None) -> str:
    encoding = getattr(stream, "encoding", None) or "ascii"
    try:
        "\N{FULL BLOCK}\N{LIGHT SHADE}".encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return "#-"
    return "\N{FULL BLOCK}\N{LIGHT SHADE}"
