"""The default progress display of the library, in a notebook or on a terminal."""

import os
import sys
import threading
from types import TracebackType
from typing import Protocol

from gpustack_draw.display import live_progress
from gpustack_draw.pictures.picture import Picture
from gpustack_draw.progress.line import ProgressLine, is_terminal
from gpustack_draw.progress.progress import Progress

_VARIABLE = "GPUSTACK_DRAW_PROGRESS"


class ProgressDisplay(Protocol):
    """A progress display, used in a ``with`` block and as the progress function.

    Attributes:
        shows_previews: True if it shows intermediate pictures.
    """

    shows_previews: bool

    def __enter__(self) -> object:
        """Start; the display appears with the first progress."""

    def __call__(self, progress: Progress) -> None:
        """Show progress."""

    def drawn(self, picture: Picture) -> None:
        """Show a finished picture or its settings."""

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End; a line of text remains."""


def progress_display() -> ProgressDisplay | None:
    """Return the display for this process.

    Returns:
        A bar in a notebook, a line if standard error is a terminal; None elsewhere, outside of the
        main thread, and with ``GPUSTACK_DRAW_PROGRESS=0``.
    """
    # Output of another thread could appear in another cell or inside another line.
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or os.environ.get(_VARIABLE) == "0":
        return None
    return live_progress() or (TerminalProgress() if is_terminal(sys.stderr) else None)


class TerminalProgress:
    """A progress line on standard error, replaced by the settings of each finished picture."""

    shows_previews = False

    def __init__(self) -> None:
        """Create the progress line."""
        self._line = ProgressLine(sys.stderr)

    def __enter__(self) -> "TerminalProgress":  # noqa: PYI034 - Self is younger than Python 3.10
        """Return the display."""
        return self

    def __call__(self, progress: Progress) -> None:
        """Show progress."""
        self._line.progress(progress)

    def drawn(self, picture: Picture) -> None:
        """Replace the progress line by the settings of a picture."""
        self._line.replace(picture.summary())

    def __exit__(self, error_type: type[BaseException] | None, *_error: object) -> None:
        """Move the cursor below the line."""
        self._line.finish(complete=error_type is None)
