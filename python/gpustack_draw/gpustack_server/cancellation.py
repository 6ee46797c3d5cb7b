"""Cancellation of requests that other threads wait for."""

import queue
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Literal, TypeVar

_Value = TypeVar("_Value")
_Event = TypeVar("_Event")

TransportProblem = Literal[
    "refused",
    "unreachable",
    "timeout",
    "tls",
    "proxy",
    "not http",
    "cut",
    "cancelled",
]


class TransportError(Exception):
    """A request without a complete response.

    Attributes:
        problem: ``refused`` (the connection), ``unreachable``, ``timeout``, ``tls``, ``proxy``,
            ``not http`` (another protocol answered), ``cut`` (the response is incomplete) or
            ``cancelled``.
        reason: The system's error message.
    """

    def __init__(self, problem: TransportProblem, reason: str) -> None:
        """Create the error."""
        super().__init__(f"{problem}: {reason}")
        self.problem: TransportProblem = problem
        self.reason = reason


class Cancellation:
    """A switch that ends requests and waits from another thread."""

    def __init__(self) -> None:
        """Start uncancelled."""
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()

    @property
    def is_cancelled(self) -> bool:
        """True once :meth:`cancel` was called."""
        return self._event.is_set()

    def cancel(self) -> None:
        """End all requests now, and later ones at once."""
        with self._lock:
            self._event.set()
            for each in self._sockets:
                shut_down(each)

    def wait(self, seconds: float) -> None:
        """Wait for ``seconds``.

        Raises:
            TransportError: It was cancelled meanwhile.
        """
        if self._event.wait(seconds):
            raise TransportError("cancelled", "cancelled")

    @contextmanager
    def watching(self, connected: socket.socket) -> Iterator[None]:
        """Shut a socket down if :meth:`cancel` is called in the context.

        Raises:
            TransportError: It is already cancelled.
        """
        with self._lock:
            if self._event.is_set():
                raise TransportError("cancelled", "cancelled")
            self._sockets.add(connected)
        try:
            yield
        finally:
            with self._lock:
                self._sockets.discard(connected)


def run_in_thread(function: Callable[[Cancellation], _Value]) -> _Value:
    """Run a function in another thread, so that Ctrl-C ends it at any moment.

    Some blocking calls, such as a DNS lookup, cannot be interrupted in their own thread.
    """
    return run_in_thread_with_events(lambda cancellation, _: function(cancellation), lambda _: None)


def run_in_thread_with_events(
    function: Callable[[Cancellation, Callable[[_Event], None]], _Value],
    on_event: Callable[[_Event], None],
) -> _Value:
    """Run a function in another thread and pass the events it sends to the calling thread.

    Args:
        function: Called with its cancellation and a function that sends an event.
        on_event: Called with each event in the calling thread. An error it raises cancels the
            function.
    """
    cancellation = Cancellation()
    messages: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()

    def run() -> None:
        try:
            value = function(cancellation, lambda event: messages.put(("event", event)))
            messages.put(("value", value))
        except BaseException as error:  # raised again in the calling thread
            messages.put(("error", error))

    threading.Thread(target=run, daemon=True).start()
    try:
        while True:
            try:
                # Windows does not deliver Ctrl-C to an unbounded wait.
                label, value = messages.get(timeout=0.5)
            except queue.Empty:
                continue
            if label == "error":
                raise value
            if label == "value":
                return value  # type: ignore[no-any-return]
            on_event(value)
    finally:
        cancellation.cancel()


def shut_down(connected: socket.socket | None) -> None:
    """Shut a socket down from a thread other than the one that blocks on it."""
    if connected is not None:
        with suppress(OSError):
            # SSLSocket.shutdown would wait for a lock that the reading thread holds.
            socket.socket.shutdown(connected, socket.SHUT_RDWR)
