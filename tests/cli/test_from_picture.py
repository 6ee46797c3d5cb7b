"""``--from PICTURE`` draws with the settings of a picture; ``show PICTURE`` prints them."""

import json
import os
from pathlib import Path

import numpy
import pytest
from known_values import known_values
from PIL import Image, PngImagePlugin
from run_python import run_python
from sample_picture import make_picture
from stand_in_model import StandIn, install_stand_in

import gpustack_draw
from gpustack_draw.cli.arguments import parse_arguments
from gpustack_draw.cli.from_picture import read_source
from gpustack_draw.cli.main import main
from gpustack_draw.cli.request_options import typed_values
from gpustack_draw.pictures.save import encode
from gpustack_draw.request.draw_request import DrawRequest
from gpustack_draw.request.draw_settings import HiresSettings
from gpustack_draw.request.names import SAMPLERS, SCHEDULERS

WEB_UI = (
    "a cat\nNegative prompt: ugly\n"
    "Steps: 20, Sampler: DPM++ 2M Karras, CFG scale: 7.5, Seed: 5, Size: 512x768,"
    " Model: dreamshaper_8, Model hash: 879db523c3, Face restoration: GFPGAN, ENSD: 31337,"
    " Version: v1.6.0"
)

TELLING = (
    "pictures of gpustack-draw and of Stable Diffusion web UIs have one, unless another program has"
    " removed it"
)
LACKED = "which the engine does not have"


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> StandIn:
    """A model that needs no engine; the current folder has cat.png of ours, web.png of a web UI."""
    made = install_stand_in(monkeypatch, tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    picture = make_picture(
        prompt="a cat", negative_prompt="ugly", sampler="heun", scheduler="karras",
        sample_steps=3, cfg_scale=4.5, seed=5, model="klein-Q8_0", reference="hf.co/a/b:Q8_0",
    )  # fmt: skip
    Path("cat.png").write_bytes(encode(picture, ".png"))
    with_text("web.png", WEB_UI)
    return made


def with_text(path: str, text: str) -> None:
    chunks = PngImagePlugin.PngInfo()
    chunks.add_text("parameters", text)
    Image.new("RGB", (8, 8)).save(path, pnginfo=chunks)


OURS = {
    "prompt": "a cat",
    "negative_prompt": "ugly",
    "size": (48, 32),
    "sampler": "heun",
    "scheduler": "karras",
    "sample_steps": 3,
    "cfg_scale": 4.5,
    "seed": 5,
}


# --- --from ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "model", "changes"),
    [
        (["--from", "cat.png"], "hf.co/a/b:Q8_0", {}),
        (["draw", "--from=cat.png"], "hf.co/a/b:Q8_0", {}),
        (["--from", "cat.png", "--seed", "8"], "hf.co/a/b:Q8_0", {"seed": 8}),
        (["--from", "cat.png", "--seed", "-1"], "hf.co/a/b:Q8_0", {"seed": None}),
        (["--seed", "8", "--from", "cat.png", "demo"], "demo", {"seed": 8}),
        (["demo", "--from", "cat.png"], "demo", {}),
        (["demo", "a dog", "--from", "cat.png"], "demo", {"prompt": "a dog"}),
        (["demo", "--from", "cat.png", "a dog"], "demo", {"prompt": "a dog"}),
        (["--from", "cat.png", "--", "demo", "-dog"], "demo", {"prompt": "-dog"}),
        (["demo", "", "--from", "cat.png"], "demo", {"prompt": ""}),
        (["--from", "cat.png", "--count", "3"], "hf.co/a/b:Q8_0", {"count": 3}),
        (["--from", "cat.png", "--size", "64x64"], "hf.co/a/b:Q8_0", {"size": (64, 64)}),
        (["--from", "cat.png", "--guidance", "2"], "hf.co/a/b:Q8_0", {"guidance": 2.0}),
        (["--from", "cat.png", "--size", "native"], "hf.co/a/b:Q8_0", {"size": "native"}),
        (["--from", "cat.png", "--sampler", "lcm"], "hf.co/a/b:Q8_0", {"sampler": "lcm"}),
        (["--from", "cat.png", "--scheduler", "ays"], "hf.co/a/b:Q8_0", {"scheduler": "ays"}),
        (["--from", "cat.png", "--sample-steps", "9"], "hf.co/a/b:Q8_0", {"sample_steps": 9}),
        (["--from", "cat.png", "--cfg-scale", "0"], "hf.co/a/b:Q8_0", {"cfg_scale": 0.0}),
        (["--from", "cat.png", "--negative-prompt", ""], "hf.co/a/b:Q8_0", {"negative_prompt": ""}),
    ],
)
def test_what_is_typed_wins(
    stand_in: StandIn, words: list[str], model: str, changes: dict[str, object]
) -> None:
    assert main(words) == 0
    assert stand_in.model == model
    assert stand_in.requests == [DrawRequest(**{**OURS, **changes})]  # type: ignore[arg-type]


