"""Whole pictures by our own backend for CPUs: as ggml's own code draws them, only faster.

What each kernel computes is tried in test_cpu_kernels.py.
"""

import numpy as np
import pytest
from cpu_levels import LEVELS, assert_alike, cpus, level_in_use, needs_fast_cpu, use_level

import gpustack_draw
from gpustack_draw.engine import memory
from gpustack_draw.errors import NotEnoughMemoryError, UsageError

pytestmark = needs_fast_cpu


def draw(device: str, threads: int = 2) -> np.ndarray:
    with gpustack_draw.load("demo", device=device, threads=threads) as model:
        picture = model.generate("two green stars on a white background", seed=3)
    return np.asarray(picture).astype(float)


@pytest.fixture(scope="module")
def plain() -> np.ndarray:
    return draw("CPU")


def test_the_best_level_is_used_and_comes_before_ggml() -> None:
    assert level_in_use() in LEVELS
    assert [device.name for device in cpus()] == ["FastCPU", "CPU"]
    has_gpu = "gpu" in [device.type for device in gpustack_draw.devices()]
    assert cpus()[0].used is not has_gpu


@pytest.mark.parametrize("level", LEVELS)
def test_the_same_picture_at_each_level(
    monkeypatch: pytest.MonkeyPatch, plain: np.ndarray, level: str
) -> None:
    use_level(monkeypatch, level)
    assert_alike(level, draw("FastCPU"), plain)


def test_threads_change_nothing() -> None:
    one = draw("FastCPU", threads=1)
    for threads in (2, 3):
        np.testing.assert_array_equal(draw("FastCPU", threads), one)


@pytest.mark.parametrize("level", ["off", "AVX2", "avx1024"])
def test_what_is_no_level_leaves_the_plain_cpu(monkeypatch: pytest.MonkeyPatch, level: str) -> None:
    monkeypatch.setenv("GPUSTACK_DRAW_CPU", level)
    assert [device.name for device in cpus()] == ["CPU"]
    with gpustack_draw.load("demo", device="FastCPU") as model, pytest.raises(UsageError) as caught:
        model.generate("a red circle")
    assert caught.value.message == "no device named 'FastCPU'"


def test_a_picture_for_which_only_its_memory_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available_memory", lambda: 500_000_000)
    with gpustack_draw.load("demo", device="FastCPU") as model:
        assert model.generate("a red circle", size=(512, 512), sample_steps=1).size == (512, 512)
    with gpustack_draw.load("demo", device="CPU") as model, pytest.raises(NotEnoughMemoryError):
        model.generate("a red circle", size=(512, 512), sample_steps=1)
