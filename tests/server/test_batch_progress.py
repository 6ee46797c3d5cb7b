"""The progress of pictures of a server: rates, phases, previews."""

from collections.abc import Iterator

import pytest

from gpustack_draw import Progress
from gpustack_draw.gpustack_server import batch
from gpustack_draw.gpustack_server.batch import Batch, EventFunction, Outcome
from gpustack_draw.gpustack_server.cancellation import Cancellation
from gpustack_draw.gpustack_server.reply import Reply, Step
from gpustack_draw.progress.describe import describe
from gpustack_draw.progress.pixels import Raster


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    clock = Clock()
    monkeypatch.setattr(batch, "time", clock)
    return clock


def reports_of(clock: Clock, events: list[tuple[float, Step]]) -> tuple[list[Progress], Outcome]:
    """Return the progress of one picture whose steps arrive at the given times, in seconds."""
    times = batch._Clock()
    reports = []
    for now, step in events:
        clock.now = now
        times.add(step)
        reports.append(times.progress(1, 1, "txt2img"))
    times.stop()
    return reports, Outcome(seconds=times.phases())


def test_the_rate_does_not_contain_the_wait_before_the_first_step(clock: Clock) -> None:
    steps = [(60.0, Step(1, 20)), (62.0, Step(2, 20)), (64.0, Step(3, 20))]
    reports, outcome = reports_of(clock, steps)
    assert [describe(each) for each in reports] == [
        "drawing 1/20, 5 %",
        "drawing 2/20, 10 %, 2.00 s/step, 36 s left",
        "drawing 3/20, 15 %, 2.00 s/step, 34 s left",
    ]
    assert outcome.seconds == {"wait": 58.0, "sample": 6.0}


def test_a_single_step(clock: Clock) -> None:
    reports, outcome = reports_of(clock, [(3.0, Step(1, 1))])
    assert describe(reports[0]) == "drawing, 100 %, 3.0 s"
    assert outcome.seconds == {"wait": 0.0, "sample": 3.0}


def test_a_repeated_request_starts_again(clock: Clock) -> None:
    steps = [(1.0, Step(1, 4)), (2.0, Step(2, 4)), (10.0, Step(1, 4)), (13.0, Step(2, 4))]
    reports, _ = reports_of(clock, steps)
    assert describe(reports[2]) == "drawing 1/4, 25 %"
    assert describe(reports[3]) == "drawing 2/4, 50 %, 3.00 s/step, 6.0 s left"


def test_other_phases_have_their_own_clock(clock: Clock) -> None:
    steps = [(1.0, Step(0, 2, "load")), (3.0, Step(1, 2, "load")), (5.0, Step(1, 1, "encode"))]
    reports, _ = reports_of(clock, steps)
    assert [describe(each) for each in reports] == [
        "loading 0/2, 0 %",
        "loading 1/2, 50 %, 2.0 s left",
        "encoding the prompt, 100 %, 0.0 s",
    ]


def test_a_preview_comes_with_the_progress_of_its_picture() -> None:
    preview = Raster(bytes(3), 1, 1)

    def draw(index: int, on_event: EventFunction, _: Cancellation) -> Reply:
        on_event(Step(1, 2))
        on_event(preview)
        return Reply(bytes([index]))

    pictures = Batch(draw, 2)
    for index in range(2):
        reports: list[Progress] = []
        outcome = pictures.take(index, reports.append)
        assert outcome is not None
        assert outcome.reply == Reply(bytes([index]))
        shown = [each for each in reports if each.preview is not None]
        # The second picture's preview may have arrived while the first picture was awaited.
        assert [(each.step, each.preview) for each in shown] == [(1, preview)] or index == 1
    pictures.close()
