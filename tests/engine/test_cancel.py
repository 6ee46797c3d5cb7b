"""Tests of Model.cancel(), Model.load() and Model.settings(), with other threads that draw."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from processes import running_process

import gpustack_draw
from gpustack_draw import DrawRequest, Model, Progress
from gpustack_draw.engine.process import EngineProcess
from gpustack_draw.errors import EngineError

pytestmark = pytest.mark.engine

QUICK = DrawRequest(prompt="a red circle", size=(64, 64), sample_steps=1, seed=7)
LONG = DrawRequest(prompt="a red circle", size=(64, 64), sample_steps=10_000)
SECONDS = 60


@pytest.fixture
def model() -> Iterator[Model]:
    with gpustack_draw.load("demo") as model:
        yield model


def worker_pid(model: Model) -> int:
    pid = model._engine._engine.pid  # type: ignore[attr-defined]
    assert pid is not None
    return int(pid)


class Drawing(threading.Thread):
    """Draws in a thread; keeps the error."""

    def __init__(self, model: Model, request: DrawRequest, on_progress: Any = None) -> None:
        super().__init__()
        self.model, self.request = model, request
        self.phases: list[str] = []
        self.error: BaseException | None = None
        self.begun = threading.Event()
        self.start()

    def run(self) -> None:
        try:
            list(self.model.draw(self.request, self.report))
        except EngineError as error:
            self.error = error

    def report(self, progress: Progress) -> None:
        self.phases.append(progress.phase)
        if progress.phase == "sample":
            self.begun.set()


def test_cancel_ends_a_drawing_of_another_thread_and_a_later_one_works(model: Model) -> None:
    drawing = Drawing(model, LONG)
    assert drawing.begun.wait(SECONDS)
    pid = worker_pid(model)
    model.cancel()
    drawing.join(SECONDS)
    assert isinstance(drawing.error, EngineError)
    assert drawing.error.message == "the drawing was canceled"
    assert running_process(pid) is None
    (picture,) = model.draw(QUICK, lambda _progress: None)
    assert picture.settings.seed == 7


def test_cancel_without_a_drawing_keeps_the_model_loaded(model: Model) -> None:
    model.load()
    pid = worker_pid(model)
    model.cancel()
    assert running_process(pid) is not None
    assert list(model.draw(QUICK, lambda _progress: None))


def test_cancel_at_any_moment_ends_the_drawing(model: Model) -> None:
    for milliseconds in (0, 1, 5, 20, 60, 200):
        drawing = Drawing(model, LONG)
        time.sleep(milliseconds / 1000)
        while drawing.is_alive():  # a call before the drawing has begun ends nothing
            model.cancel()
            drawing.join(0.02)
        assert drawing.error is not None
        assert str(drawing.error) == "the drawing was canceled"


def test_a_process_that_is_ended_while_it_starts_is_an_error_and_a_later_call_works() -> None:
    engine = EngineProcess()
    errors: list[BaseException] = []

    def call() -> None:
        try:
            engine.devices()
        except EngineError as error:
            errors.append(error)

    for _ in range(10):
        thread = threading.Thread(target=call)
        thread.start()
        while thread.is_alive():
            engine.cancel()
    assert errors
    assert {str(error).splitlines()[0] for error in errors} == {
        "the model was closed while it drew"
    }
    assert engine.devices()
    engine.close()


def test_load_loads_before_the_first_drawing(model: Model) -> None:
    phases: list[str] = []
    model.load(on_progress=lambda progress: phases.append(progress.phase))
    assert set(phases) == {"load"}
    assert Drawing(model, QUICK).join(SECONDS) is None
    drawing = Drawing(model, QUICK)
    drawing.join(SECONDS)
    assert "load" not in drawing.phases
    model.load(on_progress=lambda progress: phases.append("again"))
    assert "again" not in phases


def test_settings_do_not_wait_for_a_drawing(model: Model) -> None:
    drawing = Drawing(model, LONG)
    assert drawing.begun.wait(SECONDS)
    first, second = model.settings(DrawRequest(prompt="x", count=2, size=(100, 64), seed=3))
    assert drawing.is_alive()
    assert (first.seed, second.seed, first.width, first.sampler) == (3, 4, 112, "euler")
    model.cancel()
    drawing.join(SECONDS)
