"""Several pictures of a server side by side, delivered in order."""

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from gpustack_draw.gpustack_server.cancellation import Cancellation
from gpustack_draw.gpustack_server.replies import Step
from gpustack_draw.progress.progress import Progress

# So many requests are on their way at most, and so many files of pictures wait to be delivered: a
# cluster's replicas have enough to do, and memory stays bounded.
SIDE_BY_SIDE = 20

StepFunction = Callable[[Step], None]
DrawFunction = Callable[[int, StepFunction, Cancellation], bytes]


@dataclass
class Outcome:
    """What has become of a request.

    Attributes:
        file: The picture's file, where there is one.
        error: What happened, where there is none.
        seconds: By phase: ``wait`` until the server drew, ``sample`` while it did.
    """

    file: bytes = b""
    error: BaseException | None = None
    seconds: dict[str, float] = field(default_factory=dict)


class Batch:
    """Draws pictures in threads of their own; used by one thread, in which progress is told."""

    def __init__(self, draw: DrawFunction, count: int) -> None:
        """Prepare; nothing is drawn yet.

        Args:
            draw: Draws the picture of a number, from 0; it is called in several threads.
            count: How many pictures.
        """
        self._draw = draw
        self._count = count
        self._started = 0
        self._may_start = True
        self._cancellation = Cancellation()
        self._threads: list[threading.Thread] = []
        self._events: queue.SimpleQueue[tuple[int, Step | Outcome]] = queue.SimpleQueue()
        self._outcomes: dict[int, Outcome] = {}
        self._clocks: dict[int, _Clock] = {}

    def take(self, number: int, on_progress: Callable[[Progress], None] | None) -> Outcome | None:
        """Wait for a picture, and let others be drawn meanwhile.

        Args:
            number: From 0, each once, in order.
            on_progress: Told of this picture.

        Returns:
            What has become of it; ``None`` where it was never asked for.
        """
        while self._may_start and self._started < min(self._count, number + SIDE_BY_SIDE):
            self._start()
        if number >= self._started:
            return None
        self._tell(number, on_progress)
        while number not in self._outcomes:
            try:
                # In turns, because Windows interrupts no endless wait.
                of, event = self._events.get(timeout=0.5)
            except queue.Empty:
                self._tell(number, on_progress)  # that it is still going on
                continue
            if isinstance(event, Outcome):
                self._outcomes[of] = event
            else:
                self._clocks[of].told(event)
                if of == number:
                    self._tell(number, on_progress)
        outcome = self._outcomes.pop(number)
        outcome.seconds = self._clocks.pop(number).phases()
        return outcome

    def stop_starting(self) -> None:
        """Ask for no more pictures; those that are on their way go on."""
        self._may_start = False

    def close(self) -> None:
        """End every request that is still on its way."""
        self._cancellation.cancel()
        end = time.monotonic() + 1.0
        for thread in self._threads:
            # It is about to end. One that looks a name up can take long, and holds nothing.
            thread.join(max(end - time.monotonic(), 0.0))

    def _start(self) -> None:
        number = self._started
        self._clocks[number] = _Clock()
        thread = threading.Thread(target=self._run, args=(number,), daemon=True)
        thread.start()
        self._started += 1
        self._threads = [*(each for each in self._threads if each.is_alive()), thread]

    def _run(self, number: int) -> None:
        outcome = Outcome()
        try:
            outcome.file = self._draw(
                number, lambda step: self._events.put((number, step)), self._cancellation
            )
        except BaseException as error:  # it is raised where the picture is asked for
            outcome.error = error
        self._clocks[number].stop()
        self._events.put((number, outcome))

    def _tell(self, number: int, on_progress: Callable[[Progress], None] | None) -> None:
        if on_progress is not None:
            on_progress(self._clocks[number].progress(number + 1, self._count))


class _Clock:
    """Times a picture that a server draws."""

    def __init__(self) -> None:
        self._begin = self._end = time.monotonic()
        self._first: tuple[Step, float] | None = None
        self._last: tuple[Step, float] | None = None

    def told(self, step: Step) -> None:
        """Note a step."""
        self._last = step, time.monotonic()
        self._first = self._first or self._last

    def stop(self) -> None:
        """Note that the answer has ended."""
        self._end = time.monotonic()

    def progress(self, picture: int, pictures: int) -> Progress:
        """Give how far the picture has come."""
        if self._last is None:
            seconds = time.monotonic() - self._begin
            return Progress("wait", 0, 0, seconds, picture, pictures)
        step = self._last[0]
        return Progress("sample", step.done, step.total, self._sampled(), picture, pictures)

    def phases(self) -> dict[str, float]:
        """Give the seconds of each phase, once the answer has ended."""
        total = self._end - self._begin
        if self._last is None:
            return {"sample": total}  # nobody told when it began
        sampled = min(self._sampled() + max(self._end - self._last[1], 0.0), total)
        return {"wait": total - sampled, "sample": sampled}

    def _sampled(self) -> float:
        """Estimate the seconds since the drawing began, which is told once a step is done."""
        assert self._first is not None
        assert self._last is not None
        (first, first_time), (last, last_time) = self._first, self._last
        waited = last_time - self._begin
        steps = last.done - first.done
        return min((last_time - first_time) * last.done / steps, waited) if steps > 0 else waited
