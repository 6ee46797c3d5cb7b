"""Functions that receive each drawn picture."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from gpustack_draw import Picture
from gpustack_draw.serve.log import LOGGER

_MAX_WAITING = 4  # pictures; more would fill the memory while a disk is slow

Listener = Callable[[Picture], None]


class Listeners:
    """Calls functions with each drawn picture, in a thread of its own and in their order."""

    def __init__(self) -> None:
        """Start without any listener."""
        self._functions: list[Listener] = []
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="gpustack-draw pictures")
        self._places = threading.BoundedSemaphore(_MAX_WAITING)

    def add(self, listener: Listener) -> None:
        """Add a function; it may take its time, and its errors are logged."""
        self._functions.append(listener)

    def notify(self, picture: Picture) -> None:
        """Call the functions in their thread; waits while several pictures wait for them."""
        if not self._functions:
            return
        self._places.acquire()
        self._executor.submit(self._call, picture)

    def settle(self) -> None:
        """Wait until the functions have been called for all pictures that were drawn so far."""
        self._executor.submit(bool).result()

    def close(self) -> None:
        """Wait for the functions, and end their thread."""
        self._executor.shutdown()

    def _call(self, picture: Picture) -> None:
        try:
            for function in self._functions:
                function(picture)
        except Exception:
            LOGGER.exception("a picture could not be kept")
        finally:
            self._places.release()
