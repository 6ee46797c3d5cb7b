"""What is in the files, and that nothing half-written ever stays."""

import os
import re
import stat
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy
import pytest
from PIL import Image

from gpustack_draw import parameters
from gpustack_draw.errors import OutputError
from gpustack_draw.names import SAMPLERS, SCHEDULERS
from gpustack_draw.output_plan import plan_output
from gpustack_draw.parameters import parameters_text
from gpustack_draw.save_image import encode, save
from gpustack_draw.web_ui_names import SAMPLER_TITLES, SCHEDULER_TITLES
from run_python import run_python
from sample_picture import make_picture


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
    return save(make_picture(), plan_output(path, "a red circle", 1), 0)


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


@pytest.mark.parametrize(("prompt", "chunk"), [("caf\xe9", b"tEXt"), ("\N{CAT FACE}", b"iTXt")])
def test_png_text_chunk_is_of_the_fitting_kind(prompt: str, chunk: bytes) -> None:
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
    # What piexif, and with it the web UI, reads.
    assert comment[:8] == b"UNICODE\0"
    assert comment[8:].decode("utf-16-be") == parameters_text(make_picture())
    assert difference.mean() < 12  # lossy


def test_exif_keeps_the_settings_of_prompts_that_do_not_fit(folder: Path) -> None:
    cats = "\N{CAT FACE}" * 10_000
    picture = make_picture(prompt=cats, negative_prompt=cats)
    save(picture, plan_output("cat.jpg", cats, 1), 0)
    with Image.open("cat.jpg") as image:
        text = exif_comment(image)[8:].decode("utf-16-be")
    assert read_as_web_ui(text)["Seed"] == "7"
    assert text.startswith("\N{CAT FACE}" * 10_000)


def test_mode_follows_the_umask(folder: Path, umask: None) -> None:
    path = save_as("cat.png")
    assert stat.S_IMODE(Path(path).stat().st_mode) == 0o640


def test_a_replaced_file_keeps_its_mode(folder: Path) -> None:
    Path("cat.png").write_bytes(b"old")
    Path("cat.png").chmod(0o600)
    save_as("cat.png")
    assert stat.S_IMODE(Path("cat.png").stat().st_mode) == 0o600


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
        from gpustack_draw.errors import OutputError
        from gpustack_draw.output_plan import plan_output
        from gpustack_draw.save_image import save
        plan = plan_output("cat.png", "a cat", 1)
        resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))
        try:
            save(make_picture(width=256, height=256), plan, 0)
        except OutputError as error:
            print(error.message, error.hint, error.exit_status, sep="|")
        """,
        str(Path(__file__).parent),
    )
    assert output.strip() == (
        "'cat.png' cannot be written: file too large"
        "|make room, or name another place with --output|4"
    )
    assert os.listdir() == ["cat.png"]
    assert Path("cat.png").read_bytes() == b"old"


def test_no_space_left(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_output("cat.png", "a cat", 1)

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match=r"'cat\.png' cannot be written: no space left on device"):
        save(make_picture(), plan, 0)
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
        save(make_picture(), plan, 0)
    assert os.listdir() == []


def test_a_folder_that_went_away_while_drawing(folder: Path) -> None:
    Path("out").mkdir()
    plan = plan_output("out/cat.png", "a cat", 1)
    Path("out").rmdir()
    with pytest.raises(OutputError, match=r"'out/cat\.png' cannot be written: no such file"):
        save(make_picture(), plan, 0)


def test_jpeg_is_not_subsampled() -> None:
    """Coloured edges stay sharp: the sampling factors of all three components are 1x1."""
    data = encode(make_picture(), ".jpg")
    start = data.index(b"\xff\xc0") + 2  # SOF0
    (components,) = struct.unpack_from(">B", data, start + 7)
    factors = [data[start + 8 + 3 * component + 1] for component in range(components)]
    assert factors == [0x11, 0x11, 0x11]
