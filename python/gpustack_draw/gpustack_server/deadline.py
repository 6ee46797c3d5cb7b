"""A time limit for a whole exchange with a server."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gpustack_draw.gpustack_server.cancellation import TransportError, shut_down

_SECONDS_BETWEEN_SHUTDOWNS = 0.2


class Deadline:
    """A deadline that shuts down a connection when it expires.

    A socket's own timeout restarts with every byte, so a server that sends a byte now and then, for
    example in the headers, could hold a connection open forever.

    Attributes:
        seconds: The initial time limit.
        has_passed: Whether the deadline has shut a connection down.
    """

    def __init__(self, seconds: float) -> None:
        """Start the clock.

        Args:
            seconds: Time limit, from now.
        """
        self.seconds = seconds
        self.has_passed = False
        self._end = time.monotonic() + seconds

    def seconds_left(self) -> float:
        """Return the seconds left.

        Raises:
            TransportError: The deadline has passed.
        """
        seconds = self._end - time.monotonic()
        if self.has_passed or seconds <= 0:
            raise TransportError("timeout", "timed out")
        return seconds

    def extend(self, seconds: float) -> None:
        """Move the deadline to ``seconds`` from now."""
        self._end = time.monotonic() + seconds

    @contextmanager
    def enforced(self, connected: Callable[[], socket.socket | None]) -> Iterator[None]:
        """Shut a socket down at the deadline, so that blocked calls return.

        Args:
            connected: Returns the current socket, which may change, or ``None``.
        """
        is_done = threading.Event()

        def watch() -> None:
            while not is_done.wait(max(self._end - time.monotonic(), 0.0)):
                if time.monotonic() < self._end:
                    continue  # the deadline was extended
                self.has_passed = True
                shut_down(connected())
                if is_done.wait(_SECONDS_BETWEEN_SHUTDOWNS):
                    return

        threading.Thread(target=watch, daemon=True).start()
        try:
            yield
        finally:
            is_done.set()
