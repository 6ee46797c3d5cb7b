"""Requests that wait in other threads, and how they end at once."""

import queue
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

_Value = TypeVar("_Value")
_Told = TypeVar("_Told")


class TransportError(Exception):
    """A request failed on its way.

    Attributes:
        kind: ``refused``, ``unreachable``, ``timeout``, ``tls``, ``proxy``, ``not http`` (something
            else answered), ``cut`` (the answer broke off) or ``cancelled``.
        reason: In the system's words.
    """

    def __init__(self, kind: str, reason: str) -> None:
        """Keep what happened."""
        super().__init__(f"{kind}: {reason}")
        self.kind = kind
        self.reason = reason


class Cancellation:
    """Ends requests, and waiting, from another thread."""

    def __init__(self) -> None:
        """Nothing is cancelled yet."""
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()

    @property
    def is_cancelled(self) -> bool:
        """Whether everything is to end."""
        return self._event.is_set()

    def cancel(self) -> None:
        """End all requests now; those that begin later end at once."""
        with self._lock:
            self._event.set()
            for each in self._sockets:
                shut_down(each)

    def wait(self, seconds: float) -> None:
        """Wait.

        Raises:
            TransportError: It was cancelled meanwhile.
        """
        if self._event.wait(seconds):
            raise TransportError("cancelled", "cancelled")

    @contextmanager
    def watching(self, connected: socket.socket) -> Iterator[None]:
        """Let :meth:`cancel` end what waits for a socket."""
        with self._lock:
            if self._event.is_set():
                raise TransportError("cancelled", "cancelled")
            self._sockets.add(connected)
        try:
            yield
        finally:
            with self._lock:
                self._sockets.discard(connected)


def in_thread(function: Callable[[Cancellation], _Value]) -> _Value:
    """Run a function that asks a server, so that Ctrl-C ends it at any moment.

    A name that takes long to look up, say, cannot be interrupted in the thread that looks it up.
    """
    return in_thread_telling(lambda cancellation, _: function(cancellation), lambda _: None)


def in_thread_telling(
    function: Callable[[Cancellation, Callable[[_Told], None]], _Value],
    on_told: Callable[[_Told], None],
) -> _Value:
    """Run a function that asks a server and tells how it goes.

    Args:
        function: It gets what may end it, and what it tells to.
        on_told: Gets, in this thread, what it tells; an error it raises ends it.
    """
    cancellation = Cancellation()
    events: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()

    def run() -> None:
        try:
            value = function(cancellation, lambda told: events.put(("told", told)))
            events.put(("value", value))
        except BaseException as error:  # it is raised below
            events.put(("error", error))

    threading.Thread(target=run, daemon=True).start()
    try:
        while True:
            try:
                # In turns, because Windows interrupts no endless wait.
                kind, value = events.get(timeout=0.5)
            except queue.Empty:
                continue
            if kind == "error":
                raise value
            if kind == "value":
                return value  # type: ignore[no-any-return]
            on_told(value)
    finally:
        cancellation.cancel()


def shut_down(connected: socket.socket | None) -> None:
    """Shut a socket down from another thread than the one that waits for it."""
    if connected is not None:
        with suppress(OSError):
            # Not the TLS socket's own: that one waits for a lock of the thread that reads.
            socket.socket.shutdown(connected, socket.SHUT_RDWR)
