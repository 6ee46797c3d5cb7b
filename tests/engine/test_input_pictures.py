"""Pictures as input, drawn by the demo model: image-to-image, masks and references."""

import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from picture_checker import read_picture
from PIL import Image

import gpustack_draw
from gpustack_draw.cli.main import main
from gpustack_draw.engine.local_engine import LocalEngine
from gpustack_draw.errors import EngineCrashed
from gpustack_draw.progress.callbacks import ProgressFunction
from gpustack_draw.progress.progress import Progress
from gpustack_draw.request.draw_request import DrawRequest
from gpustack_draw.request.picture_options import PictureOptions

pytestmark = pytest.mark.engine

Pixels = NDArray[np.uint8]
SIDE = 128
CIRCLE = "a red circle on a blue background"
STAR = "a green star on a blue background"


def open_engine(**options: Any) -> LocalEngine:
    engine = gpustack_draw.load("demo", **options)._engine
    assert isinstance(engine, LocalEngine)
    return engine


@pytest.fixture(scope="module")
def engine() -> Iterator[LocalEngine]:
    opened = open_engine()
    yield opened
    opened.close()


def draw(
    engine: LocalEngine,
    prompt: str,
    *,
    steps: int = 4,
    size: tuple[int, int] | None = (SIDE, SIDE),
    sigmas: tuple[float, ...] | None = None,
    on_progress: ProgressFunction | None = None,
    **pictures: Any,
) -> Pixels:
    request = DrawRequest(
        prompt=prompt,
        size=size,
        sample_steps=steps if sigmas is None else None,
        sigmas=sigmas,
        seed=1,
        pictures=PictureOptions(**pictures),
    )
    (picture,) = engine.generate(request, on_progress)
    return np.asarray(picture)


@pytest.fixture(scope="module")
def circle(engine: LocalEngine) -> Pixels:
    return draw(engine, CIRCLE)


def objects(pixels: Pixels) -> list[tuple[str, str]]:
    return [(found.color, found.name) for found in read_picture(Image.fromarray(pixels)).objects]


def difference(one: Pixels, other: Pixels) -> tuple[float, int]:
    """Return the mean and the maximum difference."""
    levels = np.abs(one.astype(int) - other.astype(int))
    return float(levels.mean()), int(levels.max())


def test_image_to_image_changes_the_object(engine: LocalEngine, circle: Pixels) -> None:
    progress: list[Progress] = []
    drawn = draw(engine, STAR, steps=8, image=circle, strength=0.9, on_progress=progress.append)
    assert objects(drawn) == [("green", "star")]
    assert read_picture(Image.fromarray(drawn)).background == "blue"
    assert list(dict.fromkeys(each.phase for each in progress)) == [
        *("load", "encode_pictures", "encode", "sample", "decode")
    ]
    assert {each.total for each in progress if each.phase == "sample"} == {7}
    assert {each.mode for each in progress} == {"img2img"}
    # The picture had an influence, and the same seed draws the same.
    assert difference(drawn, draw(engine, STAR, steps=8))[1] > 0
    again = draw(engine, STAR, steps=8, size=None, image=circle, strength=0.9)
    assert np.array_equal(drawn, again)


def test_strength_0_and_1(engine: LocalEngine, circle: Pixels) -> None:
    assert difference(draw(engine, STAR, image=circle, strength=0), circle)[0] < 1
    redrawn = draw(engine, STAR, image=circle, strength=1)
    assert np.array_equal(redrawn, draw(engine, STAR))


def test_a_low_strength_keeps_the_object(engine: LocalEngine, circle: Pixels) -> None:
    drawn = draw(engine, STAR, image=circle, strength=0.1)
    assert [name for _color, name in objects(drawn)] == ["circle"]


