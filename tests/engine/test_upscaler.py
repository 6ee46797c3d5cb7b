"""Upscaling by the engine matches the definition of RRDBNet, in NumPy and double precision."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from cpu_targets import TARGETS, use_target
from upscaling_models import (
    old_names,
    random_weights,
    real_weights,
    trunk_names,
    upscale,
    write_weights,
)

from gpustack_draw.engine.core_engine import CoreEngine
from gpustack_draw.engine.process import EngineProcess
from gpustack_draw.engine.results import EngineProgress
from gpustack_draw.errors import EngineCrashed, ModelFileError, UsageError

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def engine() -> Iterator[EngineProcess]:
    engine = EngineProcess()
    yield engine
    engine.close()


def noise(width: int, height: int) -> np.ndarray:
    random = np.random.default_rng(7)
    return random.integers(0, 256, (height, width, 3), dtype=np.uint8)


def run(engine: EngineProcess, model: Path, picture: np.ndarray, **options: object) -> np.ndarray:
    result = engine.upscale(picture.data, model=str(model), threads=2, **options)
    return np.frombuffer(result.pixels, np.uint8).reshape(result.height, result.width, 3)


def assert_equals(found: np.ndarray, expected: np.ndarray) -> None:
    difference = np.abs(found.astype(int) - expected)
    assert difference.max() <= 1
    assert difference.mean() <= 0.1


@pytest.mark.parametrize("name", ["new.safetensors", "old.pth", "trunk.pt", "nested.gguf"])
@pytest.mark.parametrize("scale", [1, 2, 4])
def test_random_networks(engine: EngineProcess, tmp_path: Path, scale: int, name: str) -> None:
    weights = random_weights(blocks=2, scale=scale, seed=scale)
    picture = noise(11, 8)
    expected = upscale(weights, picture)
    if name.startswith("old"):
        weights = old_names(weights)
    elif name.startswith("trunk"):
        weights = trunk_names(weights)
    elif name.startswith("nested"):
        weights = {f"params_ema.{each}": array for each, array in weights.items()}
    model = write_weights(tmp_path / name, weights)
    for device in ("auto", "CPU"):
        assert_equals(run(engine, model, picture, device=device), expected)


@pytest.mark.parametrize("target", TARGETS)
def test_no_target_of_fast_cpu_multiplies_in_bf16(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, target: str
) -> None:
    """In bf16, RealESRGAN_x4plus was off by up to 7 levels."""
    use_target(monkeypatch, target)
    weights = random_weights(blocks=3, scale=1, seed=9)
    model = write_weights(tmp_path / "model.safetensors", weights)
    engine = EngineProcess()
    found = run(engine, model, noise(11, 8), device="FastCPU")
    engine.close()
    difference = np.abs(found.astype(int) - upscale(weights, noise(11, 8)))
    assert difference.mean() < 0.01  # 0.28 in bf16


@pytest.mark.parametrize("name", ["realesrgan-x4plus", "realesrgan-x4plus-anime"])
def test_real_weights(engine: EngineProcess, tmp_path: Path, name: str) -> None:
    weights = real_weights(name)
    model = write_weights(tmp_path / "model.safetensors", weights)
    picture = noise(12, 10)
    assert_equals(run(engine, model, picture), upscale(weights, picture))


def test_tiles_differ_little_from_the_whole_picture(engine: EngineProcess, tmp_path: Path) -> None:
    weights = random_weights(blocks=1, scale=1, seed=4)
    model = write_weights(tmp_path / "model.safetensors", weights)
    picture = noise(300, 8)  # two tiles
    found = run(engine, model, picture)
    # The network sees fewer pixels than the margin of the tiles.
    assert_equals(found[:, 120:180], upscale(weights, picture[:, 90:210])[:, 30:90])


def test_fast_cpu_reports_within_a_tile(engine: EngineProcess, tmp_path: Path) -> None:
    if "FastCPU" not in {device.name for device in engine.devices()}:
        pytest.skip("this CPU has no FastCPU")
    model = write_weights(tmp_path / "model.safetensors", random_weights(1, 2, seed=5))
    seen: list[EngineProgress] = []
    run(engine, model, noise(300, 8), on_progress=seen.append, device="FastCPU")
    steps = [each.step for each in seen if each.phase == "upscale"]
    assert {each.total for each in seen if each.phase == "upscale"} == {200}
    assert (steps[0], steps[-1]) == (0, 200)
    assert len(steps) > 20
    assert steps == sorted(set(steps))


def test_progress_and_the_loaded_model(engine: EngineProcess, tmp_path: Path) -> None:
    model = write_weights(tmp_path / "model.safetensors", random_weights(1, 2, seed=5))
    seen: list[EngineProgress] = []
    run(engine, model, noise(300, 8), on_progress=seen.append, device="CPU")
    assert [each.phase for each in seen][:1] == ["load"]
    assert [(each.step, each.total) for each in seen if each.phase == "upscale"] == [
        (0, 2),
        (1, 2),
        (2, 2),
    ]
    seen.clear()
    run(engine, model, noise(8, 8), on_progress=seen.append, device="CPU")
    assert [(each.phase, each.step, each.total) for each in seen] == [
        ("upscale", 0, 1),
        ("upscale", 1, 1),
    ]


def test_an_error_in_the_callback_and_a_crash_end_the_process_only(tmp_path: Path) -> None:
    model = write_weights(tmp_path / "model.safetensors", random_weights(1, 2, seed=5))
    engine = EngineProcess()

    def fail(progress: EngineProgress) -> None:
        if progress.phase == "upscale":
            raise LookupError("from the callback")

    def crash(progress: EngineProgress) -> None:
        if progress.phase == "upscale":
            assert engine.pid is not None
            os.kill(engine.pid, signal.SIGSEGV)

    with pytest.raises(LookupError, match="from the callback"):
        run(engine, model, noise(8, 8), on_progress=fail)
    with pytest.raises(EngineCrashed) as caught:
        run(engine, model, noise(64, 64), on_progress=crash)
    assert caught.value.message.startswith("the engine crashed (SIGSEGV)")
    assert run(engine, model, noise(8, 8)).shape == (16, 16, 3)
    engine.close()


def test_damaged_weights_and_an_unknown_device(engine: EngineProcess, tmp_path: Path) -> None:
    weights = random_weights(1, 2, seed=5)
    weights["conv_hr.weight"][0, 0, 0, 0] = np.nan
    model = write_weights(tmp_path / "model.safetensors", weights)
    with pytest.raises(ModelFileError) as caught:
        run(engine, model, noise(8, 8))
    assert caught.value.message == (
        "the model is damaged: tensor 'conv_hr.weight' contains NaN or infinity"
    )
    with pytest.raises(UsageError) as wrong:
        run(engine, model, noise(8, 8), device="cuda9")
    assert wrong.value.message == "no device named 'cuda9'"


def test_an_empty_picture_is_refused_in_this_process_too(tmp_path: Path) -> None:
    model = write_weights(tmp_path / "model.safetensors", random_weights(1, 1, seed=5))
    engine = CoreEngine()
    empty = np.zeros((0, 4, 3), np.uint8)
    with pytest.raises(ValueError, match=r"^the picture has no pixels: its size is 4x0$"):
        engine.upscale(empty.data, model=str(model))
    assert engine.upscale(noise(4, 3).data, model=str(model)).width == 4
