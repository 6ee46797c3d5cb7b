"""Stable Diffusion 1.5 with random weights: FastCPU and ggml draw the same picture."""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from cpu_targets import TARGETS, assert_alike, needs_fast_cpu, use_target

import gpustack_draw

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

from compare_cpu.job import Job
from compare_cpu.weights import model_file, prepare

pytestmark = [*needs_fast_cpu, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return the f16 file of benchmarks/compare_cpu: two gigabytes, written once."""
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


@pytest.mark.parametrize("target", TARGETS)
def test_the_same_picture_on_each_target(
    monkeypatch: pytest.MonkeyPatch, weights: Path, plain: np.ndarray, target: str
) -> None:
    use_target(monkeypatch, target)
    picture = draw(weights, "FastCPU")
    assert plain.std() > 20  # the picture is not blank
    assert_alike(target, picture, plain)
    assert np.abs(picture - plain).max() <= (16 if target.endswith("bf16") else 3)