def test_a_picture_of_a_web_ui(stand_in: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["model.gguf", "--from", "web.png"]) == 0
    assert stand_in.requests == [
        DrawRequest(
            prompt="a cat",
            negative_prompt="ugly",
            size=(512, 768),
            sampler="dpm++2m",
            scheduler="karras",
            sample_steps=20,
            cfg_scale=7.5,
            seed=5,
        )
    ]
    assert capsys.readouterr().err.startswith(
        "gpustack-draw: 'web.png' was written by AUTOMATIC1111 v1.6.0;"
        " the drawing ignores Face restoration, ENSD\n"
    )


def test_a_picture_of_ours_needs_no_note(
    stand_in: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--from", "cat.png"]) == 0
    assert "cat.png" not in capsys.readouterr().err


def test_parts_that_were_named(stand_in: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    Path("parts.png").write_bytes(encode(make_picture(user_components="vae clip_l"), ".png"))
    assert main(["demo", "--from", "parts.png", "--vae", "vae.gguf"]) == 0
    assert capsys.readouterr().err.startswith(
        "gpustack-draw: 'parts.png' was drawn with --clip-l, and does not say which file\n"
    )


def test_embeddings_that_were_used(stand_in: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    embeddings = {"toy": "0123456789ab", "bad-hands": "0" * 12}
    Path("toy.png").write_bytes(encode(make_picture(embeddings=embeddings), ".png"))
    assert main(["demo", "--from", "toy.png"]) == 0
    assert capsys.readouterr().err.startswith(
        "gpustack-draw: 'toy.png' was drawn with the embeddings 'toy', 'bad-hands'; name them with"
        " --embedding\n"
    )
    with_text("web.png", WEB_UI + ', TI hashes: "easynegative: c74b4e810b03"')
    assert main(["demo", "--from", "web.png"]) == 0
    errors = capsys.readouterr().err
    assert "'web.png' was drawn with the embeddings 'easynegative'; name them" in errors
    assert "TI hashes" not in errors
    assert main(["demo", "--from", "toy.png", "--embedding", "toy.pt"]) == 0
    assert "embeddings" not in capsys.readouterr().err
    assert stand_in.options["embeddings"] == ("toy.pt",)


def test_what_a_picture_does_not_tell_is_left_to_the_model(stand_in: StandIn) -> None:
    with_text("few.png", "Steps: 4, Seed: 1, Size: 8x8")
    assert main(["demo", "--from", "few.png"]) == 0
    assert stand_in.requests == [DrawRequest(prompt="", size=(8, 8), sample_steps=4, seed=1)]


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        ("--from no.png", "'no.png' does not exist", "check the path"),
        ("--from .", "'.' is a folder", "name a picture in it"),
        ("--from notes.txt", "'notes.txt' is not a PNG, JPEG or WebP picture", ""),
        ("--from cut.png", "'cut.png' is damaged", "copy or download it again"),
        (
            "--from plain.png",
            "'plain.png' has no record of how it was drawn",
            TELLING,
        ),
        (
            "--from bomb.png",
            "'bomb.png' holds more text than parameters can have",
            "",
        ),
        (
            "--from web.png",
            "'web.png' was drawn with the model 'dreamshaper_8', and does not say where that is",
            "name it, too: gpustack-draw MODEL --from PICTURE",
        ),
        (
            "--from few.png",
            "'few.png' does not name the model",
            "name it, too: gpustack-draw MODEL --from PICTURE",
        ),
        (
            "demo --from adaptive.png",
            f"'adaptive.png' was drawn with the sampler 'DPM adaptive', {LACKED}",
            f"choose one that it has: --sampler {', '.join(SAMPLERS)}",
        ),
        (
            "demo --from beta.png",
            f"'beta.png' was drawn with the scheduler 'Beta', {LACKED}",
            f"choose one that it has: --scheduler {', '.join(SCHEDULERS)}",
        ),
        (
            "demo cat dog --from cat.png",
            "unexpected argument 'dog'",
            'put the prompt in quotes: "cat dog"',
        ),
        ("demo cat --from", "--from needs a value", "see gpustack-draw --help"),
        ("--from cat.png --seed x", "'x' is not a seed from 0 to 9223372036854775807", None),
        (
            "demo --seed 7",
            "missing PROMPT",
            'for example: gpustack-draw demo "a red circle"',
        ),
    ],
)
def test_what_does_not_do(
    stand_in: StandIn,
    capsys: pytest.CaptureFixture[str],
    words: str,
    message: str,
    hint: str | None,
) -> None:
    Path("notes.txt").write_text("notes", encoding="utf-8")
    Path("cut.png").write_bytes(Path("cat.png").read_bytes()[:100])
    Image.new("RGB", (8, 8)).save("plain.png")
    with_text("bomb.png", "a" * 2_000_000)
    with_text("few.png", "Steps: 4, Seed: 1, Size: 8x8")
    with_text("adaptive.png", "a cat\nSteps: 4, Sampler: DPM adaptive, Seed: 1, Size: 8x8")
    with_text("beta.png", "a cat\nSteps: 4, Sampler: Euler, Schedule type: Beta, Seed: 1")
    assert main(words.split()) == 2
    lines = capsys.readouterr().err.splitlines()
    expected = [message, hint] if hint else [message]
    assert lines[: len(expected)] == [f"gpustack-draw: {line}" for line in expected]
    assert hint is None or len(lines) == len(expected)
    assert stand_in.requests == []


def test_a_prompt_without_a_model(stand_in: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["a green dog", "--from", "cat.png"]) == 2
    assert capsys.readouterr().err == (
        "gpustack-draw: 'a green dog' is taken for the model: the first word is\n"
        "gpustack-draw: put the model before the prompt:"
        " gpustack-draw hf.co/a/b:Q8_0 PROMPT --from PICTURE\n"
    )


def test_a_prompt_too_long_for_a_file_name(stand_in: StandIn) -> None:
    assert main(["a green dog" * 1000, "--from", "cat.png"]) == 2


def test_another_sampler_than_one_the_engine_lacks(stand_in: StandIn) -> None:
    with_text("adaptive.png", "a cat\nSteps: 4, Sampler: DPM adaptive, Seed: 1, Size: 8x8")
    assert main(["demo", "--from", "adaptive.png", "--sampler", "heun"]) == 0
    assert stand_in.requests[0].sampler == "heun"


@pytest.mark.parametrize(
    ("drawn", "words", "sampler", "scheduler"),
    [
        ("DPM++ SDE Karras", ["--sampler", "euler_a"], "euler_a", "karras"),
        ("DPM++ SDE Karras", ["--sampler", "Euler Simple"], "euler", "simple"),
        ("Euler Beta", ["--scheduler", "Normal"], "euler", "discrete"),
        ("Euler Beta", ["--sampler", "LCM Karras"], "lcm", "karras"),
        ("Euler a Karras", ["--sampler", "lcm"], "lcm", "karras"),
        ("Euler a Karras", ["--scheduler", "simple"], "euler_a", "simple"),
        ("Undefined", [], None, None),
    ],
)
def test_what_is_typed_replaces_its_own_half_of_the_sampling(
    stand_in: StandIn, drawn: str, words: list[str], sampler: str | None, scheduler: str | None
) -> None:
    with_text("a.png", f"a cat\nSteps: 4, Sampler: {drawn}, Seed: 1, Size: 8x8")
    assert main(["demo", "--from", "a.png", *words]) == 0
    (request,) = stand_in.requests
    assert (request.sampler, request.scheduler) == (sampler, scheduler)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {}),
        ({"seed": None, "count": 2}, {"seed": None, "count": 2}),
        ({"prompt": ""}, {"prompt": ""}),
        ({"sampler": "lcm"}, {"sampler": "lcm"}),
        ({"sampler": "LCM Simple"}, {"sampler": "lcm", "scheduler": "simple"}),
    ],
)
def test_the_library_replaces_values_of_a_picture(
    stand_in: StandIn, changes: dict[str, object], expected: dict[str, object]
) -> None:
    request = gpustack_draw.read_parameters("cat.png").request(**changes)
    assert request == DrawRequest(**{**OURS, **expected})  # type: ignore[arg-type]


