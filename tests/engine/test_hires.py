"""A second pass, drawn by the demo model: 128x128 becomes 256x256."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from picture_checker import read_picture
from PIL import Image
from upscaling_models import random_weights, write_weights

import gpustack_draw
from gpustack_draw.cli.main import main
from gpustack_draw.engine.core_engine import CoreEngine
from gpustack_draw.model import Model
from gpustack_draw.pictures.picture import Picture
from gpustack_draw.progress.progress import Progress
from gpustack_draw.request.draw_request import DrawRequest, request_of
from gpustack_draw.request.names import LATENT_UPSCALERS
from gpustack_draw.request.web_ui_names import HIRES_UPSCALER_TITLES

pytestmark = pytest.mark.engine

Pixels = NDArray[np.uint8]
SIDE = 128
CIRCLE = "a red circle on a blue background"


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    with gpustack_draw.load("demo") as loaded:
        yield loaded


def request(**options: Any) -> DrawRequest:
    return request_of({"prompt": CIRCLE, "size": (SIDE, SIDE), "seed": 1, **options})


def draw(model: Model, on_progress: Any = None, **options: Any) -> Picture:
    (picture,) = model.draw(request(**options), on_progress, preview=on_progress is not None)
    return picture


@pytest.fixture(scope="module")
def enlarged(model: Model) -> Pixels:
    """The first pass, enlarged without a second one."""
    image = draw(model).to_image().resize((2 * SIDE, 2 * SIDE), Image.Resampling.LANCZOS)
    return np.asarray(image)


def place(pixels: Pixels) -> NDArray[np.bool_]:
    """Return where the red object is."""
    red, _green, blue = np.moveaxis(pixels.astype(int), 2, 0)
    return np.asarray(red > blue)


def overlap(one: Pixels, other: Pixels) -> float:
    """Return the intersection of the objects over their union."""
    first, second = place(one), place(other)
    return float((first & second).sum() / (first | second).sum())


def sharpness(pixels: Pixels) -> float:
    """Return the mean square of the differences of neighbors."""
    return float((np.diff(pixels.astype(float).mean(axis=2), axis=1) ** 2).mean())


@pytest.mark.parametrize("upscaler", ["lanczos", "latent"])
def test_the_same_object_at_the_same_place_and_sharper(
    model: Model, enlarged: Pixels, upscaler: str
) -> None:
    progress: list[Progress] = []
    picture = draw(model, progress.append, hires=2, hires_upscaler=upscaler)
    drawn = np.asarray(picture)
    assert drawn.shape == enlarged.shape
    (found,) = read_picture(picture.to_image()).objects
    assert (found.color, found.name) == ("red", "circle")
    assert overlap(drawn, enlarged) > 0.9
    assert sharpness(drawn) > 1.3 * sharpness(enlarged)
    _check_progress(progress)
    assert picture.settings.hires is not None
    assert (picture.settings.width, picture.settings.hires.width) == (SIDE, 2 * SIDE)


def _check_progress(progress: list[Progress]) -> None:
    sampling = [(each.step, each.total, each.mode) for each in progress if each.phase == "sample"]
    assert sampling == [
        *((step, 8, "txt2img") for step in range(5)),
        *((step, 8, "hires") for step in range(4, 9)),
    ]
    sizes = [each.preview.width for each in progress if each.preview is not None]
    assert sizes == [SIDE] * 4 + [2 * SIDE] * 4
    assert (progress[-1].phase, progress[-1].step, progress[-1].mode) == ("decode", 1, "hires")


def test_strength_0_only_enlarges(model: Model, enlarged: Pixels) -> None:
    drawn = np.asarray(draw(model, hires=2, hires_strength=0))
    assert np.abs(drawn.astype(int) - enlarged).mean() < 2  # through the autoencoder
    nearest = np.asarray(draw(model, hires=2, hires_strength=0, hires_upscaler="nearest"))
    assert not np.array_equal(nearest, drawn)


def test_an_upscaling_model_enlarges_the_first_pass(
    model: Model, enlarged: Pixels, tmp_path: Path
) -> None:
    path = write_weights(tmp_path / "2x-Test.safetensors", random_weights(1, 2, seed=1))
    progress: list[Progress] = []
    picture = draw(
        model, progress.append, hires=2, hires_upscaler=path, hires_strength=0, sample_steps=1
    )
    drawn = np.asarray(picture).astype(int)
    assert drawn.shape == enlarged.shape
    assert "upscale" in {each.phase for each in progress}
    assert picture.settings.hires is not None
    assert picture.settings.hires.upscaler == "2x-Test"
    first = np.asarray(draw(model, sample_steps=1))
    with gpustack_draw.load("demo") as other:
        made = other._engine._engine.upscale(  # type: ignore[attr-defined]
            memoryview(first), model=str(path)
        )
    expected = np.asarray(made.pixels).reshape(drawn.shape).astype(int)
    plain = Image.fromarray(first).resize((2 * SIDE, 2 * SIDE), Image.Resampling.LANCZOS)
    # Through the autoencoder, which does not keep every detail of noise.
    assert np.abs(drawn - expected).mean() < np.abs(drawn - np.asarray(plain)).mean() / 2


def test_options_change_the_picture(model: Model) -> None:
    plain = np.asarray(draw(model, hires=2))
    for options in ({"hires_steps": 2}, {"hires_strength": 0.9}):
        assert not np.array_equal(np.asarray(draw(model, hires=2, **options)), plain)


def test_a_mask_keeps_the_enlarged_picture_around_it(model: Model) -> None:
    photo = np.full((SIDE, SIDE, 3), (40, 80, 220), np.uint8)
    photo[::4] = 0
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[:, : SIDE // 2] = 255
    drawn = np.asarray(draw(model, image=photo, mask=mask, mask_blur=0, size=None, hires=2))
    expected = Image.fromarray(photo).resize((2 * SIDE, 2 * SIDE), Image.Resampling.LANCZOS)
    border = SIDE + 8  # Lanczos' method reaches six pixels far
    assert np.array_equal(drawn[:, border:], np.asarray(expected)[:, border:])
    assert not np.array_equal(drawn[:, :SIDE], np.asarray(expected)[:, :SIDE])


@pytest.mark.parametrize("upscaler", ["lanczos", "latent"])
def test_ctrl_c_stops_the_second_pass(model: Model, upscaler: str) -> None:
    seen: list[Progress] = []

    def interrupt(progress: Progress) -> None:
        seen.append(progress)
        if progress.phase == "sample" and progress.mode == "hires" and progress.step == 5:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        draw(model, interrupt, hires=2, hires_upscaler=upscaler)
    assert (seen[-1].mode, seen[-1].step, seen[-1].total) == ("hires", 5, 8)
    assert np.asarray(draw(model, sample_steps=1)).shape == (SIDE, SIDE, 3)


def test_the_engine_has_every_latent_upscaler() -> None:
    """The name is checked before the strength, which is wrong here."""
    engine = CoreEngine()
    demo = gpustack_draw.load("demo").resolved
    assert demo is not None
    engine.load(
        files={file.component: str(file.path) for file in demo.files}, threads=1, device="auto"
    )
    settings = {"prompt": "", "width": 16, "height": 16, "sampler": "euler"}
    settings |= {"scheduler": "discrete", "seed": 1, "sample_steps": 1}
    numbers = {"hires_width": 32, "hires_height": 32, "hires_steps": 1, "hires_strength": 0}
    for name in LATENT_UPSCALERS:
        with pytest.raises(ValueError, match=r"^hires_strength is 0\.000000"):
            engine.draw(
                settings=settings, numbers=numbers, hires_upscaler=HIRES_UPSCALER_TITLES[name]
            )
    engine.close()


def test_the_command_draws_it_again_from_its_record(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["demo", CIRCLE, "--size", "64x32", "--sample-steps", "1", "--seed", "3", "--hires=1.5"]
    assert main([*words, "--hires-strength", "0.7", "--dry-run"]) == 0
    lines = capsys.readouterr().out.splitlines()
    settings = next(line for line in lines if line.startswith("settings:"))
    assert settings.endswith(
        "64x32 (native: 256x256), hires 96x48 (lanczos, 4 steps, strength 0.7)"
    )
    assert main([*words, "--hires-strength", "0.7", "--json", "-q", "--output", "one.png"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["width"], record["height"]) == (96, 48)
    assert record["hires"] == {
        "scale": 1.5, "width": 96, "height": 48, "upscaler": "lanczos", "steps": 4, "strength": 0.7,
        "reference": "",
    }  # fmt: skip
    assert main(["--from", "one.png", "-q", "--output", "two.png"]) == 0
    assert Path("one.png").read_bytes() == Path("two.png").read_bytes()
