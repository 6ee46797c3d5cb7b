"""The levels of instructions of our own backend for CPUs, and how alike two pictures are."""

import platform
from pathlib import Path

import numpy as np
import pytest

import gpustack_draw

LEVELS = ("amx_bf16", "avx512_bf16", "avx512", "avx2")  # the best first

needs_fast_cpu = [
    pytest.mark.engine,
    pytest.mark.skipif(
        platform.machine() != "x86_64" or " avx2 " not in Path("/proc/cpuinfo").read_text(),
        reason="needs an x86-64 CPU with AVX2",
    ),
]


def cpus() -> list[gpustack_draw.Device]:
    return [device for device in gpustack_draw.devices() if device.type == "cpu"]


def level_in_use() -> str:
    return cpus()[0].description.rpartition(", ")[2]


def use_level(monkeypatch: pytest.MonkeyPatch, level: str) -> None:
    if LEVELS.index(level) < LEVELS.index(level_in_use()):
        pytest.skip(f"this CPU has no {level}")
    monkeypatch.setenv("GPUSTACK_DRAW_CPU", level)
    assert level_in_use() == level


def assert_alike(level: str, picture: np.ndarray, plain: np.ndarray) -> None:
    """As a level promises: what multiplies in bf16 may differ more."""
    error = np.mean((picture - plain) ** 2)
    decibels = 10 * np.log10(255**2 / max(error, 1e-9))
    assert decibels >= (30 if level.endswith("bf16") else 40)
