"""Drawing on a GPU: Vulkan, with a driver that computes on the CPU."""

import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from processes import worker_pid
from software_gpu import software_gpu

import gpustack_draw
from gpustack_draw import Device, DrawRequest, Model, Progress
from gpustack_draw.errors import EngineCrashed, EngineError, NotEnoughMemoryError
from gpustack_draw.request.names import SAMPLERS

pytestmark = [pytest.mark.engine, pytest.mark.vulkan]

SMALL_ARGUMENTS: dict[str, Any] = {
    "prompt": "a red circle on a blue background",
    "size": (64, 64),
    "seed": 7,
}
SMALL = DrawRequest(**SMALL_ARGUMENTS)


@pytest.fixture(scope="module", autouse=True)
def gpu() -> Iterator[Device]:
    with software_gpu() as device:
        yield device


def draw(device: str) -> np.ndarray:
    with gpustack_draw.load("demo", device=device) as model:
        (picture,) = model.draw(SMALL)
    assert picture.device.lower() == device.lower()
    return np.asarray(picture).astype(float)


def decibels(one: np.ndarray, other: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((one - other) ** 2)))


def test_a_software_gpu_is_listed_as_one_and_not_the_default(gpu: Device) -> None:
    assert (gpu.name, gpu.type, gpu.used) == ("Vulkan0", "software", False)
    assert "llvmpipe" in gpu.description


def test_the_picture_is_that_of_the_cpu() -> None:
    assert decibels(draw("vulkan0"), draw("CPU")) >= 45


@pytest.fixture(scope="module")
def models() -> Iterator[list[Model]]:
    """The demo model on the GPU and on a CPU."""
    with (
        gpustack_draw.load("demo", device="Vulkan0") as on_gpu,
        gpustack_draw.load("demo", device="CPU") as on_cpu,
    ):
        yield [on_gpu, on_cpu]


# Vulkan sums up in 16 bits, and the steps of these samplers multiply the rounding.
_LEAST_DECIBELS = {"heun": 25, "dpm2": 33}


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_draws_the_picture_of_the_cpu(models: list[Model], sampler: str) -> None:
    pictures = [
        np.asarray(model.generate(**SMALL_ARGUMENTS, sample_steps=2, sampler=sampler)).astype(float)
        for model in models
    ]
    assert decibels(*pictures) >= _LEAST_DECIBELS.get(sampler, 45)


def test_a_killed_engine_is_an_error_after_which_it_draws(models: list[Model]) -> None:
    model, _ = models

    def end_worker(progress: Progress) -> None:
        if progress.phase == "sample":
            os.kill(worker_pid(model), signal.SIGKILL)

    with pytest.raises(EngineCrashed, match=r"was killed \(SIGKILL\)"):
        model.generate(**SMALL_ARGUMENTS, on_progress=end_worker)
    assert model.generate(**SMALL_ARGUMENTS, sample_steps=1).size == (64, 64)


def test_a_drawing_is_canceled_amid_a_step_and_a_later_one_works() -> None:
    with gpustack_draw.load("demo", device="Vulkan0") as model:
        loaded = threading.Event()
        errors: list[EngineError] = []

        def report(progress: Progress) -> None:
            if progress.phase == "encode":
                loaded.set()

        def run() -> None:
            try:
                list(model.draw(SMALL, report))
            except EngineError as error:
                errors.append(error)

        drawing = threading.Thread(target=run)
        drawing.start()
        assert loaded.wait(120)
        model.cancel()
        drawing.join(30)
        assert [error.message for error in errors] == ["the drawing was canceled"]
        (picture,) = model.draw(SMALL)
        assert picture.device == "Vulkan0"


def test_a_picture_that_does_not_fit_the_gpu_is_refused_before_anything_is_loaded(
    gpu: Device,
) -> None:
    if gpu.memory_free > 100e9:
        pytest.skip("needs a machine with less memory")
    phases: list[str] = []
    with (
        gpustack_draw.load("demo", device="Vulkan0", vae_tiling="off") as model,
        pytest.raises(NotEnoughMemoryError, match="to draw 8192x8192"),
    ):
        model.generate(
            "a cat", size=(8192, 8192), on_progress=lambda progress: phases.append(progress.phase)
        )
    assert phases == []


def test_a_gpu_that_runs_out_of_memory_is_an_error_after_which_it_draws(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The scores of attention over 4096 tokens need a larger buffer.
    monkeypatch.setenv("GGML_VK_FORCE_MAX_ALLOCATION_SIZE", "20000000")
    monkeypatch.setenv("GGML_VK_FORCE_MAX_BUFFER_SIZE", "20000000")
    with gpustack_draw.load("demo", device="Vulkan0") as model:
        with pytest.raises(NotEnoughMemoryError, match="not enough memory to sample the picture"):
            model.generate("a cat", size=(1024, 1024), sample_steps=1)
        (picture,) = model.draw(SMALL)
    assert picture.device == "Vulkan0"
