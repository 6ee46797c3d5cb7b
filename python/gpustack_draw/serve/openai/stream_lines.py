"""The lines of a stream for the events of a drawing, and the choice of the events that have one."""

import time
from collections import Counter

from gpustack_draw import DrawSettings, Progress
from gpustack_draw.serve.openai.events import (
    comment,
    completed_event,
    event,
    partial_event,
    progress_event,
)
from gpustack_draw.serve.openai.reply_options import ReplyOptions
from gpustack_draw.serve.studio import Accepted, Drawn, Event, Queued

# For phases without sampling steps, whose progress can be reported for each tensor or byte.
_SECONDS_BETWEEN_REPORTS = 0.25
_SECONDS_BETWEEN_PREVIEWS = 0.25


class StreamLines:
    """Writes the lines of a stream for the events of one drawing.

    Each sampling step has a comment, which also keeps proxies from ending a silent stream.
    """

    def __init__(self, kind: str, options: ReplyOptions) -> None:
        """Begin a stream.

        Args:
            kind: First part of the types of its events.
            options: The options of the request.
        """
        self._kind = kind
        self._options = options
        self._side = 0
        self._sent: Counter[int] = Counter()  # growing pictures, by the index of the picture
        self._next_report = 0.0
        self._next_preview = 0.0
        self._phase = ""

    def encodes(self, event: Event) -> bool:
        """Return True if :meth:`lines` encodes a picture, which takes long."""
        return isinstance(event, Drawn) or (
            isinstance(event, Progress) and self._sends_preview(event)
        )

    def lines(self, of: Event) -> bytes:
        """Return the lines of an event; empty if it has none."""
        if isinstance(of, Accepted):
            self._side = _longer_side(of.settings[0])
            return b""
        if isinstance(of, Queued):
            waiting = comment(f"waiting, position {of.position}")
            if not self._options.progress:
                return waiting
            return waiting + event(self._kind, "queued", {"position": of.position})
        if isinstance(of, Drawn):
            return completed_event(self._kind, of.picture, of.index, self._options)
        return self._comment_on(of) + self._report(of) + self._preview(of)

    def _comment_on(self, progress: Progress) -> bytes:
        if progress.phase != "sample":
            return b""
        return comment(f"step {progress.step}/{progress.total}")

    def _report(self, progress: Progress) -> bytes:
        if not self._options.progress:
            return b""
        now = time.monotonic()
        is_new = progress.phase != self._phase or progress.step == progress.total
        if progress.phase != "sample" and not is_new and now < self._next_report:
            return b""
        self._phase, self._next_report = progress.phase, now + _SECONDS_BETWEEN_REPORTS
        return progress_event(self._kind, progress)

    def _sends_preview(self, progress: Progress) -> bool:
        if progress.preview is None:
            return False
        if self._options.previews:
            return time.monotonic() >= self._next_preview
        # The client's number of previews, evenly spaced between the start and the end. A report
        # of a later phase has the preview of a step whose own report was skipped.
        most, sent = self._options.partial_images, self._sent[progress.picture]
        if progress.phase != "sample":
            return sent < most
        return sent < most and progress.step * (most + 1) >= progress.total * (sent + 1)

    def _preview(self, progress: Progress) -> bytes:
        if progress.preview is None or not self._sends_preview(progress):
            return b""
        index = self._sent[progress.picture]
        self._sent[progress.picture] += 1
        self._next_preview = time.monotonic() + _SECONDS_BETWEEN_PREVIEWS
        return partial_event(self._kind, progress.preview, progress, index, self._side)


def _longer_side(settings: DrawSettings) -> int:
    last = settings.hires or settings
    return max(last.width, last.height)
