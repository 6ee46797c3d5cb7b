"""Stable Diffusion 1.5 as a whole, its weights random: as ggml's own code draws it, only faster."""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import gpustack_draw
from test_fast_cpu import LEVELS, level_in_use
from test_fast_cpu import pytestmark as needs_fast_cpu

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

from compare_cpu.job import Job
from compare_cpu.weights import model_file, prepare

pytestmark = [*needs_fast_cpu, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The f16 file that benchmarks/compare_cpu draws with: two gigabytes, kept for these tests."""
    folder = tmp_path_factory.mktemp("weights")
    prepare(Job("ours", "f16", "sd15", 128, 1, 7.0, 2, str(folder), "sd-cli"))
    path = model_file(folder, "sd15", "f16")
    yield path
    path.unlink()


def draw(weights: Path, device: str) -> np.ndarray:
    with gpustack_draw.load(str(weights), device=device, threads=2) as model:
        picture = model.generate(
            "a cat", negative_prompt="a dog", size=(128, 128), sample_steps=2, cfg_scale=7, seed=3
        )
    return np.asarray(picture).astype(float)


@pytest.fixture(scope="module")
def plain(weights: Path) -> np.ndarray:
    return draw(weights, "CPU")


@pytest.mark.parametrize("level", LEVELS)
def test_the_same_picture_at_each_level(
    monkeypatch: pytest.MonkeyPatch, weights: Path, plain: np.ndarray, level: str
) -> None:
    if LEVELS.index(level) < LEVELS.index(level_in_use()):
        pytest.skip(f"this CPU has no {level}")
    monkeypatch.setenv("GPUSTACK_DRAW_CPU", level)
    difference = np.abs(draw(weights, "FastCPU") - plain)
    decibels = 10 * np.log10(255**2 / max(np.mean(difference**2), 1e-9))
    is_bf16 = level.endswith("bf16")
    assert plain.std() > 20  # there is something to see
    assert decibels >= (30 if is_bf16 else 40)
    assert difference.max() <= (16 if is_bf16 else 3)
