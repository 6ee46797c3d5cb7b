"""Whole pictures by our own backend for CPUs: as ggml's own code draws them, only faster.

What each kernel computes is tried in test_cpu_kernels.py.
"""

import platform
from pathlib import Path

import numpy as np
import pytest

import gpustack_draw
from gpustack_draw import memory
from gpustack_draw.errors import NotEnoughMemoryError, UsageError

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(
        platform.machine() != "x86_64" or " avx2 " not in Path("/proc/cpuinfo").read_text(),
        reason="needs an x86-64 CPU with AVX2",
    ),
]

LEVELS = ("amx_bf16", "avx512_bf16", "avx512", "avx2")


def draw(device: str, threads: int = 2) -> np.ndarray:
    with gpustack_draw.load("demo", device=device, threads=threads) as model:
        picture = model.generate("two green stars on a white background", seed=3)
    return np.asarray(picture).astype(float)


@pytest.fixture(scope="module")
def plain() -> np.ndarray:
    return draw("CPU")


def cpus() -> list[gpustack_draw.Device]:
    return [device for device in gpustack_draw.devices() if device.kind == "cpu"]


def level_in_use() -> str:
    return cpus()[0].description.rpartition(", ")[2]


def test_the_best_level_is_used_and_comes_before_ggml() -> None:
    assert level_in_use() in LEVELS
    assert [device.name for device in cpus()] == ["FastCPU", "CPU"]
    has_gpu = "gpu" in [device.kind for device in gpustack_draw.devices()]
    assert cpus()[0].used is not has_gpu


@pytest.mark.parametrize("level", LEVELS)
def test_the_same_picture_at_each_level(
    monkeypatch: pytest.MonkeyPatch, plain: np.ndarray, level: str
) -> None:
    if LEVELS.index(level) < LEVELS.index(level_in_use()):
        pytest.skip(f"this CPU has no {level}")
    monkeypatch.setenv("GPUSTACK_DRAW_CPU", level)
    assert level_in_use() == level
    error = np.mean((draw("FastCPU") - plain) ** 2)
    decibels = 10 * np.log10(255**2 / max(error, 1e-9))
    assert decibels >= (30 if level.endswith("bf16") else 40)


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
    assert caught.value.message == "'FastCPU' is no device of this machine"


def test_a_picture_for_which_only_its_memory_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available_memory", lambda: 500_000_000)
    with gpustack_draw.load("demo", device="FastCPU") as model:
        assert model.generate("a red circle", size=(512, 512), sample_steps=1).size == (512, 512)
    with gpustack_draw.load("demo", device="CPU") as model, pytest.raises(NotEnoughMemoryError):
        model.generate("a red circle", size=(512, 512), sample_steps=1)
