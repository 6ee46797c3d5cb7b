"""Delays before a request is repeated: refused connections, busy servers, lost ones, polling."""

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from gpustack_draw.gpustack_server.cancellation import TransportError
from gpustack_draw.gpustack_server.responses import ResponseError

# A server, or the proxy in front of it, refuses connections for a few seconds while it restarts.
REFUSED_DELAYS: tuple[float, ...] = (0.5, 1.0, 2.0)
# For busy servers that send no Retry-After, in seconds.
BUSY_DELAYS: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0)
# After a replica was lost: GPUStack notices it within a few seconds, and asks another one.
LOST_DELAYS: tuple[float, ...] = (1.0, 5.0)
# Busy servers refuse at once: a request pending for longer, in seconds, has been accepted.
ACCEPTED_SECONDS = 5.0
# Between two requests for the state of a deployment, in seconds.
POLL_DELAY = 1.0
# A longer Retry-After, in seconds, counts as a refusal.
_MAX_DELAY = 120.0
# Codes of gpustack-draw's own server, whose header Retry-After the proxy of GPUStack 2 drops.
_BUSY_CODES = {"busy", "queue_full", "loading", "stopping"}
# GPUStack's messages for a replica that is not there any more: those of its HTTP client, and those
# of its own (gpustack/routes/openai.py, gpustack/routes/worker/proxy.py, releases 0.7 to 2.3).
_LOST = re.compile(
    r"server disconnected|cannot connect to|connection reset by peer|payload is not completed"
    r"|service unavailable\. please retry|no running model instance found",
    re.IGNORECASE,
)


class RequestTracker:
    """The requests of one batch of pictures. Threads share it.

    Attributes:
        drawn: Number of pictures that the server has drawn.
    """

    def __init__(self) -> None:
        """Start without requests."""
        self.drawn = 0
        self._started: dict[object, float] = {}
        self._lock = threading.Lock()

    @contextmanager
    def track(self) -> Iterator[None]:
        """Count a request as pending while the context is open."""
        key = object()
        with self._lock:
            self._started[key] = time.monotonic()
        try:
            yield
        finally:
            with self._lock:
                del self._started[key]

    def has_accepted_request(self) -> bool:
        """Return whether the server has accepted a request that is still pending."""
        latest = time.monotonic() - ACCEPTED_SECONDS
        with self._lock:
            return any(start < latest for start in self._started.values())

    def count_drawn(self) -> None:
        """Count a picture that the server has drawn."""
        with self._lock:
            self.drawn += 1


class Retry:
    """Retries of one request.

    A request that a busy server has refused is repeated a few times, and then for as long as the
    server works on other requests of the batch, because it can be accepted once they are done. A
    request that was lost with its replica is repeated twice: it names its seed, so the picture is
    the same.
    """

    def __init__(self, tracker: RequestTracker, *, repeats_cut_streams: bool) -> None:
        """Start with all retries left.

        Args:
            tracker: The requests of the batch.
            repeats_cut_streams: Whether a stream that ends without a picture was lost with its
                replica.
        """
        self._tracker = tracker
        self._repeats_cut_streams = repeats_cut_streams
        self._drawn = tracker.drawn
        self._refused, self._busy = list(REFUSED_DELAYS), list(BUSY_DELAYS)
        self._lost = list(LOST_DELAYS)

    def next_delay(self, error: TransportError | ResponseError) -> float | None:
        """Return the seconds to wait before the next try, or ``None`` to give up.

        Args:
            error: Why the last one failed.
        """
        if isinstance(error, TransportError):
            is_refused = error.problem == "refused" and bool(self._refused)
            return self._refused.pop(0) if is_refused else None
        if _is_busy(error):
            return self._busy_delay(error.retry_after)
        is_lost = _is_lost(error) or (self._repeats_cut_streams and error.problem == "no picture")
        return self._lost.pop(0) if is_lost and self._lost else None

    def _busy_delay(self, retry_after: float | None) -> float | None:
        if self._tracker.drawn != self._drawn:
            self._drawn, self._busy = self._tracker.drawn, list(BUSY_DELAYS)
        if self._busy:
            default = self._busy.pop(0)
            delay = default if retry_after is None else retry_after
        elif self._tracker.has_accepted_request():
            delay = max(retry_after or 0.0, BUSY_DELAYS[-1])
        else:
            return None
        return delay if delay <= _MAX_DELAY else None


def _is_busy(error: ResponseError) -> bool:
    if error.status == 503:
        return error.retry_after is not None or error.code in _BUSY_CODES
    return error.status == 429


def _is_lost(error: ResponseError) -> bool:
    return error.status in {404, 503} and _LOST.search(error.message) is not None