def test_only_the_mask_and_its_blur_change(engine: LocalEngine, circle: Pixels) -> None:
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[:, : SIDE // 2] = 255
    options = {"image": circle, "strength": 0.9, "steps": 8}
    prompt = "a green star left on a blue background"
    drawn = draw(engine, prompt, mask=mask, mask_blur=0, **options)
    assert np.array_equal(drawn[:, SIDE // 2 :], circle[:, SIDE // 2 :])
    assert ("green", "star") in objects(drawn)
    blurred = draw(engine, prompt, mask=mask, mask_blur=8, **options)
    assert np.array_equal(blurred[:, SIDE // 2 + 16 :], circle[:, SIDE // 2 + 16 :])
    assert not np.array_equal(blurred, drawn)
    other = draw(engine, prompt, mask=mask, mask_blur=0, mask_invert=True, **options)
    assert np.array_equal(other[:, : SIDE // 2], circle[:, : SIDE // 2])
    assert not np.array_equal(other[:, SIDE // 2 :], circle[:, SIDE // 2 :])


def test_an_expanded_picture_keeps_its_pixels(engine: LocalEngine, circle: Pixels) -> None:
    drawn = draw(engine, CIRCLE, size=None, image=circle, expand="0,32,0,64", mask_blur=0)
    assert drawn.shape == (SIDE, SIDE + 96, 3)
    assert np.array_equal(drawn[:, 64 : 64 + SIDE], circle)
    assert len(np.unique(drawn[:, :64].reshape(-1, 3), axis=0)) > 1


def test_a_masked_area_that_is_drawn_alone(engine: LocalEngine) -> None:
    """The picture keeps its size, which is no multiple of what the model needs."""
    large = np.full((300, 500, 3), (40, 80, 220), np.uint8)
    mask = np.zeros((300, 500), np.uint8)
    mask[60:160, 100:200] = 255
    request = DrawRequest(
        prompt=STAR,
        sample_steps=4,
        seed=1,
        pictures=PictureOptions(image=large, mask=mask, masked_only=16, strength=1),
    )
    sizes: set[tuple[int, int]] = set()

    def on_progress(progress: Progress) -> None:
        if progress.preview is not None:
            sizes.add((progress.preview.width, progress.preview.height))

    (picture,) = engine.generate(request, on_progress, preview=True)
    drawn = np.asarray(picture)
    assert drawn.shape == large.shape
    assert (picture.settings.width, picture.settings.height) == (256, 256)
    assert sizes == {(256, 256)}
    outside = np.ones((300, 500), bool)
    outside[52:168, 92:208] = False
    assert np.array_equal(drawn[outside], large[outside])
    assert not np.array_equal(drawn, large)
    assert picture.before is not None
    assert np.array_equal(np.asarray(picture.before), large)


def test_references_reach_the_network(engine: LocalEngine, circle: Pixels) -> None:
    plain = draw(engine, STAR)
    small = np.ascontiguousarray(circle[:64, :96])
    for options in [{"image": circle}, {"ref_image": circle}, {"ref_image": [circle, small]}]:
        assert difference(draw(engine, STAR, **options), plain)[0] > 1


def test_drawings_without_pictures_do_not_reload(circle: Pixels) -> None:
    engine = open_engine(in_process=True)
    phases: list[str] = []

    def draw_phases(**pictures: Any) -> set[str]:
        phases.clear()
        draw(engine, STAR, steps=1, on_progress=lambda each: phases.append(each.phase), **pictures)
        return set(phases)

    assert "load" in draw_phases()
    assert "load" in draw_phases(image=circle)  # with the encoder
    assert "load" not in draw_phases(image=circle)
    assert "load" not in draw_phases()
    engine.close()


@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGINT])
def test_the_end_of_an_encoding(signal_number: signal.Signals) -> None:
    engine = open_engine()
    stopped: list[str] = []

    def stop(progress: Progress) -> None:
        if progress.phase == "encode_pictures" and not stopped:
            stopped.append(progress.phase)
            if signal_number == signal.SIGKILL:
                os.kill(engine._engine.pid, signal_number)  # type: ignore[union-attr,arg-type]
            else:
                threading.Timer(0.1, os.kill, (os.getpid(), signal_number)).start()

    killed = signal_number == signal.SIGKILL
    large = np.zeros((768, 768, 3), np.uint8)
    with pytest.raises(EngineCrashed if killed else KeyboardInterrupt):
        draw(engine, STAR, size=(768, 768), image=large, on_progress=stop)
    assert stopped == ["encode_pictures"]
    assert draw(engine, STAR, steps=1).shape == (SIDE, SIDE, 3)
    engine.close()


def test_ctrl_c_stops_within_an_encoding_in_this_process() -> None:
    engine = open_engine(in_process=True, threads=1)
    phases: list[str] = []

    def interrupt(progress: Progress) -> None:
        phases.append(progress.phase)
        if phases.count("encode_pictures") == 1:
            threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()

    large = np.zeros((1024, 1024, 3), np.uint8)
    with pytest.raises(KeyboardInterrupt):
        draw(engine, STAR, size=(1024, 1024), image=large, on_progress=interrupt)
    assert phases[-1] == "encode_pictures"
    engine.close()


def test_the_command_draws_a_picture_again_from_its_record(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Cropped, with a mask, drawn alone: all of it follows from the record and the same files."""
    monkeypatch.chdir(tmp_path)
    noise = np.random.default_rng(1).integers(0, 256, (200, 301, 3), np.uint8)
    Image.fromarray(noise).save("photo.png")
    Image.fromarray(noise[:, :, 0] & 128).convert("1").save("mask.png")
    quick = ["--sample-steps", "1", "--quiet"]
    inputs = ["-i", "photo.png", "--mask", "mask.png"]
    for use in (["--masked-only=8", "--mask-blur", "2", "--mask-invert"], ["--expand", "0,9,0,0"]):
        assert main(["demo", STAR, *inputs, *use, *quick, "--json", "--output", "one.png"]) == 0
        record = json.loads(capsys.readouterr().out)
        assert (record["mode"], record["strength"]) == ("inpaint", 0.75)
        with Image.open("one.png") as image:
            assert image.size == (record["width"], record["height"])
        assert main(["--from", "one.png", *inputs, "--quiet", "--output", "two.png"]) == 0
        assert Path("one.png").read_bytes() == Path("two.png").read_bytes()
        assert b"photo" not in Path("one.png").read_bytes()
        capsys.readouterr()


def test_noise_levels_run_as_many_steps_as_the_strength_leaves(engine: LocalEngine) -> None:
    circle = draw(engine, CIRCLE, sigmas=(1, 0.9, 0.7, 0.4, 0))
    reports: list[Progress] = []
    options: dict[str, Any] = {"image": circle, "on_progress": reports.append}
    half = draw(engine, STAR, sigmas=(1, 0.9, 0.7, 0.4, 0), strength=0.5, **options)
    assert {report.total for report in reports if report.phase == "sample"} == {2}
    same = draw(engine, STAR, sigmas=(0.7, 0.4, 0), strength=1, **options)
    assert (half == same).all()
    assert (half != circle).any()