def test_the_command_line_stays_as_it_was_typed(stand_in: StandIn) -> None:
    arguments = parse_arguments(["--from", "cat.png", "--seed", "8"])
    before = dict(vars(arguments))
    source = read_source(arguments, typed_values(arguments), {})
    assert vars(arguments) == before
    assert source.model == "hf.co/a/b:Q8_0"


@pytest.mark.parametrize(
    ("pair", "value", "argument", "words"),
    [
        ("Seed", "9" * 100_000, "seed", ["--seed", "1"]),
        ("Seed", str(2**63), "seed", ["--seed", "1"]),
        ("Steps", "many", "sample steps", ["--sample-steps", "1"]),
        ("CFG scale", "nan", "cfg scale", ["--cfg-scale", "1"]),
        ("Size", "9999x1", "size", ["--size", "64x64"]),
    ],
)
@pytest.mark.parametrize("version", ["gpustack-draw 0.1.0", "v1.10.1"])
def test_a_value_that_cannot_be_used_is_noted(
    stand_in: StandIn,
    capsys: pytest.CaptureFixture[str],
    pair: str,
    value: str,
    argument: str,
    words: list[str],
    version: str,
) -> None:
    pairs = {"Steps": "4", "Seed": "1", "Size": "8x8", "CFG scale": "1", pair: value}
    line = ", ".join(f"{name}: {value}" for name, value in pairs.items())
    with_text("a.png", f"a cat\n{line}, Version: {version}")
    assert main(["demo", "--from", "a.png"]) == 0
    quoted_value = repr(value if len(value) <= 40 else value[:37] + "...")
    note = f"gpustack-draw: 'a.png' has the {argument} {quoted_value}, which cannot be used\n"
    assert note in capsys.readouterr().err
    assert main(["demo", "--from", "a.png", *words]) == 0
    assert "cannot be used" not in capsys.readouterr().err


