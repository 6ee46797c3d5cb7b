"""A time limit for a whole exchange with a server, whatever its parts do."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gpustack_draw.gpustack_server.cancellation import TransportError, shut_down

_SECONDS_BETWEEN_SHUTDOWNS = 0.2


class Deadline:
    """Ends a connection when its time is up.

    The timeout of a socket starts anew with every byte, so a server that sends one now and then, in
    the headers, say, would be waited for without end.

    Attributes:
        seconds: The time that it allowed at first.
        has_passed: Whether it has ended a connection.
    """

    def __init__(self, seconds: float) -> None:
        """Start the clock.

        Args:
            seconds: Time for everything that is done before the deadline.
        """
        self.seconds = seconds
        self.has_passed = False
        self._end = time.monotonic() + seconds

    def seconds_left(self) -> float:
        """Return the time that is left.

        Raises:
            TransportError: There is none.
        """
        seconds = self._end - time.monotonic()
        if self.has_passed or seconds <= 0:
            raise TransportError("timeout", "timed out")
        return seconds

    def extend(self, seconds: float) -> None:
        """Move the deadline to a time from now."""
        self._end = time.monotonic() + seconds

    @contextmanager
    def ending(self, connected: Callable[[], socket.socket | None]) -> Iterator[None]:
        """Shut a socket down once the time is up, so that whatever waits for it returns.

        Args:
            connected: Returns the socket in use, which may change; ``None`` where there is none.
        """
        is_done = threading.Event()

        def watch() -> None:
            while not is_done.wait(max(self._end - time.monotonic(), 0.0)):
                if time.monotonic() < self._end:
                    continue  # it was extended
                self.has_passed = True
                shut_down(connected())
                if is_done.wait(_SECONDS_BETWEEN_SHUTDOWNS):
                    return

        threading.Thread(target=watch, daemon=True).start()
        try:
            yield
        finally:
            is_done.set()
