"""The content of saved files; no half-written file ever remains."""

import io
import os
import re
import stat
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest
from PIL import Image
from run_python import run_python
from sample_picture import make_picture

import gpustack_draw
from gpustack_draw.errors import DrawError, OutputError, UsageError
from gpustack_draw.pictures import parameters
from gpustack_draw.pictures.output_path import plan_output
from gpustack_draw.pictures.parameters import parameters_text
from gpustack_draw.pictures.save import encode, save_picture
from gpustack_draw.request.names import SAMPLERS, SCHEDULERS
from gpustack_draw.request.web_ui_names import SAMPLER_TITLES, SCHEDULER_TITLES


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, empty."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0o027)
    yield
    os.umask(before)


def save_as(path: str) -> str:
    return save_picture(make_picture(), plan_output(path, "a red circle", 1), 0)


# --- parameters -----------------------------------------------------------------------------------


def read_as_web_ui(text: str) -> dict[str, str]:
    """Read parameters the way the web UI's reader works (modules/infotext_utils.py)."""
    import json

    *lines, last = text.strip().split("\n")
    fields = {"Prompt": "", "Negative prompt": ""}
    name = "Prompt"
    for line in lines:
        text = line.strip()
        if text.startswith("Negative prompt:"):
            name, text = "Negative prompt", text.removeprefix("Negative prompt:").strip()
        fields[name] += ("\n" if fields[name] else "") + text
    for key, value in re.findall(r'\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)', last):
        fields[key] = json.loads(value) if value.startswith('"') else value
    return fields


def test_parameters_as_the_web_ui_writes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parameters, "package_version", lambda: "0.1.0")
    picture = make_picture(
        prompt="a red circle, sharp", negative_prompt="blue", sampler="dpm++2m", scheduler="karras",
        cfg_scale=4.5, seed=2**63 - 1,
    )  # fmt: skip
    assert parameters_text(picture) == (
        "a red circle, sharp\n"
        "Negative prompt: blue\n"
        "Steps: 8, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 4.5,"
        " Seed: 9223372036854775807, Size: 48x32, Model: demo, Version: gpustack-draw 0.1.0"
    )


def test_parameters_of_two_empty_prompts_are_one_line() -> None:
    assert parameters_text(make_picture(prompt="")).startswith("Steps: 8, Sampler: Euler, ")


@pytest.mark.parametrize(
    ("prompt", "negative", "model"),
    [
        ("plain", "", "demo"),
        ("two\nlines, with: colons", "and\nhere", "demo"),
        ("emoji \N{CAT FACE} and \u05e9\u05dc\u05d5\u05dd", "\N{SNOWMAN}", "demo"),
        ("caf\xe9", "", "my model, v1.0: final"),
        ("x", "y", 'quoted "name", here'),
        ("Steps: 1, Sampler: none, Seed: 3, Size: 1x1", "", "demo"),
    ],
)
def test_the_web_ui_reads_what_is_written(prompt: str, negative: str, model: str) -> None:
    picture = make_picture(prompt=prompt, negative_prompt=negative, model=model)
    fields = read_as_web_ui(parameters_text(picture))
    assert fields["Prompt"] == prompt
    assert fields["Negative prompt"] == negative
    assert fields["Model"] == model
    assert fields["Seed"] == "7"
    assert fields["Size"] == "48x32"
    assert fields["CFG scale"] == "1"


def test_every_sampler_and_scheduler_has_a_title() -> None:
    assert set(SAMPLER_TITLES) == set(SAMPLERS)
    assert set(SCHEDULER_TITLES) == set(SCHEDULERS)


# --- files ----------------------------------------------------------------------------------------


def test_png_has_the_pixels_and_the_parameters(folder: Path) -> None:
    assert save_as("cat.png") == "cat.png"
    with Image.open("cat.png") as image:
        assert image.format == "PNG"
        assert image.info["parameters"] == parameters_text(make_picture())
        assert numpy.array_equal(numpy.asarray(image), numpy.asarray(make_picture()))


@pytest.mark.parametrize(
    ("prompt", "chunk"), [("a cat", b"tEXt"), ("caf\xe9", b"iTXt"), ("\N{CAT FACE}", b"iTXt")]
)
def test_png_text_chunk_is_of_a_kind_with_one_reading(prompt: str, chunk: bytes) -> None:
    data = encode(make_picture(prompt=prompt), ".png")
    assert chunk + b"parameters\0" in data