@pytest.mark.parametrize("command", [["show"], ["demo", "--from"]])
def test_a_named_pipe_is_refused_without_waiting(
    stand_in: StandIn, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("there are no named pipes")
    os.mkfifo("pipe.png")
    assert main([*command, "pipe.png"]) == 2
    assert capsys.readouterr().err == (
        "gpustack-draw: 'pipe.png' is a named pipe, not a file\n"
        "gpustack-draw: save the picture to a file first\n"
    )


@pytest.mark.engine
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_the_same_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], suffix: str
) -> None:
    monkeypatch.chdir(tmp_path)
    first, again = f"first{suffix}", f"again{suffix}"
    drawing = (
        "--negative-prompt blue --cfg-scale 1.5 --size 64x48 --sampler heun --scheduler karras"
        " --sample-steps 2 --seed 77"
    )
    quick = ["--threads", "1", "--quiet"]
    prompt = ' a "red circle",\nSteps: 1, Seed: 2, Size: 8x8 \N{CAT FACE}'
    assert main(["demo", prompt, *drawing.split(), *quick, "--output", first]) == 0
    assert main(["--from", first, *quick, "--output", again]) == 0
    with Image.open(first) as one, Image.open(again) as other:
        assert numpy.array_equal(numpy.asarray(one), numpy.asarray(other))
    assert gpustack_draw.read_parameters(again) == gpustack_draw.read_parameters(first)


