"""Turns of the threads that draw with one engine."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gpustack_draw.engine.core_engine import CoreEngine
from gpustack_draw.engine.process import EngineProcess
from gpustack_draw.engine.process_end import closed_while_drawing, drawing_canceled
from gpustack_draw.errors import EngineError

# A working process sends a message every second.
_SILENCE_SECONDS = 1.0
_MAX_SILENCES = 8


class Turns:
    """Lets one thread after another use an engine, also after a fork."""

    def __init__(self, engine: CoreEngine | EngineProcess, forget: Callable[[], None]) -> None:
        """Create the turns; no thread uses the engine.

        Args:
            engine: The engine.
            forget: Called first, and again after a fork: nothing is loaded.
        """
        self._engine = engine
        self._forget = forget
        self._begin()

    def _begin(self) -> None:
        self._owner = os.getpid()
        self._is_closed = self._is_canceled = False  # during a drawing
        self._lock = threading.RLock()  # reentrant, so that a callback can call close()
        self._is_drawing = False
        self._forget()

    def lock(self) -> threading.RLock:
        """Return the lock; a new one after a fork, where no thread would release the old one."""
        if self._owner != os.getpid():
            self._begin()
        return self._lock

    @contextmanager
    def drawing(self) -> Iterator[None]:
        """Wait for the turn to draw or load.

        Raises:
            EngineError: A callback of a drawing calls this.
        """
        with self.lock():
            self.check_idle()
            self._is_closed = self._is_canceled = False
            self._is_drawing = True
            try:
                yield
            finally:
                self._is_drawing = False

    def check_idle(self) -> None:
        """Check that this thread, which holds the lock, does not draw.

        Raises:
            EngineError: It does: a callback of a drawing calls this.
        """
        if self._is_drawing:
            raise EngineError("a callback of a drawing cannot draw with the same model")

    def cancel(self) -> bool:
        """Cancel the drawing of another thread; return False if there is none."""
        self._is_canceled = self._is_drawing
        return self._is_canceled

    def check_open(self) -> None:
        """Check that the drawing may go on; also called between the calls of its passes.

        Raises:
            EngineError: It was canceled, or the engine was closed by a callback.
        """
        if self._is_closed:
            raise closed_while_drawing()
        if self._is_canceled:
            raise drawing_canceled()

    @contextmanager
    def closing(self) -> Iterator[None]:
        """Wait for the drawing of another thread; end an engine that does not respond."""
        lock = self.lock()
        last_count, silences = None, 0
        while not lock.acquire(timeout=_SILENCE_SECONDS):
            count = self._engine.messages_received
            # Count instead of reading a clock: this process may have been stopped too.
            silences = silences + 1 if count is not None and count == last_count else 0
            last_count = count
            if silences == _MAX_SILENCES:
                self._engine.close()
        try:
            self._is_closed = True
            yield
        finally:
            lock.release()
