"""The way of events from the drawing thread to the event loop."""

import asyncio
import threading
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import replace
from typing import Generic, TypeVar

from gpustack_draw import Progress
from gpustack_draw.serve.studio.events import Queued

T = TypeVar("T")


class Channel(Generic[T]):
    """Carries the events of one request; made by the event loop, filled by other threads.

    A reader that is slow gets the last of several reports of progress.
    """

    def __init__(self) -> None:
        """Create an open channel, in the event loop that will read it."""
        self._loop = asyncio.get_running_loop()
        self._readable = asyncio.Event()
        self._lock = threading.Lock()
        self._events: deque[T] = deque()
        self._is_closed = False
        self._error: BaseException | None = None

    @property
    def is_closed(self) -> bool:
        """True once no further event comes."""
        return self._is_closed

    def send(self, event: T) -> None:
        """Add an event, from any thread."""
        with self._lock:
            if self._is_closed:
                return
            last = self._events[-1] if self._events else None
            merged = _merged(last, event)
            if merged is not None:
                self._events[-1] = merged  # type: ignore[assignment]
            else:
                self._events.append(event)
        self._wake()

    def close(self, error: BaseException | None = None) -> None:
        """End the events, from any thread; the first call counts.

        Args:
            error: Raised after the last event.
        """
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            self._error = error
        self._wake()

    def _wake(self) -> None:
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._readable.set)

    async def events(self) -> AsyncGenerator[T, None]:
        """Yield the events until the channel is closed.

        Raises:
            BaseException: The error that it was closed with.
        """
        while True:
            await self._readable.wait()
            self._readable.clear()
            while True:
                with self._lock:
                    event = self._events.popleft() if self._events else None
                    is_over = event is None and self._is_closed
                if event is None:
                    break
                yield event
            if is_over:
                if self._error is not None:
                    raise self._error
                return


def _merged(last: object, event: object) -> object | None:
    """Return the one event that stands for two; ``None`` if both count."""
    if isinstance(last, Queued) and isinstance(event, Queued):
        return event
    if not isinstance(last, Progress) or not isinstance(event, Progress):
        return None
    preview = last.preview if event.preview is None else event.preview
    return replace(event, preview=preview)
