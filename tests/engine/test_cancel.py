"""A drawing in the calling process stops within a step on FastCPU."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import pytest

import gpustack_draw
from gpustack_draw import _core
from gpustack_draw.engine.results import FAST_CPU
from gpustack_draw.model import Model
from gpustack_draw.progress.progress import Progress

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(
        FAST_CPU not in {device.name for device in _core.list_devices()},
        reason="ggml's own code cannot be stopped within a step",
    ),
]

PROMPT = "a red circle on a blue background"
QUICK = {"size": (128, 128), "sample_steps": 2, "seed": 7}
# A step and a decoding that take seconds. If nothing stopped them, their end would be reported.
LONG = {"size": (768, 768), "sample_steps": 1, "seed": 7}
SOON = 0.1  # seconds: within the step


@pytest.fixture
def model() -> Iterator[Model]:
    with gpustack_draw.load("demo", in_process=True, threads=1, device=FAST_CPU) as model:
        yield model


def stop_within(model: Model, phase: str, stop: Callable[[], object]) -> tuple[str, BaseException]:
    """Stop a drawing soon after a phase began; return its last progress and its error."""
    last = ""

    def on_progress(progress: Progress) -> None:
        nonlocal last
        last = f"{progress.phase} {progress.step}"
        if last == f"{phase} 0":
            threading.Timer(SOON, stop).start()

    with pytest.raises(BaseException) as caught:  # noqa: PT011
        model.generate(PROMPT, **LONG, on_progress=on_progress)  # type: ignore[arg-type]
    return last, caught.value


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("phase", ["sample", "decode"])
def test_ctrl_c_stops_within_a_step_or_decoding(model: Model, phase: str) -> None:
    last, error = stop_within(model, phase, interrupt)
    assert (last, type(error)) == (f"{phase} 0", KeyboardInterrupt)


@pytest.mark.parametrize("phase", ["sample", "decode"])
def test_cancel_stops_within_a_step_or_decoding(model: Model, phase: str) -> None:
    def cancel() -> None:
        model._engine._engine._engine.cancel()  # type: ignore[union-attr]

    last, error = stop_within(model, phase, cancel)
    assert (last, type(error.__cause__)) == (f"{phase} 0", _core.CancelledError)


def test_the_model_draws_again_afterwards(model: Model) -> None:
    picture = model.generate(PROMPT, **QUICK).tobytes()  # type: ignore[arg-type]
    stop_within(model, "sample", interrupt)
    assert model.generate(PROMPT, **QUICK).tobytes() == picture  # type: ignore[arg-type]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_closing_frees_the_memory_of_the_drawing() -> None:
    # In a separate process, where nothing else allocates memory.
    script = """
import gpustack_draw
def megabytes():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) // 1024 for line in status if line.startswith("RssAnon"))
model = gpustack_draw.load("demo", in_process=True, device="FastCPU")
model.generate("x", size=(128, 128), sample_steps=1)
model.close()
before = megabytes()
model.generate("x", size=(768, 768), sample_steps=1)
drawn = megabytes()
model.close()
print(before, drawn, megabytes())
"""
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    before, drawn, after = map(int, done.stdout.split())
    assert drawn > before + 200
    assert after < (before + drawn) / 2  # malloc keeps the rest
