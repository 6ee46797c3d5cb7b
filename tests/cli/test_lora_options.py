"""LoRAs on the command line: options, tags in prompts, and the pictures of ``--from``."""

from dataclasses import replace
from pathlib import Path

import pytest
from lora_files import STYLE
from PIL import Image, PngImagePlugin
from sample_picture import make_picture
from stand_in_model import StandIn, forbid_engine, install_stand_in

from gpustack_draw.cli.main import main
from gpustack_draw.cli.plan import describe_plan
from gpustack_draw.pictures.save import encode
from gpustack_draw.plan import ModelPlan
from gpustack_draw.request.loras import Lora, LoraSettings

ON_HUB = replace(STYLE, name="ink", reference="hf.co/acme/ink:ink.safetensors", weight=1.0)


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> StandIn:
    """A model that needs no engine; the current folder has pictures drawn with LoRAs."""
    made = install_stand_in(monkeypatch, tmp_path)
    picture = make_picture(prompt="a cat", loras=(STYLE, ON_HUB), reference="demo")
    Path("cat.png").write_bytes(encode(picture, ".png"))
    chunks = PngImagePlugin.PngInfo()
    chunks.add_text(
        "parameters",
        "a cat <lora:style:0.8>\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 5, Size: 64x64,"
        ' Lora hashes: "style: 0123456789ab", Version: v1.6.0',
    )
    Image.new("RGB", (8, 8)).save("web.png", pnginfo=chunks)
    return made


def test_options_become_loras(stand_in: StandIn) -> None:
    words = ["--lora", "a.safetensors:0.5", "--lora", "hf.co/acme/ink:ink", "--lora-dir", "loras"]
    assert main(["demo", "a cat", *words]) == 0
    (request,) = stand_in.requests
    assert request.loras == (Lora("a.safetensors", 0.5), Lora("hf.co/acme/ink:ink"))
    assert request.lora_dir == "loras"


def test_a_picture_brings_its_loras(stand_in: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--from", "cat.png", "--lora", "style.safetensors"]) == 0
    (request,) = stand_in.requests
    assert request.prompt == "a cat <lora:style:0.8> <lora:ink:1>"
    assert request.loras == (Lora("style.safetensors"), Lora("hf.co/acme/ink:ink.safetensors"))
    assert "ignores" not in capsys.readouterr().err


def test_another_prompt_replaces_the_tags(
    stand_in: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    note = (
        "gpustack-draw: 'cat.png' was drawn with <lora:style:0.8> <lora:ink:1>, which the new"
        " prompt does not have\n"
    )
    assert main(["demo", "a dog", "--from", "cat.png"]) == 0
    assert note in capsys.readouterr().err
    assert main(["demo", "a dog <lora:ink:1>", "--from", "cat.png"]) == 0
    assert note not in capsys.readouterr().err
    assert [(request.prompt, request.loras) for request in stand_in.requests] == [
        ("a dog", None),
        ("a dog <lora:ink:1>", (Lora("hf.co/acme/ink:ink.safetensors"),)),
    ]


def test_a_picture_of_a_web_ui_keeps_its_tags(
    stand_in: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", "--from", "web.png", "--lora-dir", "loras"]) == 0
    (request,) = stand_in.requests
    assert (request.prompt, request.loras, request.lora_dir) == (
        "a cat <lora:style:0.8>",
        None,
        "loras",
    )
    assert "ignores" not in capsys.readouterr().err


def test_another_file_is_noted(
    stand_in: StandIn, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def draw_with(lora: LoraSettings) -> str:
        drawn = make_picture(prompt="a cat", loras=(lora,))
        monkeypatch.setattr(StandIn, "draw", lambda *_arguments, **_options: iter([drawn]))
        assert main(["demo", "--from", "web.png", "--lora-dir", "loras"]) == 0
        return capsys.readouterr().err

    note = "gpustack-draw: the LoRA 'style' is not the file that was used before\n"
    assert note not in draw_with(STYLE)
    assert note in draw_with(replace(STYLE, hash="f123456789ab"))


def test_notes_on_a_drawing_are_printed(
    stand_in: StandIn, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = make_picture(loras=(STYLE,))
    drawn.notes = ("the engine applied only 3 of the 4 tensors that fit of 'style'",)
    monkeypatch.setattr(StandIn, "draw", lambda *_arguments, **_options: iter([drawn]))
    assert main(["demo", "a cat", "--lora", "style.safetensors"]) == 0
    errors = capsys.readouterr().err
    assert (
        "gpustack-draw: the engine applied only 3 of the 4 tensors that fit of 'style'\n" in errors
    )
    assert "seed 7, LoRA style 0.8, 8 steps" in errors


@pytest.mark.parametrize(
    ("words", "status", "message", "hint"),
    [
        (["--lora", "x"], 3, "there is no file 'x'", "check the path"),
        (["--lora-dir", "x"], 3, "there is no folder 'x'", "name the folder of your LoRAs"),
        (
            ["--lora", "text.safetensors"],
            3,
            "'text.safetensors' is text, not a model file",
            "a model file is GGUF, safetensors or a PyTorch checkpoint (.ckpt)",
        ),
        (
            ["--lora", "https://civitai.com/models/1"],
            2,
            (
                "'https://civitai.com/models/1' is an address on the network, but not one of"
                " Hugging Face"
            ),
            "download the file, and type its path",
        ),
        (["--lora", "."], 3, "'.' is a folder, not a file", "name a file in it"),
    ],
)
def test_a_wrong_lora_is_an_error_before_the_engine_starts(
    words: list[str],
    status: int,
    message: str,
    hint: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    forbid_engine(monkeypatch, tmp_path)
    Path("text.safetensors").write_text("hello")
    assert main(["demo", "a cat", *words]) == status
    assert capsys.readouterr().err.splitlines() == [
        f"gpustack-draw: {message}",
        f"gpustack-draw: {hint}",
    ]


def test_a_plan_describes_the_loras() -> None:
    settings = make_picture(loras=(STYLE, replace(ON_HUB, rank=None, base="", license="",
        trigger_words=()))).settings  # fmt: skip
    plan = ModelPlan(
        model="demo",
        source="demo",
        family="flux2-klein",
        variant="",
        files=(),
        fetch_bytes=0,
        memory_bytes=1,
        memory_free_bytes=None,
        fits=None,
        defaults=settings.planned(),
        native_size=None,
        device="CPU",
        notes=(),
    )
    lines = describe_plan(plan).splitlines()
    assert [line for line in lines if line.startswith("lora:")] == [
        (
            "lora:      style 0.8, 4 of 6 tensors, rank 16, for SDXL, license MIT, trigger words"
            " 'neon', 'glow'"
        ),
        "lora:      ink 1, 4 of 6 tensors",
    ]
    assert "LoRA style 0.8, LoRA ink 1" in plan._repr_html_()
