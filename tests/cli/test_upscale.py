"""The command ``upscale`` and the function of that name."""

import io
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import model_files as files
import numpy as np
import pytest
from PIL import Image
from stand_in_model import files as saved_files
from stand_in_model import forbid_engine
from upscaling_models import old_names, random_weights, upscale, write_weights

import gpustack_draw
from gpustack_draw.cli.main import main
from gpustack_draw.engine import local_upscaler
from gpustack_draw.errors import UsageError

HINT = "use an ESRGAN model, for example RealESRGAN_x4plus or 4x-UltraSharp"
WEIGHTS = random_weights(blocks=1, scale=2, seed=1)
PARAMETERS = "a cat\nSteps: 4, Sampler: Euler, Seed: 7, Size: 12x9, Model: demo"
AFTER = "Postprocess upscale by: 2, Postprocess upscaler: soft"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make the current folder one with a model and two pictures."""
    monkeypatch.chdir(tmp_path)
    write_weights(tmp_path / "soft.pth", old_names(WEIGHTS))
    picture("cat.png", parameters=PARAMETERS)
    picture("dog.jpg")
    return tmp_path


def picture(name: str, *, alpha: bool = False, parameters: str = "") -> np.ndarray:
    """Save a random picture; with alpha, its left half is transparent."""
    levels = np.random.default_rng(3).integers(0, 256, (9, 12, 4 if alpha else 3), dtype=np.uint8)
    if alpha:
        levels[:, :, 3] = 255
        levels[:, :6, 3] = 0
    from PIL.PngImagePlugin import PngInfo

    chunks = PngInfo()
    if parameters:
        chunks.add_text("parameters", parameters)
    options = {"pnginfo": chunks} if name.endswith(".png") else {"quality": 95}
    Image.fromarray(levels).save(name, **options)
    return levels


def opened(name: str | io.BytesIO) -> Image.Image:
    with Image.open(name) as image:
        image.load()
        return image.copy()


def levels_of(name: str) -> np.ndarray:
    return np.asarray(opened(name)).astype(int)


def assert_enlarged(name: str, source: np.ndarray) -> None:
    difference = np.abs(levels_of(name) - upscale(WEIGHTS, source))
    assert difference.max() <= 1


@pytest.mark.engine
def test_pictures_are_enlarged_with_one_loaded_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["upscale", "soft.pth", "cat.png", "dog.jpg"]) == 0
    output = capsys.readouterr()
    assert output.out == "cat-2x.png\ndog-2x.png\n"
    assert_enlarged("cat-2x.png", np.asarray(opened("cat.png")))
    assert_enlarged("dog-2x.png", np.asarray(opened("dog.jpg")))
    assert opened("cat-2x.png").info["parameters"] == f"{PARAMETERS}, {AFTER}"
    assert opened("dog-2x.png").info["parameters"] == AFTER
    assert output.err.count("loading") == 1
    assert "picture 2/2: upscaling" in output.err
    assert "gpustack-draw: soft, 12x9 to 24x18, " in output.err
    # Nothing is ever replaced without being asked to.
    assert main(["upscale", "soft.pth", "cat.png", "-q"]) == 0
    assert capsys.readouterr() == ("cat-2x-2.png\n", "")


@pytest.mark.engine
def test_scale_transparency_and_json(capsys: pytest.CaptureFixture[str]) -> None:
    source = picture("glass.png", alpha=True)
    command = ["upscale", "soft.pth", "glass.png", "--scale", "1.5", "-o", "x.webp", "--json"]
    assert main(command) == 0
    record = json.loads(capsys.readouterr().out)
    seconds = record.pop("seconds")
    device = record.pop("device")
    assert set(seconds) == {"load", "upscale"}
    assert device in {each.name for each in gpustack_draw.devices()}
    assert record == {
        "path": "x.webp",
        "picture": "glass.png",
        "width": 18,
        "height": 14,
        "upscaler": "soft",
        "scale": 1.5,
    }
    assert main(["upscale", "soft.pth", "glass.png", "-o", "x.png", "-q"]) == 0
    result = levels_of("x.png")
    assert result.shape == (18, 24, 4)
    assert (result[:, :6, 3] == 0).all()
    assert (result[:, 18:, 3] == 255).all()
    white = source[:, :, :3].copy()
    white[:, :6] = 255
    opaque = upscale(WEIGHTS, white)[:, 18:]
    assert np.abs(result[:, 18:, :3] - opaque).max() <= 1
    assert main(["upscale", "soft.pth", "glass.png", "-o", "x.jpg"]) == 0
    assert "JPEG has no transparency: the transparent area is white" in capsys.readouterr().err
    assert levels_of("x.jpg")[:, :8].mean() > 250


@pytest.mark.engine
def test_standard_input_and_output(folder: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "gpustack_draw", "upscale", "soft.pth", "-", "-o", "-"],
        input=Path("cat.png").read_bytes(),
        capture_output=True,
        check=True,
    )
    image = opened(io.BytesIO(run.stdout))
    assert image.size == (24, 18)
    assert image.info["parameters"] == f"{PARAMETERS}, {AFTER}"


@pytest.mark.engine
def test_an_interrupted_upscaling_leaves_nothing(folder: Path) -> None:
    Image.new("RGB", (1500, 1500)).save("large.png")
    with subprocess.Popen(
        [sys.executable, "-m", "gpustack_draw", "upscale", "soft.pth", "large.png"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        while "upscaling" not in process.stderr.readline():
            pass
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate()
        assert process.returncode == 130
        assert time.monotonic() - began < 10
    assert output == ""
    assert saved_files() == ["cat.png", "dog.jpg", "large.png", "soft.pth"]


@pytest.mark.engine
def test_the_function() -> None:
    image = opened("cat.png")
    phases: list[str] = []
    large = gpustack_draw.upscale(
        image, Path("soft.pth"), on_progress=lambda progress: phases.append(progress.phase)
    )
    assert np.abs(np.asarray(large).astype(int) - upscale(WEIGHTS, np.asarray(image))).max() <= 1
    assert large.info["parameters"] == f"{PARAMETERS}, {AFTER}"
    assert set(phases) == {"load", "upscale"}
    phases.clear()
    small = gpustack_draw.upscale(
        np.asarray(image), "soft.pth", 0.5, on_progress=lambda each: phases.append(each.phase)
    )
    assert (small.size, set(phases)) == ((6, 4), {"upscale"})
    assert gpustack_draw.save(large, "large.png") == "large.png"
    assert opened("large.png").info["parameters"] == large.info["parameters"]


# --- errors, before the engine starts -------------------------------------------------------------


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    forbid_engine(monkeypatch, folder)


ERRORS: dict[str, tuple[list[str], int, str, str]] = {
    "no model": (
        ["up.pth", "cat.png"],
        3,
        "there is no file 'up.pth'",
        "check the path",
    ),
    "no picture": (["soft.pth", "fish.png"], 2, "'fish.png' does not exist", "check the path"),
    "a picture as the model": (
        ["cat.png", "soft.pth"],
        3,
        "'cat.png' is a PNG picture",
        "a model file is GGUF, safetensors or a PyTorch checkpoint (.ckpt)",
    ),
    "a LoRA": (
        ["lora.safetensors", "cat.png"],
        3,
        "'lora.safetensors' is a LoRA, not an upscaling model",
        HINT,
    ),
    "the demo": (["demo", "cat.png"], 3, "there is no file 'demo'", "check the path"),
    "scale 0": (
        ["soft.pth", "cat.png", "--scale", "0"],
        2,
        "'0' is not a scale from 0.1 to 32",
        "for example --scale 2",
    ),
    "scale NaN": (
        ["soft.pth", "cat.png", "--scale", "nan"],
        2,
        "'nan' is not a scale from 0.1 to 32",
        "for example --scale 2",
    ),
    "threads": (
        ["soft.pth", "cat.png", "--threads", "0"],
        2,
        "'0' is not a number of threads from 1 to 512",
        "for example --threads 4",
    ),
    "too large": (
        ["soft.pth", "wide.png", "--scale", "32"],
        2,
        "'wide.png' would have 16000x16000 pixels, more than 100 megapixels",
        "for example --scale 2",
    ),
    "too long": (
        ["soft.pth", "long.png", "--scale", "32"],
        2,
        "'long.png' would have 64000x32 pixels, and a side can have 32768 at most",
        "for example --scale 2",
    ),
    "over the picture": (
        ["soft.pth", "cat.png", "-o", "cat.png"],
        4,
        "'cat.png' is the picture to enlarge, and would be overwritten",
        "name another file with --output",
    ),
    "over the picture by a link": (
        ["soft.pth", "cat.png", "-o", "link.png"],
        4,
        "'cat.png' is the picture to enlarge, and would be overwritten",
        "name another file with --output",
    ),
    "another ending": (
        ["soft.pth", "cat.png", "-o", "cat.bmp"],
        4,
        "'cat.bmp' ends in .bmp",
        "pictures can be .png, .jpg or .webp",
    ),
    "several on standard output": (
        ["soft.pth", "cat.png", "dog.jpg", "-o", "-"],
        2,
        "2 pictures do not fit on standard output",
        "name a folder with --output",
    ),
    "nothing": (
        [],
        2,
        "missing MODEL and PICTURE",
        "for example: gpustack-draw upscale RealESRGAN_x4plus.pth cat.png",
    ),
    "no second argument": (
        ["soft.pth"],
        2,
        "missing PICTURE",
        "for example: gpustack-draw upscale RealESRGAN_x4plus.pth cat.png",
    ),
}


@pytest.mark.usefixtures("no_engine")
@pytest.mark.parametrize("name", ERRORS)
def test_errors(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    words, status, message, hint = ERRORS[name]
    Path("lora.safetensors").write_bytes(files.safetensors_bytes(files.LORA))
    Image.new("L", (500, 500)).save("wide.png")
    Image.new("L", (2000, 1)).save("long.png")
    Path("link.png").symlink_to("cat.png")
    before = saved_files()
    assert main(["upscale", *words]) == status
    output = capsys.readouterr()
    assert output.err.splitlines() == [f"gpustack-draw: {message}", f"gpustack-draw: {hint}"]
    assert output.out == ""
    assert saved_files() == before


@pytest.mark.engine
def test_too_little_memory(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_upscaler, "available_memory", lambda: 50_000_000)
    command = ["upscale", "soft.pth", "cat.png", "--device", "CPU"]
    assert main(command) == 1
    error = capsys.readouterr().err.splitlines()
    assert error[0].startswith("gpustack-draw: enlarging 'cat.png' needs about 10")
    assert error[0].endswith(" MB, and 50.0 MB are free")
    assert main([*command, "--dry-run"]) == 0
    plan = capsys.readouterr().out
    assert plan.startswith("cat.png: 12x9 to 24x18 by soft on CPU, about 10")
    assert plan.endswith(" MB of memory, does not fit\n")
    assert main([*command, "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["fits"] is False
    assert saved_files() == ["cat.png", "dog.jpg", "soft.pth"]


@pytest.mark.engine
def test_an_unknown_device(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["upscale", "soft.pth", "cat.png", "--device", "cuda9"]) == 2
    assert capsys.readouterr().err.splitlines()[0] == "gpustack-draw: no device named 'cuda9'"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scale": "much"}, "'much' is not a scale from 0.1 to 32"),
        ({"scale": float("nan")}, "nan is not a scale from 0.1 to 32"),
        ({"threads": 0}, "0 is not a number of threads from 1 to 512"),
        ({"on_log": 3}, "on_log is int, not a function: 3"),
        ({"on_progress": 3}, "on_progress is int, not a function: 3"),
        ({"picture": 3}, "the picture is int, not a picture"),
        ({"model": 3}, "3 is not a model: it is int"),
    ],
)
def test_arguments_of_the_function(options: dict[str, object], message: str) -> None:
    arguments = {"picture": "cat.png", "model": "soft.pth", **options}
    with pytest.raises(UsageError) as caught:
        gpustack_draw.upscale(**arguments)  # type: ignore[arg-type]
    assert caught.value.message == message


# --- draw --upscale -------------------------------------------------------------------------------

DRAW = ["demo", "a red circle on a blue background", "--seed", "7", "--size", "128x128"]


@pytest.mark.engine
def test_a_drawing_is_enlarged(capsys: pytest.CaptureFixture[str]) -> None:
    plain = [*DRAW, "--sample-steps", "1"]
    assert main([*plain, "-q", "-o", "plain.png"]) == 0
    command = [*plain, "--upscale", "soft.pth", "-o", "large.png", "--json"]
    assert main([*command, "--dry-run"]) == 0
    assert "soft enlarges the picture 2 times" in capsys.readouterr().out
    assert main(command) == 0
    output = capsys.readouterr()
    record = json.loads(output.out)
    assert (record["width"], record["upscaler"], record["scale"]) == (256, "soft", 2)
    assert {"sample", "decode", "upscale"} <= set(record["seconds"])
    assert "256x256, enlarged by soft, " in output.err
    assert_enlarged("large.png", np.asarray(opened("plain.png")))
    parameters = gpustack_draw.read_parameters("large.png")
    assert parameters.size == (128, 128)
    assert parameters.extra["Postprocess upscaler"] == "soft"
    assert parameters.extra["Postprocess upscale by"] == "2"
    again = ["--from", "large.png", "--dry-run"]
    assert main(again) == 0
    note = "'large.png' was enlarged by 'soft'; enlarge the new one with --upscale"
    assert f"gpustack-draw: {note}\n" in capsys.readouterr().err
    assert main([*again, "--upscale", "soft.pth"]) == 0
    assert "was enlarged" not in capsys.readouterr().err
    image = gpustack_draw.generate(
        *DRAW[:2], seed=7, size=(128, 128), sample_steps=1, upscale=Path("soft.pth")
    )
    assert image.tobytes() == opened("large.png").tobytes()


@pytest.mark.usefixtures("no_engine")
@pytest.mark.parametrize(
    ("reference", "status", "message"),
    [
        ("up.pth", 3, "there is no file 'up.pth'"),
        ("lora.safetensors", 3, "'lora.safetensors' is a LoRA, not an upscaling model"),
        (" ", 2, "the model is empty: ' '"),
    ],
)
def test_the_model_of_a_drawing_is_checked_first(
    reference: str, status: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("lora.safetensors").write_bytes(files.safetensors_bytes(files.LORA))
    assert main([*DRAW, "--upscale", reference]) == status
    assert capsys.readouterr().err.splitlines()[0] == f"gpustack-draw: {message}"


@pytest.mark.engine
def test_a_drawing_that_could_not_be_enlarged_is_not_drawn(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_upscaler, "available_memory", lambda: 50_000_000)
    assert main([*DRAW, "--upscale", "soft.pth", "--device", "CPU"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("gpustack-draw: enlarging the picture needs about 2")
    assert "drawing" not in error


def test_the_type_of_the_reference() -> None:
    with pytest.raises(UsageError) as caught:
        gpustack_draw.DrawRequest(prompt="", upscale=3)  # type: ignore[arg-type]
    assert caught.value.message == "upscale is int, not text or a path: 3"