@pytest.mark.engine
def test_the_library_draws_a_picture_again(tmp_path: Path) -> None:
    with gpustack_draw.load("demo", threads=1) as model:
        image = model.generate("a red circle", seed=7, size="64x64", sample_steps=1)
        gpustack_draw.save(image, tmp_path / "cat.png")
        parameters = gpustack_draw.read_parameters(tmp_path / "cat.png")
        assert parameters.reference == "demo"
        (again,) = model.draw(parameters.request())
    assert numpy.array_equal(numpy.asarray(again), numpy.asarray(image))


# --- show -----------------------------------------------------------------------------------------


def test_show(stand_in: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "web.png"]) == 0
    assert capsys.readouterr().out == (
        "prompt:           a cat\n"
        "negative prompt:  ugly\n"
        "model:            dreamshaper_8\n"
        "seed:             5\n"
        "size:             512x768\n"
        "sampler:          dpm++2m\n"
        "scheduler:        karras\n"
        "sample steps:     20\n"
        "cfg scale:        7.5\n"
        "program:          AUTOMATIC1111 v1.6.0\n"
        "model hash:       879db523c3\n"
        "face restoration: GFPGAN\n"
        "ensd:             31337\n"
    )


def test_show_gives_what_to_type_for_the_model(
    stand_in: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["show", "cat.png"]) == 0
    assert "model:           hf.co/a/b:Q8_0\n" in capsys.readouterr().out


def test_show_json(stand_in: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "--json", "web.png"]) == 0
    assert known_values(json.loads(capsys.readouterr().out)) == {
        "model": "dreamshaper_8",
        "reference": "",
        "seed": 5,
        "width": 512,
        "height": 768,
        "sampler": "dpm++2m",
        "scheduler": "karras",
        "sample_steps": 20,
        "cfg_scale": 7.5,
        "prompt": "a cat",
        "negative_prompt": "ugly",
        "user_components": [],
        "program": "AUTOMATIC1111 v1.6.0",
        "extra": {
            "Model hash": "879db523c3",
            "Face restoration": "GFPGAN",
            "ENSD": "31337",
            "Version": "v1.6.0",
        },
        "text": WEB_UI,
    }


def test_show_sends_the_terminal_no_orders(
    stand_in: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    with_text("bad.png", "a\x1b]0;title\x07\ncat\r\nSteps: 4, Seed: 1, Size: 8x8, Model: \x9b2J")
    assert main(["show", "bad.png"]) == 0
    assert capsys.readouterr().out.startswith(
        "prompt:       a\\x1b]0;title\\x07\n              cat\nmodel:        \\x9b2J\n"
    )


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        ("", "missing PICTURE", "for example: gpustack-draw show cat.png"),
        ("no.png", "'no.png' does not exist", "check the path"),
        ("cat.png web.png", "unexpected argument 'web.png'", "see gpustack-draw show --help"),
        ("cat.png --seed 7", "'--seed' is not an option", "see gpustack-draw show --help"),
    ],
)
def test_what_show_does_not_do(
    stand_in: StandIn, capsys: pytest.CaptureFixture[str], words: str, message: str, hint: str
) -> None:
    assert main(["show", *words.split()]) == 2
    assert capsys.readouterr() == ("", f"gpustack-draw: {message}\ngpustack-draw: {hint}\n")


def test_show_needs_no_engine(stand_in: StandIn) -> None:
    output = run_python(
        """
        import sys
        from gpustack_draw.cli.main import main
        assert main(["show", "cat.png"]) == 0
        print(sorted(sys.modules.keys() & {"numpy", "huggingface_hub", "gpustack_draw._core"}))
        """
    )
    assert output.endswith("\n[]\n")


