"""Pictures as input, drawn by the demo model: image-to-image, masks and references."""

import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from picture_checker import read_picture
from PIL import Image

import gpustack_draw
from gpustack_draw.engine.local_engine import LocalEngine
from gpustack_draw.errors import EngineCrashed
from gpustack_draw.inputs.engine_pictures import EnginePictures
from gpustack_draw.progress.progress import Progress
from gpustack_draw.request.draw_request import DrawRequest

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
    engine: LocalEngine, prompt: str, *, steps: int = 4, side: int = SIDE, **options: Any
) -> Pixels:
    request = DrawRequest(prompt=prompt, size=(side, side), sample_steps=steps, seed=1)
    (picture,) = engine.generate(request, **options)
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
    drawn = draw(
        engine, STAR, steps=8, pictures=EnginePictures(image=circle), strength=0.9,
        on_progress=progress.append,
    )  # fmt: skip
    assert objects(drawn) == [("green", "star")]
    assert read_picture(Image.fromarray(drawn)).background == "blue"
    assert list(dict.fromkeys(each.phase for each in progress)) == [
        *("load", "encode_pictures", "encode", "sample", "decode")
    ]
    assert {each.total for each in progress if each.phase == "sample"} == {7}
    # The picture had an influence, and the same seed draws the same.
    assert difference(drawn, draw(engine, STAR, steps=8))[1] > 0
    again = draw(engine, STAR, steps=8, pictures=EnginePictures(image=circle), strength=0.9)
    assert np.array_equal(drawn, again)


def test_strength_0_and_1(engine: LocalEngine, circle: Pixels) -> None:
    pictures = EnginePictures(image=circle)
    assert difference(draw(engine, STAR, pictures=pictures, strength=0.0), circle)[0] < 1
    redrawn = draw(engine, STAR, pictures=pictures, strength=1.0)
    assert np.array_equal(redrawn, draw(engine, STAR))


def test_a_low_strength_keeps_the_object(engine: LocalEngine, circle: Pixels) -> None:
    drawn = draw(engine, STAR, pictures=EnginePictures(image=circle), strength=0.1)
    assert [name for _color, name in objects(drawn)] == ["circle"]


def test_a_mask_limits_the_change(engine: LocalEngine, circle: Pixels) -> None:
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[:, : SIDE // 2] = 255
    pictures = EnginePictures(image=circle, mask=mask)
    prompt = "a green star left on a blue background"
    drawn = draw(engine, prompt, steps=8, pictures=pictures, strength=0.9)
    assert difference(drawn[:, SIDE // 2 :], circle[:, SIDE // 2 :])[0] < 3
    assert difference(drawn[:, : SIDE // 2], circle[:, : SIDE // 2])[0] > 10


def test_references_reach_the_network(engine: LocalEngine, circle: Pixels) -> None:
    plain = draw(engine, STAR)
    small = np.ascontiguousarray(circle[:64, :96])
    for references in [(circle,), (circle, small, circle)]:
        drawn = draw(engine, STAR, pictures=EnginePictures(references=references))
        assert difference(drawn, plain)[0] > 1


def test_drawings_without_pictures_do_not_reload(circle: Pixels) -> None:
    engine = open_engine(in_process=True)
    phases: list[str] = []

    def draw_phases(**options: Any) -> set[str]:
        phases.clear()
        draw(engine, STAR, steps=1, on_progress=lambda each: phases.append(each.phase), **options)
        return set(phases)

    pictures = EnginePictures(image=circle)
    assert "load" in draw_phases()
    assert "load" in draw_phases(pictures=pictures)  # with the encoder
    assert "load" not in draw_phases(pictures=pictures)
    assert "load" not in draw_phases()
    engine.close()


@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGINT])
def test_the_end_of_an_encoding(signal_number: signal.Signals) -> None:
    engine = open_engine()
    large = EnginePictures(references=(np.zeros((768, 768, 3), np.uint8),))
    stopped: list[str] = []

    def stop(progress: Progress) -> None:
        if progress.phase == "encode_pictures" and not stopped:
            stopped.append(progress.phase)
            if signal_number == signal.SIGKILL:
                os.kill(engine._engine.pid, signal_number)  # type: ignore[union-attr,arg-type]
            else:
                threading.Timer(0.1, os.kill, (os.getpid(), signal_number)).start()

    killed = signal_number == signal.SIGKILL
    with pytest.raises(EngineCrashed if killed else KeyboardInterrupt):
        draw(engine, STAR, pictures=large, on_progress=stop)
    assert stopped == ["encode_pictures"]
    assert draw(engine, STAR, steps=1).shape == (SIDE, SIDE, 3)
    engine.close()


def test_ctrl_c_stops_within_an_encoding_in_this_process() -> None:
    engine = open_engine(in_process=True, threads=1)
    large = EnginePictures(references=(np.zeros((768, 768, 3), np.uint8),) * 3)
    phases: list[str] = []

    def interrupt(progress: Progress) -> None:
        phases.append(progress.phase)
        if phases.count("encode_pictures") == 1:
            threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()

    with pytest.raises(KeyboardInterrupt):
        draw(engine, STAR, pictures=large, on_progress=interrupt)
    assert phases[-1] == "encode_pictures"
    engine.close()
