"""Whole pictures by the FastCPU backend match those of ggml's CPU code.

The kernels themselves are tested in test_cpu_kernels.py.
"""

import numpy as np
import pytest
from cpu_targets import TARGETS, assert_alike, cpus, needs_fast_cpu, target_in_use, use_target

import gpustack_draw
from gpustack_draw.errors import NotEnoughMemoryError, UsageError
from gpustack_draw.memory import choose

pytestmark = needs_fast_cpu


def draw(device: str, threads: int = 2) -> np.ndarray:
    with gpustack_draw.load("demo", device=device, threads=threads) as model:
        picture = model.generate("two green stars on a white background", seed=3)
    return np.asarray(picture).astype(float)


@pytest.fixture(scope="module")
def plain() -> np.ndarray:
    return draw("CPU")


def test_the_best_target_is_used_and_comes_before_ggml() -> None:
    assert target_in_use() in TARGETS
    assert [device.name for device in cpus()] == ["FastCPU", "CPU"]
    has_gpu = "gpu" in [device.type for device in gpustack_draw.devices()]
    assert cpus()[0].used is not has_gpu


@pytest.mark.parametrize("target", TARGETS)
def test_the_same_picture_on_each_target(
    monkeypatch: pytest.MonkeyPatch, plain: np.ndarray, target: str
) -> None:
    use_target(monkeypatch, target)
    assert_alike(target, draw("FastCPU"), plain)


def test_threads_change_nothing() -> None:
    one = draw("FastCPU", threads=1)
    for threads in (2, 3):
        np.testing.assert_array_equal(draw("FastCPU", threads), one)


@pytest.mark.parametrize("target", ["off", "AVX2", "avx1024"])
def test_unknown_targets_leave_the_plain_cpu(monkeypatch: pytest.MonkeyPatch, target: str) -> None:
    monkeypatch.setenv("GPUSTACK_DRAW_CPU", target)
    assert [device.name for device in cpus()] == ["CPU"]
    with gpustack_draw.load("demo", device="FastCPU") as model, pytest.raises(UsageError) as caught:
        model.generate("a red circle")
    assert caught.value.message == "no device named 'FastCPU'"


def test_fast_cpu_needs_less_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose, "available_memory", lambda: 500_000_000)
    size = (512, 512)
    with gpustack_draw.load("demo", device="FastCPU", vae_tiling="off") as model:
        assert model.generate("a red circle", size=size, sample_steps=1).size == size
    plain = gpustack_draw.load("demo", device="CPU", vae_tiling="off")
    with plain as model, pytest.raises(NotEnoughMemoryError):
        model.generate("a red circle", size=size, sample_steps=1)


def test_an_unknown_precision_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPUSTACK_DRAW_CPU_PRECISION", "INT8")
    with gpustack_draw.load("demo") as model, pytest.raises(UsageError) as caught:
        model.generate("a red circle")
    assert caught.value.message == "GPUSTACK_DRAW_CPU_PRECISION is 'INT8'"
    assert caught.value.hint == "set it to auto, float or int8, or remove it"
