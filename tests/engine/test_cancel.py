"""Tests of Model.cancel(), Model.load() and Model.settings(), with other threads that draw."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from lora_files import demo_lora
from PIL import Image
from processes import running_process, worker_pid

import gpustack_draw
from gpustack_draw import DrawRequest, Model, Progress
from gpustack_draw.engine import process_call
from gpustack_draw.engine.process import EngineProcess
from gpustack_draw.errors import EngineError
from gpustack_draw.request.draw_request import request_of

pytestmark = pytest.mark.engine

QUICK = DrawRequest(prompt="a red circle", size=(64, 64), sample_steps=1, seed=7)
LONG = DrawRequest(prompt="a red circle", size=(64, 64), sample_steps=10_000)
SECONDS = 60


@pytest.fixture
def model() -> Iterator[Model]:
    with gpustack_draw.load("demo") as model:
        yield model


class Drawing(threading.Thread):
    """Draws in a thread; keeps the error."""

    def __init__(self, model: Model, request: DrawRequest, stops_worker: str = "") -> None:
        super().__init__()
        self.model, self.request = model, request
        self.stops_worker = stops_worker
        self.phases: list[str] = []
        self.error: BaseException | None = None
        self.begun = threading.Event()
        self.start()

    def run(self) -> None:
        try:
            list(self.model.draw(self.request, self.report))
        except (EngineError, LookupError) as error:
            self.error = error

    def report(self, progress: Progress) -> None:
        self.phases.append(progress.phase)
        if progress.phase == "sample":
            if self.stops_worker:
                os.kill(worker_pid(self.model), signal.SIGSTOP)
            self.begun.set()
            if self.stops_worker == "error":
                raise LookupError


def test_cancel_ends_a_drawing_of_another_thread_and_a_later_one_works(model: Model) -> None:
    drawing = Drawing(model, LONG)
    assert drawing.begun.wait(SECONDS)
    pid = worker_pid(model)
    model.cancel()
    drawing.join(SECONDS)
    assert isinstance(drawing.error, EngineError)
    assert drawing.error.message == "the drawing was canceled"
    (picture,) = model.draw(QUICK, lambda _progress: None)
    assert "load" not in picture.seconds
    assert worker_pid(model) == pid


def test_cancel_in_the_own_process() -> None:
    with gpustack_draw.load("demo", in_process=True) as model:
        (expected,) = model.draw(QUICK)
        drawing = Drawing(model, LONG)
        assert drawing.begun.wait(SECONDS)
        model.cancel()
        drawing.join(SECONDS)
        assert str(drawing.error) == "the drawing was canceled"
        (picture,) = model.draw(QUICK)
        assert picture.pixels == expected.pixels
        assert "load" not in picture.seconds


def everything(folder: Path, seed: int, weight: float) -> DrawRequest:
    """Return a request that goes through every phase, and draws two passes."""
    (folder / "a.safetensors").write_bytes(demo_lora(1))
    return request_of(
        {
            "prompt": "a red circle on a blue background",
            "size": (64, 64),
            "sample_steps": 3,
            "seed": seed,
            "image": Image.radial_gradient("L").convert("RGB"),
            "loras": [(folder / "a.safetensors", weight)],
            "hires": 2,
            "hires_upscaler": "latent",
            "hires_steps": 2,
        }
    )


@pytest.mark.parametrize("device", ["auto", "CPU"])
def test_a_canceled_drawing_leaves_no_trace_in_the_next_one(device: str, tmp_path: Path) -> None:
    request, other = everything(tmp_path, 7, 0.5), everything(tmp_path, 8, 1.0)
    if device == "CPU":  # slow
        request, other = QUICK, LONG
    moments = [
        ("load_loras", 1), ("encode_pictures", 0), ("encode", 0), ("sample", 0), ("sample", 1),
        ("sample", 4), ("decode", 0),
    ]  # fmt: skip
    with gpustack_draw.load("demo", device=device) as model:
        (expected,) = model.draw(request)
        pid = worker_pid(model)
        for moment in moments if device == "auto" else [("sample", 1)]:

            def fail(progress: Progress, moment: tuple[str, int] = moment) -> None:
                if (progress.phase, progress.step) == moment:
                    raise LookupError(moment)

            with pytest.raises(LookupError):
                list(model.draw(other, fail))
            (picture,) = model.draw(request)
            assert picture.pixels == expected.pixels, moment
            assert "load" not in picture.seconds, moment
        assert worker_pid(model) == pid


def test_a_process_that_does_not_stop_in_time_is_ended(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_call, "CANCEL_SECONDS", 0.2)
    for how in ("cancel", "error"):
        drawing = Drawing(model, LONG, stops_worker=how)
        assert drawing.begun.wait(SECONDS)
        pid = worker_pid(model)
        if how == "cancel":
            model.cancel()
        drawing.join(SECONDS)
        (picture,) = model.draw(QUICK, lambda _progress: None)
        assert "load" in picture.seconds
        assert running_process(pid) is None


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