def exif_comment(image: Image.Image) -> bytes:
    comment = image.getexif().get_ifd(0x8769)[0x9286]
    assert isinstance(comment, bytes)
    return comment


@pytest.mark.parametrize(
    ("name", "kind"),
    [("cat.jpg", "JPEG"), ("cat.jpeg", "JPEG"), ("cat.JPG", "JPEG"), ("cat.webp", "WEBP")],
)
def test_jpeg_and_webp_have_the_parameters_in_exif(folder: Path, name: str, kind: str) -> None:
    assert save_as(name) == name
    with Image.open(name) as image:
        assert image.format == kind
        comment = exif_comment(image)
        difference = numpy.abs(
            numpy.asarray(image).astype(int) - numpy.asarray(make_picture()).astype(int)
        )
    # The web UI reads the comment with piexif, which expects this.
    assert comment[:8] == b"UNICODE\0"
    assert comment[8:].decode("utf-16-be") == parameters_text(make_picture())
    assert difference.mean() < 12  # lossy


def test_mode_follows_the_umask(folder: Path, umask: None) -> None:
    path = save_as("cat.png")
    assert stat.S_IMODE(Path(path).stat().st_mode) == 0o640


def test_a_replaced_file_keeps_its_mode(folder: Path) -> None:
    Path("cat.png").write_bytes(b"old")
    Path("cat.png").chmod(0o600)
    save_as("cat.png")
    assert stat.S_IMODE(Path("cat.png").stat().st_mode) == 0o600


# --- the library's save() -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["cat.png", "cat.jpg", "cat.webp", Path("cat.JPEG")])
def test_save_keeps_how_an_image_was_drawn(folder: Path, name: str | Path) -> None:
    image = make_picture(prompt="a caf\xe9").to_image()
    assert gpustack_draw.save(image, name) == str(name)
    assert gpustack_draw.read_parameters(name).text == image.info["parameters"]
    # The bytes are those of the command.
    assert Path(name).read_bytes() == encode(make_picture(prompt="a caf\xe9"), Path(name).suffix)
    assert gpustack_draw.save(make_picture(), name) == str(name)
    assert gpustack_draw.read_parameters(name).prompt == "a red circle"


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
@pytest.mark.parametrize("mode", ["L", "LA", "P", "1", "RGBA", "CMYK", "F", "HSV", "I;16", "YCbCr"])
def test_save_takes_every_mode_of_pillow(folder: Path, mode: str, suffix: str) -> None:
    image = make_picture().to_image()
    other = (image.convert("I") if mode == "I;16" else image).convert(mode)
    other.info["parameters"] = image.info["parameters"]
    gpustack_draw.save(other, f"cat{suffix}")
    assert gpustack_draw.read_parameters(f"cat{suffix}").seed == 7
    with Image.open(f"cat{suffix}") as saved:
        assert saved.size == (48, 32)


def test_save_in_a_folder_makes_a_name_of_the_prompt(folder: Path) -> None:
    image = make_picture(prompt="a red circle, sharp").to_image()
    first, second = (gpustack_draw.save(image, ".") for _ in range(2))
    assert re.fullmatch(r"\./a_red_circle__sharp_\d{8}_\d{6}\.png", first)
    assert first != second


@pytest.mark.parametrize(
    ("image", "path", "error", "message", "hint"),
    [
        (None, "a.png", UsageError, "None is not a picture", "pass what generate() returned"),
        ("a.png", "a.png", UsageError, "'a.png' is not a picture", "pass what generate() returned"),
        (
            Image.new("RGB", (1, 1)),
            "a.png",
            UsageError,
            'the picture has no record of how it was drawn in image.info["parameters"]',
            "save it with image.save(path)",
        ),
        (make_picture(), None, UsageError, "None is not a path", ""),
        (make_picture(), 7, UsageError, "7 is not a path", ""),
        (make_picture(), "-", OutputError, "'-' is not a file name", "for example circle.png"),
        (make_picture(), "a.gif", OutputError, "'a.gif' ends in .gif",
         "pictures can be .png, .jpg or .webp"),
        (make_picture(), "no/a.png", OutputError, "folder 'no' does not exist",
         "make it first: mkdir -p no"),
    ],
)  # fmt: skip
def test_save_refuses(
    folder: Path, image: Any, path: Any, error: type[DrawError], message: str, hint: str
) -> None:
    with pytest.raises(error) as caught:
        gpustack_draw.save(image, path)
    assert (caught.value.message, caught.value.hint) == (message, hint)
    assert os.listdir() == []


