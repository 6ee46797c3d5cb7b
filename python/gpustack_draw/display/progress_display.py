"""The display of progress for callers without their own: in a notebook or on a terminal."""

import os
import sys
import threading
from types import TracebackType
from typing import Protocol

from gpustack_draw.display import live_progress
from gpustack_draw.pictures.picture import Picture
from gpustack_draw.progress.line import ProgressLine, is_terminal
from gpustack_draw.progress.progress import Progress

SWITCH = "GPUSTACK_DRAW_PROGRESS"


class ProgressDisplay(Protocol):
    """Shows progress from its start to its end, in a ``with`` block."""

    shows_previews: bool

    def __enter__(self) -> object:
        """Begin; nothing is shown before there is progress."""

    def __call__(self, progress: Progress) -> None:
        """Show progress."""

    def drawn(self, picture: Picture) -> None:
        """Show that a picture is finished."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End, and leave a line about what was done."""


def progress_display() -> ProgressDisplay | None:
    """Return the display for this process.

    Returns:
        A notebook's bar; a line on standard error where that is a terminal; None elsewhere, in
        threads other than the main one, and with ``GPUSTACK_DRAW_PROGRESS=0``.
    """
    # Output of another thread would land in another cell, or amid another line.
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or os.environ.get(SWITCH) == "0":
        return None
    return live_progress() or (TerminalProgress() if is_terminal(sys.stderr) else None)


class TerminalProgress:
    """A progress line on standard error; the settings of a finished picture replace it."""

    shows_previews = False

    def __init__(self) -> None:
        """Prepare."""
        self._line = ProgressLine(sys.stderr)

    def __enter__(self) -> "TerminalProgress":  # noqa: PYI034 - Self is younger than Python 3.10
        """Return itself."""
        return self

    def __call__(self, progress: Progress) -> None:
        """Show progress."""
        self._line.progress(progress)

    def drawn(self, picture: Picture) -> None:
        """Replace the progress line."""
        self._line.replace(picture.summary())

    def __exit__(self, kind: type[BaseException] | None, *_error: object) -> None:
        """Leave the cursor below the line."""
        self._line.finish(complete=kind is None)