def test_the_upscaling_model_of_a_second_pass_is_asked_for(
    stand_in: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    second = HiresSettings(scale=2, width=96, height=64, upscaler="4x-Test", steps=4, strength=0.5)
    Path("large.png").write_bytes(encode(make_picture(hires=second, reference="demo"), ".png"))
    note = (
        "gpustack-draw: 'large.png' was enlarged by '4x-Test' for its second pass; name the file"
        " with --hires-upscaler"
    )
    assert main(["--from", "large.png", "--output", "one.png"]) == 0
    assert note in capsys.readouterr().err.splitlines()
    assert stand_in.requests[-1].hires_upscaler is None
    words = ["--from", "large.png", "--hires-upscaler", "4x-Test.pth", "--output", "two.png"]
    assert main(words) == 0
    assert note not in capsys.readouterr().err.splitlines()
    assert stand_in.requests[-1].hires_upscaler == "4x-Test.pth"


WEB_UI_HIRES = (
    "a cat\nSteps: 20, Sampler: Euler, CFG scale: 7, Seed: 5, Size: 512x512, Denoising strength:"
    " 0.4, Hires upscale: 2, Hires steps: 10, Hires upscaler: 4x-Test, Hires sampler: DPM++ 2M,"
    " Version: v1.10.1"
)
ENLARGED = (
    "'hires.png' was enlarged by '4x-Test' for its second pass; name the file with --hires-upscaler"
)
WRITTEN = "gpustack-draw: 'hires.png' was written by AUTOMATIC1111 v1.10.1; the drawing ignores "


def test_two_passes_of_a_web_ui(stand_in: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    with_text("hires.png", WEB_UI_HIRES)
    assert main(["model.gguf", "--from", "hires.png"]) == 0
    request = stand_in.requests[-1]
    assert (request.hires, request.hires_steps, request.hires_strength) == (2, 10, 0.4)
    lines = capsys.readouterr().err.splitlines()
    assert [line for line in lines if "hires.png" in line] == [
        f"gpustack-draw: {ENLARGED}",
        f"{WRITTEN}Hires sampler",
    ]


def test_one_pass_instead_of_two(stand_in: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    with_text("hires.png", WEB_UI_HIRES)
    assert main(["model.gguf", "--from", "hires.png", "--no-hires"]) == 0
    request = stand_in.requests[-1]
    assert (request.hires, request.hires_steps, request.hires_strength) == (None, None, None)
    lines = capsys.readouterr().err.splitlines()
    assert [line for line in lines if "hires.png" in line] == [f"{WRITTEN}Hires sampler"]
    second = HiresSettings(scale=2, width=96, height=64, upscaler="latent", steps=4, strength=0.5)
    Path("large.png").write_bytes(encode(make_picture(hires=second, reference="demo"), ".png"))
    assert main(["--from", "large.png", "--no-hires", "--output", "small.png"]) == 0
    assert stand_in.requests[-1].hires is None
    assert main(["demo", "a cat", "--no-hires", "--output", "plain.png"]) == 0
    assert stand_in.requests[-1].hires is None
    assert main(["demo", "a cat", "--no-hires", "--hires-steps", "3"]) == 2
    assert capsys.readouterr().err.splitlines()[-2:] == [
        "gpustack-draw: --hires-steps needs a second pass",
        "gpustack-draw: draw one with --hires=2",
    ]


def test_the_input_picture_of_a_web_ui(
    stand_in: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    with_text(
        "img2img.png",
        "a cat\nSteps: 20, Seed: 5, Size: 64x64, Denoising strength: 0.6, Mask blur: 4,"
        " Version: v1.10.1",
    )
    from_picture = "gpustack-draw: 'img2img.png' was drawn from another picture; name that one with"
    written = "gpustack-draw: 'img2img.png' was written by AUTOMATIC1111 v1.10.1; the drawing"
    assert main(["model.gguf", "--from", "img2img.png"]) == 0
    assert not stand_in.requests[-1].pictures
    lines = [line for line in capsys.readouterr().err.splitlines() if "img2img.png" in line]
    assert lines == [f"{from_picture} --image to start from it", f"{written} ignores Mask blur"]
    assert main(["model.gguf", "--from", "img2img.png", "--image", "web.png"]) == 0
    assert stand_in.requests[-1].pictures.strength == 0.6
    lines = [line for line in capsys.readouterr().err.splitlines() if "img2img.png" in line]
    assert lines == [f"{written} ignores Mask blur"]