# --- failures -------------------------------------------------------------------------------------
@pytest.mark.skipif(sys.platform == "win32", reason="there are no such limits")
def test_a_full_disk_leaves_nothing_behind(folder: Path) -> None:
    """A limit on the size of files makes writing fail half-way, as a full disk does."""
    Path("cat.png").write_bytes(b"old")
    output = run_python(
        """
        import resource, sys
        sys.path.insert(0, sys.argv[1])
        from sample_picture import make_picture
        from gpustack_draw.errors import DrawError, OutputError, UsageError
        from gpustack_draw.pictures.output_path import plan_output
        from gpustack_draw.pictures.save import save_picture
        plan = plan_output("cat.png", "a cat", 1)
        resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))
        try:
            save_picture(make_picture(width=256, height=256), plan, 0)
        except OutputError as error:
            print(error.message, error.hint, error.exit_status, sep="|")
        """,
        str(Path(__file__).parents[1] / "support"),
    )
    assert output.strip() == (
        "'cat.png' cannot be written: file too large"
        "|free some space, or choose another place with path|4"
    )
    assert os.listdir() == ["cat.png"]
    assert Path("cat.png").read_bytes() == b"old"


def test_no_space_left(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_output("cat.png", "a cat", 1)

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match=r"'cat\.png' cannot be written: no space left on device"):
        save_picture(make_picture(), plan, 0)
    assert os.listdir() == []


@pytest.mark.parametrize("moment", ["fsync", "replace"])
@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit])
def test_an_interruption_leaves_nothing_behind(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    moment: str,
    interruption: type[BaseException],
) -> None:
    plan = plan_output("cat.png", "a cat", 1)

    def interrupt(*_: object) -> None:
        raise interruption

    monkeypatch.setattr(os, moment, interrupt)
    with pytest.raises(interruption):
        save_picture(make_picture(), plan, 0)
    assert os.listdir() == []


def test_a_folder_that_went_away_while_drawing(folder: Path) -> None:
    Path("out").mkdir()
    plan = plan_output("out/cat.png", "a cat", 1)
    Path("out").rmdir()
    with pytest.raises(OutputError, match=r"'out/cat\.png' cannot be written: no such file"):
        save_picture(make_picture(), plan, 0)


def test_a_lower_quality_makes_smaller_files_and_the_default_is_that_of_saving() -> None:
    noise = Image.effect_noise((64, 64), 90)
    noise.info["parameters"] = "a cat\nSteps: 1"
    for suffix in (".jpg", ".webp"):
        sizes = [len(gpustack_draw.encode(noise, suffix, quality=each)) for each in (10, 60, 95)]
        assert sizes == sorted(set(sizes))
        assert gpustack_draw.encode(noise, suffix) == gpustack_draw.encode(
            noise, suffix, quality=95
        )
    assert gpustack_draw.encode(noise, quality=0) == gpustack_draw.encode(noise, ".PNG")


def test_a_fast_encoding_has_the_same_pixels_and_parameters() -> None:
    picture = make_picture(width=256, height=256)
    small, fast = gpustack_draw.encode(picture), gpustack_draw.encode(picture, fast=True)
    assert small != fast
    images = [Image.open(io.BytesIO(data)) for data in (small, fast)]
    assert images[0].tobytes() == images[1].tobytes()
    assert images[0].info == images[1].info


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"suffix": ".gif"},
            "'.gif' is not the ending of a picture's file\ntype .png, .jpg, .jpeg, .webp",
        ),
        ({"quality": 101}, "101 is not a quality from 0 to 100\nfor example 95"),
        ({"quality": -1}, "-1 is not a quality from 0 to 100\nfor example 95"),
    ],
)
def test_encode_refuses(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        gpustack_draw.encode(make_picture(), **arguments)
    assert str(caught.value) == message
    assert caught.value.argument in arguments


def test_jpeg_is_not_subsampled() -> None:
    """Coloured edges stay sharp: the sampling factors of all three components are 1x1."""
    data = encode(make_picture(), ".jpg")
    start = data.index(b"\xff\xc0") + 2  # SOF0
    (components,) = struct.unpack_from(">B", data, start + 7)
    factors = [data[start + 8 + 3 * component + 1] for component in range(components)]
    assert factors == [0x11, 0x11, 0x11]
