"""Pictures that are drawn, and not enlarged: they are saved as they were drawn."""

import json
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from upscaling_models import old_names, random_weights, write_weights

import gpustack_draw
from gpustack_draw.cli.main import main
from gpustack_draw.engine.process import EngineProcess
from gpustack_draw.errors import EngineCrashed
from gpustack_draw.pictures.not_enlarged import NotEnlargedError, drawn_before
from gpustack_draw.progress.progress import Progress

pytestmark = pytest.mark.engine

PROMPT = "a red circle on a blue background"
DRAW = ["demo", PROMPT, "--seed", "7", "--size", "128x128", "--sample-steps", "1"]
OPTIONS: dict[str, Any] = {"seed": 7, "size": (128, 128), "sample_steps": 1}
WEIGHTS = random_weights(blocks=1, scale=2, seed=1)
DAMAGE = "the model is damaged: tensor 'model.7.weight' contains NaN or infinity"
NOT_ENLARGED = f"the picture was drawn, but not enlarged: {DAMAGE}"
NOT_DRAWN_AGAIN = "the first pass was drawn, but not the second one"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make the current folder an empty one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def expected() -> Image.Image:
    """Draw the picture that has to be saved."""
    return gpustack_draw.generate("demo", PROMPT, **OPTIONS)


@pytest.fixture
def damaged() -> str:
    """Write an upscaling model whose damage the engine finds when it loads it."""
    weights = {**WEIGHTS, "conv_last.weight": WEIGHTS["conv_last.weight"] * np.nan}
    write_weights(Path("damaged.pth"), old_names(weights))
    return "damaged.pth"


@pytest.fixture(scope="module")
def model() -> Iterator[gpustack_draw.Model]:
    with gpustack_draw.load("demo") as loaded:
        yield loaded


def assert_saved(path: str, expected: Image.Image) -> None:
    with Image.open(path) as image:
        assert image.tobytes() == expected.tobytes()
        assert image.info["parameters"] == expected.info["parameters"]


