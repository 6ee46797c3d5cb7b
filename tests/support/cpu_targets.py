"""Targets of the FastCPU backend, and a comparison of pictures."""

import platform
from pathlib import Path

import numpy as np
import pytest

import gpustack_draw

IS_ARM = platform.machine() == "aarch64"
# Best first.
TARGETS = ("neon_bf16", "neon") if IS_ARM else ("amx_bf16", "avx512_bf16", "avx512", "avx2")

needs_fast_cpu = [
    pytest.mark.engine,
    pytest.mark.skipif(
        not IS_ARM
        and (platform.machine() != "x86_64" or " avx2 " not in Path("/proc/cpuinfo").read_text()),
        reason="needs an x86-64 CPU with AVX2, or Arm64 with Linux",
    ),
]


def cpus() -> list[gpustack_draw.Device]:
    return [device for device in gpustack_draw.devices() if device.type == "cpu"]


def target_in_use() -> str:
    return cpus()[0].description.rpartition(", ")[2]


def use_target(monkeypatch: pytest.MonkeyPatch, target: str) -> None:
    if TARGETS.index(target) < TARGETS.index(target_in_use()):
        pytest.skip(f"this CPU has no {target}")
    monkeypatch.setenv("GPUSTACK_DRAW_CPU", target)
    assert target_in_use() == target


def assert_alike(target: str, picture: np.ndarray, plain: np.ndarray) -> None:
    """Check the PSNR that a target promises; bf16 targets are less exact."""
    error = np.mean((picture - plain) ** 2)
    decibels = 10 * np.log10(255**2 / max(error, 1e-9))
    assert decibels >= (30 if target.endswith("bf16") else 40)
