"""A progress bar and the latest preview, updated in place in the output of a notebook cell."""

import sys
import time
from html import escape
from importlib import import_module
from types import TracebackType
from typing import Any

from gpustack_draw.display.html import image_tag
from gpustack_draw.pictures.picture import Picture
from gpustack_draw.progress.describe import describe, fraction
from gpustack_draw.progress.progress import Progress

# Jupyter drops output above 1 MB/s; a preview takes about 10 kB.
_MIN_SECONDS_BETWEEN_UPDATES = 0.1
_PREVIEW_SIDE = 256


def live_progress() -> "LiveProgress | None":
    """Return a progress display for a notebook, or None outside of one."""
    return LiveProgress() if _is_kernel() else None


def _is_kernel() -> bool:
    """Return True in a notebook's kernel; IPython in a terminal has a shell without one."""
    get_shell = getattr(sys.modules.get("IPython"), "get_ipython", None)
    shell = get_shell() if get_shell is not None else None
    return getattr(shell, "kernel", None) is not None


def _shorten_traceback(error: BaseException) -> None:
    """Make IPython print only the name of an error."""
    error._render_traceback_ = lambda: [type(error).__name__]  # type: ignore[attr-defined]


class LiveProgress:
    """A progress display for a notebook cell; a line of text remains of it in the end.

    Use it in a ``with`` block, and as the progress function. It consists of HTML without widgets,
    so it looks the same in every notebook application and in a saved notebook.
    """

    shows_previews = True

    def __init__(self) -> None:
        """Create the display; it appears with the first progress."""
        self._handle: Any = None
        self._last: Progress | None = None
        self._last_time = 0.0
        self._preview = ""
        self._drawn: list[Picture] = []

    def __enter__(self) -> "LiveProgress":  # noqa: PYI034 - Self is younger than Python 3.10
        """Return the display."""
        return self

    def __call__(self, progress: Progress) -> None:
        """Show progress."""
        last, self._last = self._last, progress
        if progress.preview is not None:
            self._preview = image_tag(progress.preview.to_image(), _PREVIEW_SIDE)
        if last is not None and last.picture != progress.picture:
            self._preview = ""
        new_phase = last is None or last.phase != progress.phase
        now = time.monotonic()
        if new_phase or now - self._last_time >= _MIN_SECONDS_BETWEEN_UPDATES:
            self._last_time = now
            self._show_progress(progress)

    def drawn(self, picture: Picture) -> None:
        """Record a finished picture."""
        self._drawn.append(picture)
        if self._last is not None and self._last.picture < self._last.pictures:
            self._show_progress(self._last)

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        """Replace the bar by a line: the settings of the pictures, or the progress at an error."""
        if isinstance(error, KeyboardInterrupt):
            _shorten_traceback(error)
        if self._last is None:
            return
        if error_type is not None and error_type is not GeneratorExit:
            self._show(f"stopped: {describe(self._last)}")
        elif len(self._drawn) == 1:
            self._show(self._drawn[0].summary())
        elif self._drawn:
            seeds = f"seeds {self._drawn[0].settings.seed} to {self._drawn[-1].settings.seed}"
            seconds = sum(sum(picture.seconds.values()) for picture in self._drawn)
            self._show(f"{len(self._drawn)} pictures, {seeds}, {seconds:.1f} s")
        else:
            self._show(describe(self._last))

    def _show_progress(self, progress: Progress) -> None:
        text = describe(progress)
        # Without a value the bar is animated, for long phases and first steps.
        value = f" value={fraction(progress):.3f}" if progress.step else ""
        html = f"<progress{value}></progress> {escape(text)}"
        self._show(text, f"<div>{html}</div><div>{self._preview}</div>")

    def _show(self, text: str, html: str = "") -> None:
        data = {"text/plain": text, "text/html": html or f"<small>{escape(text)}</small>"}
        if self._handle is None:
            display = import_module("IPython.display").display  # untyped
            self._handle = display(data, raw=True, display_id=True)
        else:
            self._handle.update(data, raw=True)