def test_a_drawing_that_is_not_enlarged_is_saved_as_drawn(
    damaged: str, expected: Image.Image, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = [*DRAW, "--json"]
    assert main([*plain, "-o", "plain.png"]) == 0
    plain_record = json.loads(capsys.readouterr().out)
    assert main([*plain, "--count", "2", "--upscale", damaged, "-o", "large.png"]) == 1
    output = capsys.readouterr()
    (line,) = output.out.splitlines()
    record = json.loads(line)
    assert record["path"] == "large-1.png"
    unlike = {"path": "", "seconds": {}}
    assert {**record, **unlike} == {**plain_record, **unlike}
    assert_saved("large-1.png", expected)
    assert output.err.splitlines()[-2:] == [
        f"gpustack-draw: {NOT_ENLARGED}",
        "gpustack-draw: download the file again, or use another one",
    ]
    assert not Path("large-2.png").exists()


def test_the_error_of_a_drawing_that_is_not_enlarged_has_the_picture(
    damaged: str, expected: Image.Image
) -> None:
    with pytest.raises(NotEnlargedError) as caught:
        gpustack_draw.generate("demo", PROMPT, **OPTIONS, upscale=damaged)
    error = pickle.loads(pickle.dumps(caught.value))  # as a pool of processes sends it
    assert (error.message, error.argument) == (NOT_ENLARGED, "upscale")
    image = error.picture.to_image()
    assert image.tobytes() == expected.tobytes()
    assert image.info["parameters"] == expected.info["parameters"]


@pytest.mark.parametrize(
    ("number", "status", "reason"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")],
)
def test_a_drawing_whose_upscaling_is_interrupted_is_saved_as_drawn(
    number: signal.Signals, status: int, reason: str, expected: Image.Image
) -> None:
    # Enlarging 128x128 pixels with 23 blocks takes seconds.
    write_weights(Path("slow.pth"), old_names(random_weights(blocks=23, scale=4, seed=1)))
    errors = interrupt([*DRAW, "--upscale", "slow.pth"], "upscaling", number, status)
    assert errors[-2:] == [
        "gpustack-draw: the picture is saved as it was drawn, not enlarged",
        f"gpustack-draw: {reason}",
    ]
    assert_saved("large.png", expected)


def test_the_first_pass_of_an_interrupted_second_pass_is_saved(expected: Image.Image) -> None:
    options = ["--hires=4", "--hires-steps", "100"]
    errors = interrupt([*DRAW, *options], "drawing larger", signal.SIGINT, 130)
    assert errors[-2:] == [
        "gpustack-draw: the picture is saved as it was drawn, not enlarged",
        "gpustack-draw: interrupted",
    ]
    assert_saved("large.png", expected)


def interrupt(arguments: list[str], moment: str, number: signal.Signals, status: int) -> list[str]:
    """Interrupt a command once a line of its progress has some text; return the lines after it."""
    with subprocess.Popen(
        [sys.executable, "-m", "gpustack_draw", *arguments, "-o", "large.png"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        while moment not in (line := process.stderr.readline()):
            assert line
        process.send_signal(number)
        output, errors = process.communicate()
    assert process.returncode == status
    assert output == "large.png\n"
    return errors.splitlines()


def crash_in_second_pass(engine: EngineProcess, progress: Progress) -> None:
    if progress.mode == "hires" and progress.phase == "sample":
        assert engine.pid is not None
        os.kill(engine.pid, signal.SIGSEGV)


def test_a_crash_in_the_second_pass_keeps_the_first_one(
    model: gpustack_draw.Model, expected: Image.Image
) -> None:
    engine = model._engine._engine  # type: ignore[attr-defined]
    with pytest.raises(NotEnlargedError) as caught:
        model.generate(
            PROMPT,
            **OPTIONS,
            hires=2,
            on_progress=lambda progress: crash_in_second_pass(engine, progress),
        )
    assert caught.value.message.startswith(f"{NOT_DRAWN_AGAIN}: the engine crashed (SIGSEGV)")
    assert caught.value.argument == "hires"
    assert isinstance(caught.value.__cause__, EngineCrashed)
    image = caught.value.picture.to_image()
    assert image.tobytes() == expected.tobytes()
    assert image.info["parameters"] == expected.info["parameters"]


def test_the_command_saves_the_first_pass_when_the_upscaling_model_fails(
    damaged: str, expected: Image.Image, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [*DRAW, "--hires", "--hires-upscaler", damaged, "-o", "large.png"]
    assert main(command) == 1
    output = capsys.readouterr()
    assert output.out == "large.png\n"
    assert output.err.splitlines()[-2:] == [
        f"gpustack-draw: {NOT_DRAWN_AGAIN}: {DAMAGE}",
        "gpustack-draw: download the file again, or use another one",
    ]
    assert_saved("large.png", expected)


def test_an_interruption_of_the_library_has_the_first_pass(
    model: gpustack_draw.Model, expected: Image.Image
) -> None:
    def interrupt_second_pass(progress: Progress) -> None:
        if progress.mode == "hires":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        model.generate(PROMPT, **OPTIONS, hires=2, on_progress=interrupt_second_pass)
    picture = drawn_before(caught.value)
    assert picture is not None
    assert picture.to_image().tobytes() == expected.tobytes()


def test_a_canceled_second_pass_is_a_canceled_drawing(model: gpustack_draw.Model) -> None:
    def cancel(progress: Progress) -> None:
        if progress.mode == "hires":
            model.cancel()

    with pytest.raises(gpustack_draw.EngineError) as caught:
        model.generate(PROMPT, **OPTIONS, hires=2, on_progress=cancel)
    assert not isinstance(caught.value, NotEnlargedError)
    assert caught.value.message == "the drawing was canceled"
