"""Input pictures of the command: every bad one has its message before the engine starts."""

import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from input_files import encoded, noise, png
from PIL import Image
from sample_picture import make_picture
from stand_in_model import StandIn, forbid_engine, install_stand_in

import gpustack_draw
from gpustack_draw.cli.main import main
from gpustack_draw.pictures.save import encode
from gpustack_draw.request.draw_settings import PictureSettings
from gpustack_draw.resolver.resolved_model import ResolvedModel

NAME_IMAGE = "name the picture with --image"


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A folder with pictures, good and bad; the engine must not start."""
    forbid_engine(monkeypatch, tmp_path)
    write_pictures()


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> StandIn:
    """A model that needs no engine, in a folder with pictures."""
    made = install_stand_in(monkeypatch, tmp_path)
    write_pictures()
    return made


def write_pictures() -> None:
    Path("cat.png").write_bytes(encoded(Image.fromarray(noise(256, 256))))
    Path("mask.png").write_bytes(encoded(Image.fromarray(noise(256, 256, 1))))
    Path("small.png").write_bytes(encoded(Image.new("L", (64, 32), 255)))
    Path("black.png").write_bytes(encoded(Image.new("L", (256, 256))))
    Path("strip.png").write_bytes(encoded(Image.new("RGB", (900, 100))))
    Path("cut.png").write_bytes(Path("cat.png").read_bytes()[:3000])
    Path("bomb.png").write_bytes(png(20_000, 20_000))
    Path("note.txt").write_text("a note")


BAD = [
    ("-i dog.png", "'dog.png' does not exist", "check the path"),
    ("-i .", "'.' is a folder", "name a picture in it"),
    ("-i http://x.org/a.png", "'http://x.org/a.png' is an address, not a file", ""),
    ("-i note.txt", "'note.txt' is text, not a picture", ""),
    ("-i cut.png", "'cut.png' is a damaged or truncated PNG file", "copy or save it again"),
    ("-i bomb.png", "'bomb.png' has more than 100 megapixels", ""),
    (
        "-i strip.png",
        "'strip.png' has 900x100 pixels: one side is more than 8 times as long as the other",
        "cut the picture first",
    ),
    ("-r dog.png", "'dog.png' does not exist", "check the path"),
    ("-i cat.png --strength nan", "'nan' is not a strength from 0 to 1", ""),
    ("-i cat.png --strength 2", "'2' is not a strength from 0 to 1", ""),
    ("-i cat.png --strength -0.1", "'-0.1' is not a strength from 0 to 1", ""),
    ("-i cat.png --strength=", "'' is not a strength from 0 to 1", ""),
    ("--strength 0.5", "--strength needs the picture to start from", NAME_IMAGE),
    ("--mask mask.png", "--mask needs the picture whose part it marks", NAME_IMAGE),
    ("--mask alpha", "--mask needs the picture whose part it marks", NAME_IMAGE),
    ("--expand 8", "--expand needs the picture to expand", NAME_IMAGE),
    ("--fit pad", "--fit needs a picture", NAME_IMAGE),
    ("-i cat.png --mask-blur 8", "--mask-blur needs a mask", "name the area to redraw with --mask"),
    ("-i cat.png --masked-only", "--masked-only needs a mask", ""),
    ("-i cat.png --mask-invert", "--mask-invert needs a mask", ""),
    ("-i cat.png --mask mask.png --mask-blur 65", "'65' is not a mask blur from 0 to 64", ""),
    ("-i cat.png --expand 1,2", "'1,2' is not TOP,RIGHT,BOTTOM,LEFT", ""),
    ("-i cat.png --fit zoom", "'zoom' is not crop, pad or stretch", ""),
    ("-i cat.png --mask black.png", "'black.png' has no white area: nothing to redraw", ""),
    (
        "-i cat.png --mask small.png",
        "'small.png' has 64x32 pixels, another shape than 'cat.png' with 256x256",
        "make the mask from the picture, in the same size",
    ),
    ("-i cat.png --mask alpha", "'cat.png' has no transparency: nothing to redraw", ""),
    (
        "-i cat.png -i cat.png --strength 1",
        "FLUX.2 klein starts from one picture, and 2 are named",
        "name it with --image, and the others with --ref-image",
    ),
    (
        "-r cat.png " * 11,
        "11 pictures are too many: a drawing can have 10 at most",
        "models were trained with one to four",
    ),
    ("-i - -r -", "standard input cannot be two pictures", ""),
]


@pytest.mark.parametrize(("line", "message", "hint"), BAD, ids=[line[:40] for line, *_ in BAD])
def test_a_bad_picture(
    folder: None, capsys: pytest.CaptureFixture[str], line: str, message: str, hint: str
) -> None:
    assert main(["demo", "a cat", *line.split()]) == 2
    output = capsys.readouterr()
    first, *rest = output.err.splitlines()
    assert (output.out, first) == ("", f"gpustack-draw: {message}")
    assert not hint or rest == [f"gpustack-draw: {hint}"]


def test_a_model_that_cannot_is_refused_before_it_is_downloaded(
    folder: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from resolved_models import model

    resolved: ResolvedModel = model("z-image")
    monkeypatch.setattr("gpustack_draw.api.resolve_model", lambda *_: resolved)
    assert main(["x.gguf", "a cat", "-r", "cat.png"]) == 2
    assert "Z-Image takes no reference pictures" in capsys.readouterr().err


def test_the_picture_of_standard_input(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stream = io.BytesIO(Path("cat.png").read_bytes())
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=stream))
    assert main(["demo", "a cat", "-i", "-", "--mask", "mask.png", "--output", "x.png"]) == 0
    (request,) = stand_in.requests
    (image,) = request.pictures.image
    assert np.array_equal(image.pixels, noise(256, 256))
    assert request.pictures.mask.label == "'mask.png'"


def test_an_empty_standard_input(
    folder: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO()))
    assert main(["demo", "a cat", "-i", "-"]) == 2
    assert capsys.readouterr().err.splitlines()[0] == "gpustack-draw: standard input is empty"


@pytest.mark.engine  # lists the devices
def test_a_plan_shows_the_use_of_the_pictures(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_pictures()
    words = ["demo", "a cat", "-i", "cat.png", "--dry-run"]
    assert main([*words, "--strength", "0.5", "--size", "256x128"]) == 0
    lines = capsys.readouterr().out.splitlines()
    settings = next(line for line in lines if line.startswith("settings:"))
    assert settings.startswith("settings:  img2img, strength 0.5, 4 steps, ")
    assert settings.endswith(", 256x128 (native: 256x256)")
    assert "note:      'cat.png' is cropped from 256x256 to 256x128: --fit pad keeps all of it" in (
        lines
    )
    assert main([*words, "-r", "mask.png", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    chosen = plan["defaults"]
    assert (chosen["mode"], chosen["strength"], chosen["references"]) == ("edit", None, 2)
    assert plan["notes"] == [
        "FLUX.2 klein edits the picture; with --strength it starts from it instead"
    ]


# --- --from ---------------------------------------------------------------------------------------


def write_drawn(**pictures: object) -> None:
    """Write a picture that was drawn from others to old.png."""
    numbers = {name: pictures.pop(name, None) for name in ("strength", "control_strength")}
    settings = PictureSettings(**pictures)  # type: ignore[arg-type]
    picture = make_picture(pictures=settings, reference="demo", seed=5, **numbers)
    Path("old.png").write_bytes(encode(picture, ".png"))


def hash_of(path: str) -> str:
    import hashlib

    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:12]


@pytest.mark.parametrize(
    ("recorded", "words", "message", "option"),
    [
        ({"image_hash": "a"}, "", "was drawn from another picture", "--image"),
        ({"image_hash": "a", "mask_hash": "a"}, "", "was drawn from another picture", "--image"),
        (
            {"image_hash": "a", "mask_hash": "b"},
            "-i cat.png",
            "was drawn with a mask",
            "--mask",
        ),
        ({"control_hash": "a"}, "", "was drawn with a control picture", "--control-image"),
        (
            {"control_hash": "a", "control_net": "canny", "control_strength": 1.0},
            "-i cat.png",
            "was drawn with a control picture",
            "--control-image",
        ),
        (
            {"control_hash": "a", "image_hash": "b"},
            "-i cat.png",
            "was drawn with a control picture",
            "--control-image",
        ),
        ({"reference_hashes": ("a",)}, "", "was drawn by looking at another picture", "--image"),
        (
            {"reference_hashes": ("a", "b")},
            "-r cat.png",
            "was drawn by looking at 2 other pictures",
            "--image",
        ),
        (
            {"image_hash": "a", "reference_hashes": ("b",)},
            "-i cat.png",
            "was drawn by looking at another picture",
            "--image",
        ),
    ],
)
def test_a_picture_drawn_from_others_asks_for_them(
    stand_in: StandIn,
    capsys: pytest.CaptureFixture[str],
    recorded: dict[str, object],
    words: str,
    message: str,
    option: str,
) -> None:
    write_drawn(**recorded)
    assert main(["--from", "old.png", *words.split()]) == 2
    assert capsys.readouterr().err.splitlines() == [
        f"gpustack-draw: 'old.png' {message}, whose file it does not name",
        f"gpustack-draw: name it again with {option}",
    ]
    assert stand_in.requests == []


def test_the_values_of_a_picture_are_used_again(
    stand_in: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    write_drawn(
        image_hash=hash_of("cat.png"), mask_hash=hash_of("mask.png"), strength=0.6, mask_blur=8,
        masked_only=16, mask_invert=True, expand=(0, 16, 0, 0), fit="pad",
    )  # fmt: skip
    words = ["--from", "old.png", "-i", "cat.png", "--mask", "mask.png", "--output", "x.png"]
    assert main(words) == 0
    assert "used before" not in capsys.readouterr().err
    again = stand_in.requests[0].pictures
    assert (again.strength, again.mask_blur, again.masked_only) == (0.6, 8, 16)
    assert (again.mask_invert, again.sides, again.fit) == (True, (0, 16, 0, 0), "pad")
    assert main([*words, "--strength", "0.9"]) == 0
    assert stand_in.requests[1].pictures.strength == 0.9


def test_other_pictures_than_before_are_noted(
    stand_in: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    used = ("cat.png", "mask.png", "small.png")
    first, mask, reference = map(hash_of, used)
    write_drawn(image_hash=first, mask_hash=mask, reference_hashes=(reference,), strength=0.5)
    words = ["--from", "old.png", "--output", "x.png"]
    assert main([*words, "-i", "mask.png", "--mask", "cat.png", "-r", "strip.png"]) == 0
    notes = [line for line in capsys.readouterr().err.splitlines() if "before" in line]
    assert notes == [
        "gpustack-draw: the picture of --image is not the one that was used before",
        "gpustack-draw: the reference pictures are not those that were used before",
        "gpustack-draw: the picture of --mask is not the one that was used before",
    ]
    assert main([*words, "-i", "cat.png", "--mask", "mask.png", "-r", "small.png"]) == 0
    assert "before" not in capsys.readouterr().err


def test_control_is_used_again(stand_in: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    write_drawn(
        control_hash=hash_of("cat.png"), control_net="canny", control_strength=0.8, canny=True
    )
    words = ["--from", "old.png", "--output", "x.png"]
    assert main([*words, "--control-image", "cat.png"]) == 0
    assert "before" not in capsys.readouterr().err
    assert main([*words, "--control-image", "mask.png", "--control-strength", "0"]) == 0
    assert "the picture of --control-image is not the one that was used before" in (
        capsys.readouterr().err
    )
    first, second = (request.pictures for request in stand_in.requests)
    assert (first.control_strength, first.canny, first.image) == (0.8, True, ())
    assert (second.control_strength, second.canny) == (0, True)


def test_a_control_model_takes_the_picture_of_image_again(stand_in: StandIn) -> None:
    write_drawn(control_hash=hash_of("cat.png"), canny=True)
    assert main(["--from", "old.png", "-i", "cat.png", "--output", "x.png"]) == 0
    again = stand_in.requests[0].pictures
    assert (again.image, again.canny, again.control_image.label) == ((), True, "'cat.png'")


def test_control_is_recorded_as_web_uis_write_it() -> None:
    settings = PictureSettings(control_hash="0123456789ab", control_net="a, Weight: 2", canny=True)
    image = make_picture(pictures=settings, control_strength=0.8).to_image()
    assert (
        'ControlNet 0: "Module: canny, Model: a, Weight: 2, Weight: 0.8, Guidance Start: 0,'
        ' Guidance End: 1, Control Mode: Balanced", Control image hash: 0123456789ab'
    ) in image.info["parameters"]
    pictures = gpustack_draw.read_parameters(image).request(control_image="c.png").pictures
    assert (pictures.control_strength, pictures.canny) == (0.8, True)
    model = PictureSettings(control_hash="0123456789ab", canny=True)
    text = make_picture(pictures=model).to_image().info["parameters"]
    assert "Control module: canny, Control image hash: 0123456789ab" in text
    assert "ControlNet" not in text


def test_a_picture_never_names_the_files_of_the_user() -> None:
    picture = make_picture(
        strength=0.75,
        pictures=PictureSettings(
            image_hash="0123456789ab", mask_hash="ba9876543210", reference_hashes=("aa", "bb"),
            mask_blur=4, masked_only=32, expand=(1, 2, 3, 4),
        ),
    )  # fmt: skip
    text = picture.to_image().info["parameters"]
    assert (
        "Denoising strength: 0.75, Mask blur: 4, Inpaint area: Only masked,"
        ' Masked area padding: 32, Expand: "1,2,3,4", Init image hash: 0123456789ab,'
        " Mask hash: ba9876543210, Reference hashes: aa bb, Seed: 7" in text
    )
    assert gpustack_draw.read_parameters(picture.to_image()).extra["Mask hash"] == "ba9876543210"


def test_the_library_asks_for_the_pictures_too(tmp_path: Path) -> None:
    settings = PictureSettings(image_hash="0123456789ab", mask_hash="ba9876543210", mask_blur=8)
    image = make_picture(pictures=settings, strength=0.6).to_image()
    found = gpustack_draw.read_parameters(image)
    with pytest.raises(gpustack_draw.UsageError) as caught:
        found.request(image="a.png")
    assert str(caught.value) == (
        "the picture was drawn with a mask, whose file it does not name\nname it again with mask"
    )
    pictures = found.request(image="a.png", mask="b.png", seed=9).pictures
    assert (pictures.image, pictures.mask, pictures.strength) == (("a.png",), "b.png", 0.6)
    assert pictures.mask_blur == 8
