"""The check before anything is loaded."""

from dataclasses import replace

import numpy as np
import pytest
from resolved_models import GB, weighing

from gpustack_draw.cli.option_names import with_options
from gpustack_draw.engine.pass_memory import work_of
from gpustack_draw.engine.passes import Pass
from gpustack_draw.engine.results import Device
from gpustack_draw.errors import NotEnoughMemoryError
from gpustack_draw.inputs.engine_pictures import EnginePictures
from gpustack_draw.memory.choose import check_memory, choose
from gpustack_draw.memory.estimate import estimate
from gpustack_draw.memory.work import Work
from gpustack_draw.request.draw_request import DrawRequest
from gpustack_draw.resolver.plan_drawing import plan_drawing
from gpustack_draw.resolver.resolved_model import ResolvedModel


def work_for(heavy: ResolvedModel, request: DrawRequest, device: Device | None = None) -> Work:
    drawing = plan_drawing(request, heavy)
    return work_of(Pass.first(drawing, drawing.settings[0]), heavy, device, 0)


def check(
    heavy: ResolvedModel,
    size: tuple[int, int] = (512, 512),
    device: Device | None = None,
    *,
    loaded_bytes: int = 0,
) -> None:
    work = work_for(heavy, DrawRequest(prompt="a cat", size=size), device)
    check_memory(work, choose(work, loaded_bytes=loaded_bytes))


@pytest.mark.parametrize(
    ("weights", "size", "message", "hint"),
    [
        (
            8 * GB,
            (512, 512),
            "'x' needs about 9.87 GB to be loaded, and 3.10 GB are free",
            "close other programs, or use a smaller quantization of the model, for example Q4_0",
        ),
        (
            2 * GB,
            (2048, 2048),
            "'x' needs about 46.5 GB to draw 2048x2048, and 3.10 GB are free",
            "draw a smaller picture with size, or close other programs",
        ),
    ],
)
def test_not_enough(
    weights: int,
    size: tuple[int, int],
    message: str,
    hint: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    heavy = weighing("flux2-klein", weights)
    monkeypatch.setattr("gpustack_draw.memory.choose.available_memory", lambda: 3_100_000_000)
    with pytest.raises(NotEnoughMemoryError) as caught:
        check(heavy, size)
    assert (caught.value.message, caught.value.hint) == (message, hint)
    assert caught.value.exit_status == 1


def test_enough_or_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    light = weighing("flux2-klein", GB)
    monkeypatch.setattr("gpustack_draw.memory.choose.available_memory", lambda: 100 * GB)
    check(light)
    monkeypatch.setattr("gpustack_draw.memory.choose.available_memory", lambda: None)
    check(light)
    monkeypatch.setattr("gpustack_draw.memory.choose.available_memory", lambda: 1)
    with pytest.raises(NotEnoughMemoryError):
        check(light)


GPU = Device("CUDA0", "a GPU", "gpu", 100 * GB, 100 * GB, used=True)


def test_a_gpu_has_its_own_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gpustack_draw.memory.choose.available_memory", lambda: 1)
    light = weighing("flux2-klein", GB)
    check(light, device=GPU)
    check(light, device=replace(GPU, memory_free=0))  # not reported by the driver
    with pytest.raises(NotEnoughMemoryError, match=r"and 1\.00 GB are free"):
        check(light, device=replace(GPU, memory_free=GB))


def test_a_loaded_model_needs_no_memory_for_its_weights() -> None:
    heavy = weighing("sd1", 10 * GB)
    device = replace(GPU, memory_free=4 * GB)
    with pytest.raises(NotEnoughMemoryError):
        check(heavy, device=device)
    check(heavy, device=device, loaded_bytes=heavy.weight_bytes)


def test_the_larger_of_two_passes_counts() -> None:
    light = weighing("sd1", 2 * GB)
    work = work_for(light, DrawRequest(prompt="a cat", size=(512, 512), hires=2))
    image = EnginePictures(image=np.zeros((1024, 1024, 3), np.uint8))
    single = Work(model=light, width=1024, height=1024)
    assert estimate(work) == estimate(replace(single, pictures=image))
    assert estimate(work).peak > estimate(single).peak
    with pytest.raises(NotEnoughMemoryError) as caught:
        check_memory(work, replace(choose(work), free_bytes=3 * GB), argument="hires")
    message = "'x' needs about 11.1 GB to draw 1024x1024, and 3.00 GB are free"
    assert caught.value.message == message
    assert with_options(caught.value.hint) == (
        "draw a smaller picture with --hires, or close other programs"
    )
    assert caught.value.argument == "hires"
