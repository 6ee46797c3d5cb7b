"""How patiently a server that has too much to do is asked again."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from gpustack_draw.gpustack_server import asking

# A server that refuses does so at once: what it has had for longer than this, in seconds, it draws.
TAKEN_SECONDS = 5.0
# Longer than this is no pause but a refusal, in seconds.
_LONGEST_PAUSE = 120.0


class Work:
    """Pictures that are asked for side by side: whether the server is at work on any of them.

    Attributes:
        drawn: How many it has drawn.
    """

    def __init__(self) -> None:
        """Nothing has been asked for yet."""
        self.drawn = 0
        self._begins: dict[object, float] = {}
        self._lock = threading.Lock()

    @contextmanager
    def request(self) -> Iterator[None]:
        """Note that a request is on its way."""
        key = object()
        with self._lock:
            self._begins[key] = time.monotonic()
        try:
            yield
        finally:
            with self._lock:
                del self._begins[key]

    def is_under_way(self) -> bool:
        """Tell whether the server has taken a request, and not answered it yet."""
        taken = time.monotonic() - TAKEN_SECONDS
        with self._lock:
            return any(begin < taken for begin in self._begins.values())

    def count_drawn(self) -> None:
        """Note that the server has drawn a picture."""
        with self._lock:
            self.drawn += 1


class Patience:
    """When a request that was refused is sent again.

    A few times, and for as long as the server is at work on others: then its turn will come.
    """

    def __init__(self, work: Work) -> None:
        """Begin anew, for one request of some."""
        self._work = work
        self._drawn = work.drawn
        self._waits = list(asking.BUSY_WAITS)

    def pause(self, status: int, told: float | None) -> float | None:
        """Tell how long to wait before asking again; ``None`` where that would not help.

        Args:
            status: Of the server's answer.
            told: Seconds that it wants to be left alone; ``None`` where it told none.
        """
        if status not in {429, 503} or (status == 503 and told is None):
            return None
        if self._work.drawn != self._drawn:
            self._drawn, self._waits = self._work.drawn, list(asking.BUSY_WAITS)
        if self._waits:
            usual = self._waits.pop(0)
            pause = usual if told is None else told
        elif self._work.is_under_way():
            pause = max(told or 0.0, asking.BUSY_WAITS[-1])
        else:
            return None
        return pause if pause <= _LONGEST_PAUSE else None
