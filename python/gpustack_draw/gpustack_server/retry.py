"""Delays before a request is repeated: refused connections, busy servers, polling."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

# A server, or the proxy in front of it, refuses connections for a few seconds while it restarts.
REFUSED_DELAYS: tuple[float, ...] = (0.5, 1.0, 2.0)
# For busy servers that send no Retry-After, in seconds.
BUSY_DELAYS: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0)
# Busy servers refuse at once: a request pending for longer, in seconds, has been accepted.
ACCEPTED_SECONDS = 5.0
# Between two requests for the state of a deployment, in seconds.
POLL_DELAY = 1.0
# A longer Retry-After, in seconds, counts as a refusal.
_MAX_DELAY = 120.0


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


class BusyRetry:
    """Retries of one request that a busy server has refused.

    It is retried a few times, and then for as long as the server works on other requests of the
    batch, because it can be accepted once they are done.
    """

    def __init__(self, tracker: RequestTracker) -> None:
        """Start with all retries left.

        Args:
            tracker: The requests of the batch.
        """
        self._tracker = tracker
        self._drawn = tracker.drawn
        self._delays = list(BUSY_DELAYS)

    def next_delay(self, status: int, retry_after: float | None) -> float | None:
        """Return the seconds to wait before the next try, or ``None`` to give up.

        Args:
            status: HTTP status of the response.
            retry_after: Seconds in its Retry-After header; ``None`` without one.
        """
        if status not in {429, 503} or (status == 503 and retry_after is None):
            return None
        if self._tracker.drawn != self._drawn:
            self._drawn, self._delays = self._tracker.drawn, list(BUSY_DELAYS)
        if self._delays:
            default = self._delays.pop(0)
            delay = default if retry_after is None else retry_after
        elif self._tracker.has_accepted_request():
            delay = max(retry_after or 0.0, BUSY_DELAYS[-1])
        else:
            return None
        return delay if delay <= _MAX_DELAY else None
