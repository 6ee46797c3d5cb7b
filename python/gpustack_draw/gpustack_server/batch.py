"""Draws several pictures of a server in parallel and delivers them in order."""

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from gpustack_draw.gpustack_server.cancellation import Cancellation
from gpustack_draw.gpustack_server.reply import Reply, Step
from gpustack_draw.progress.callbacks import ProgressFunction
from gpustack_draw.progress.pixels import Raster
from gpustack_draw.progress.progress import Progress

# Limits pending requests plus undelivered files: enough to keep a cluster's replicas busy, with
# bounded memory.
MAX_PARALLEL = 20

EventFunction = Callable[[Step | Raster], None]  # a step, or a preview of the growing picture
DrawFunction = Callable[[int, EventFunction, Cancellation], Reply]


@dataclass
class Outcome:
    """The result of one request.

    Attributes:
        reply: What the server sent; ``None`` after an error.
        error: The error; ``None`` if there is a reply.
        seconds: Duration of each phase: ``wait`` until drawing began, then ``sample``.
    """

    reply: Reply | None = None
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
        self._events: queue.SimpleQueue[tuple[int, Step | Raster | Outcome]] = queue.SimpleQueue()
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
                continue
            if isinstance(event, Step):
                self._clocks[source].add(event)
            if source == index:
                preview = event if isinstance(event, Raster) else None
                self._report(index, on_progress, preview)
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
            outcome.reply = self._draw(
                index, lambda event: self._events.put((index, event)), self._cancellation
            )
        except BaseException as error:  # raised again in the consumer's thread
            outcome.error = error
        self._clocks[index].stop()
        self._events.put((index, outcome))

    def _report(
        self, index: int, on_progress: ProgressFunction | None, preview: Raster | None = None
    ) -> None:
        if on_progress is not None:
            progress = self._clocks[index].progress(index + 1, self._count, self._mode)
            on_progress(progress if preview is None else replace(progress, preview=preview))


class _Clock:
    """Durations of one picture's phases."""

    def __init__(self) -> None:
        self._begin = self._end = time.monotonic()
        self._phase_begin = self._begin
        self._other: Step | None = None
        self._first: tuple[Step, float] | None = None
        self._last: tuple[Step, float] | None = None

    def add(self, step: Step) -> None:
        """Record the time of a step."""
        now = time.monotonic()
        if step.phase != "sample":
            if self._other is None or self._other.phase != step.phase:
                self._phase_begin = now
            self._other = step
            return
        self._other = None
        if self._last is None or step.done < self._last[0].done:  # or the request was repeated
            self._first = step, now
        self._last = step, now

    def stop(self) -> None:
        """Record the end of the response."""
        self._end = time.monotonic()

    def progress(self, picture: int, pictures: int, mode: str) -> Progress:
        """Return the current progress of picture number ``picture``, from 1.

        The rate is that of the steps after the first reported one: nothing tells when that one
        began.
        """
        now = time.monotonic()
        if self._other is not None:
            step, seconds = self._other, now - self._phase_begin
            return Progress(
                step.phase, step.done, step.total, seconds, picture, pictures, mode=mode
            )
        if self._first is None or self._last is None:
            return Progress("wait", 0, 0, now - self._begin, picture, pictures, mode=mode)
        step, seconds = self._last[0], self._sampled()
        return Progress(
            "sample",
            step.done,
            step.total,
            seconds,
            picture,
            pictures,
            resumed=self._first[0].done,
            started=seconds - (self._last[1] - self._first[1]),
            mode=mode,
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
