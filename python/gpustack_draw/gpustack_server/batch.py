"""Draws several pictures of a server in parallel and delivers them in order."""

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from gpustack_draw.gpustack_server.cancellation import Cancellation
from gpustack_draw.gpustack_server.responses import Step
from gpustack_draw.progress.callbacks import ProgressFunction
from gpustack_draw.progress.progress import Progress

# Limits pending requests plus undelivered files: enough to keep a cluster's replicas busy, with
# bounded memory.
MAX_PARALLEL = 20

StepFunction = Callable[[Step], None]
DrawFunction = Callable[[int, StepFunction, Cancellation], bytes]


@dataclass
class Outcome:
    """The result of one request.

    Attributes:
        file: The picture's file; empty after an error.
        error: The error; ``None`` if there is a file.
        seconds: Duration of each phase: ``wait`` until drawing began, then ``sample``.
    """

    file: bytes = b""
    error: BaseException | None = None
    seconds: dict[str, float] = field(default_factory=dict)


class Batch:
    """Pictures drawn in one thread each, for a single consumer thread."""

    def __init__(self, draw: DrawFunction, count: int, mode: str = "txt2img") -> None:
        """Create a batch; :meth:`take` starts its threads.

        Args:
            draw: Draws the picture of an index, from 0. Called in several threads.
            count: Number of pictures.
            mode: What the drawings are, as in :class:`Progress`.
        """
        self._draw = draw
        self._count = count
        self._mode = mode
        self._started = 0
        self._may_start = True
        self._cancellation = Cancellation()
        self._threads: list[threading.Thread] = []
        self._events: queue.SimpleQueue[tuple[int, Step | Outcome]] = queue.SimpleQueue()
        self._outcomes: dict[int, Outcome] = {}
        self._clocks: dict[int, _Clock] = {}

    def take(self, index: int, on_progress: ProgressFunction | None) -> Outcome | None:
        """Wait for a picture while others are drawn.

        Args:
            index: Index of the picture, from 0; each once, in order.
            on_progress: Called in this thread with the progress of this picture.

        Returns:
            Its outcome, or ``None`` if it was never started.
        """
        while self._may_start and self._started < min(self._count, index + MAX_PARALLEL):
            self._start()
        if index >= self._started:
            return None
        self._report(index, on_progress)
        while index not in self._outcomes:
            try:
                # Windows does not deliver Ctrl-C to an unbounded wait.
                source, event = self._events.get(timeout=0.5)
            except queue.Empty:
                self._report(index, on_progress)  # updates the elapsed time
                continue
            if isinstance(event, Outcome):
                self._outcomes[source] = event
            else:
                self._clocks[source].add(event)
                if source == index:
                    self._report(index, on_progress)
        outcome = self._outcomes.pop(index)
        outcome.seconds = self._clocks.pop(index).phases()
        return outcome

    def stop_starting(self) -> None:
        """Start no more pictures; pending requests continue."""
        self._may_start = False

    def close(self) -> None:
        """Cancel all pending requests."""
        self._cancellation.cancel()
        end = time.monotonic() + 1.0
        for thread in self._threads:
            # A thread in a slow DNS lookup cannot be cancelled; it holds no resources.
            thread.join(max(end - time.monotonic(), 0.0))

    def _start(self) -> None:
        index = self._started
        self._clocks[index] = _Clock()
        thread = threading.Thread(target=self._run, args=(index,), daemon=True)
        thread.start()
        self._started += 1
        self._threads = [*(each for each in self._threads if each.is_alive()), thread]

    def _run(self, index: int) -> None:
        outcome = Outcome()
        try:
            outcome.file = self._draw(
                index, lambda step: self._events.put((index, step)), self._cancellation
            )
        except BaseException as error:  # raised again in the consumer's thread
            outcome.error = error
        self._clocks[index].stop()
        self._events.put((index, outcome))

    def _report(self, index: int, on_progress: ProgressFunction | None) -> None:
        if on_progress is not None:
            on_progress(self._clocks[index].progress(index + 1, self._count, self._mode))


class _Clock:
    """Durations of one picture's phases."""

    def __init__(self) -> None:
        self._begin = self._end = time.monotonic()
        self._first: tuple[Step, float] | None = None
        self._last: tuple[Step, float] | None = None

    def add(self, step: Step) -> None:
        """Record the time of a step."""
        self._last = step, time.monotonic()
        self._first = self._first or self._last

    def stop(self) -> None:
        """Record the end of the response."""
        self._end = time.monotonic()

    def progress(self, picture: int, pictures: int, mode: str) -> Progress:
        """Return the current progress of picture number ``picture``, from 1."""
        if self._last is None:
            seconds = time.monotonic() - self._begin
            return Progress("wait", 0, 0, seconds, picture, pictures, mode=mode)
        step = self._last[0]
        return Progress(
            "sample", step.done, step.total, self._sampled(), picture, pictures, mode=mode
        )

    def phases(self) -> dict[str, float]:
        """Return the seconds of each phase, once the response has ended."""
        total = self._end - self._begin
        if self._last is None:
            return {"sample": total}  # without steps, the wait cannot be separated
        sampled = min(self._sampled() + max(self._end - self._last[1], 0.0), total)
        return {"wait": total - sampled, "sample": sampled}

    def _sampled(self) -> float:
        """Estimate the seconds since drawing began, before the first reported step."""
        assert self._first is not None
        assert self._last is not None
        (first, first_time), (last, last_time) = self._first, self._last
        waited = last_time - self._begin
        steps = last.done - first.done
        return min((last_time - first_time) * last.done / steps, waited) if steps > 0 else waited
