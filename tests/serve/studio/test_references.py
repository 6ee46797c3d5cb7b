"""Tests of the door for names from clients: nothing outside the served list passes."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from lora_files import demo_lora

import gpustack_draw
from gpustack_draw import DrawRequest, Lora
from gpustack_draw.errors import DrawError, UsageError
from gpustack_draw.phrases import Phrase, phrase
from gpustack_draw.serve.options import NamedModel, ServeOptions
from gpustack_draw.serve.studio.references import References, is_hub_reference


def references(**options: Any) -> References:
    return References(ServeOptions(models=(NamedModel("demo", "demo"),), **options))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    loras = tmp_path / "loras"
    (loras / "sub").mkdir(parents=True)
    for name in ("ink.safetensors", "sub/wood.safetensors", "notes.txt"):
        (loras / name).write_bytes(b"")
    (tmp_path / "secret.safetensors").write_bytes(b"")
    return loras


def test_names_of_the_options_and_of_the_folder(folder: Path) -> None:
    found = references(
        loras=("/a/style.safetensors", "hf.co/o/r@main:x/lcm.safetensors", "hf.co/o/pixel-art"),
        lora_dir=str(folder),
        upscalers=("models/4x-UltraSharp.pth",),
    )
    assert found.loras() == ("ink", "lcm", "pixel-art", "style", "wood")
    assert found.upscalers() == ("4x-UltraSharp",)


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("hf.co/o/my-lora:pytorch_lora_weights.safetensors", "my-lora"),
        ("hf.co/o/my-lora@v1:pytorch_lora_weights.safetensors", "my-lora"),
        ("folder/cat/adapter_model.safetensors", "cat"),
        ("model.safetensors", "model"),
    ],
)
def test_files_with_usual_names_are_named_after_their_place(reference: str, name: str) -> None:
    assert references(loras=(reference,)).loras() == (name,)


def test_names_become_references(folder: Path) -> None:
    request = references(
        loras=("/a/style.safetensors",), lora_dir=str(folder), upscalers=("/m/big.pth",)
    ).applied(
        DrawRequest(
            prompt="x",
            loras=["style:0.5", "wood", "ink.safetensors:2"],
            upscale="big",
            hires=2,
            hires_upscaler="big.pth",
        )
    )
    assert request.loras == (
        Lora("/a/style.safetensors", 0.5),
        Lora(str(folder / "sub" / "wood.safetensors")),
        Lora(str(folder / "ink.safetensors"), 2),
    )
    assert request.upscale == "/m/big.pth"
    assert request.hires_upscaler == "/m/big.pth"
    assert request.lora_dir == str(folder)


def test_methods_of_the_second_pass_stay() -> None:
    request = DrawRequest(prompt="x", hires=2, hires_upscaler="latent-bicubic")
    assert references().applied(request).hires_upscaler == "latent-bicubic"


def test_tags_of_the_prompt_name_served_loras_once() -> None:
    found = references(loras=("/a/Style.safetensors", "/a/ink.safetensors"))
    tagged = DrawRequest(prompt="x <lora:style:0.8> <lora:style:0.1> <lora:other:1>")
    assert found.applied(tagged).loras == (Lora("/a/Style.safetensors"),)
    both = DrawRequest(prompt="x <lora:ink:0.8>", loras="ink:0.5")
    assert found.applied(both).loras == (Lora("/a/ink.safetensors", 0.5),)


def test_the_folder_of_a_client_is_ignored(folder: Path, tmp_path: Path) -> None:
    request = DrawRequest(prompt="x", lora_dir=str(tmp_path))
    assert references(lora_dir=str(folder)).applied(request).lora_dir == str(folder)
    assert references().applied(request).lora_dir is None


OUTSIDE = [
    "/etc/passwd",
    "../secret",
    "../secret.safetensors",
    "./ink",
    "sub/wood",
    "~/x",
    "file:///etc/passwd",
    "hf.co/../../etc/passwd",
    "hf.co/o/r:../../x",
    "hf.co/o/r:/etc/passwd",
    "hf.co/o/..",
    "hf.co/o/r@../x",
    "https://hf.co/o/r",
    "C:\\x.safetensors",
    "\\\\server\\share",
    "ink\0",
    "notes",
]


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("allow_fetch", [False, True])
def test_a_name_outside_the_list_is_refused(folder: Path, name: str, allow_fetch: bool) -> None:
    found = references(lora_dir=str(folder), upscalers=("/m/big.pth",), allow_fetch=allow_fetch)
    with pytest.raises(UsageError) as caught:
        found.applied(DrawRequest(prompt="x", loras=[Lora(name)]))
    assert caught.value.argument == "loras"
    assert caught.value.hint == "choose one of: ink, wood"
    with pytest.raises(UsageError) as caught:
        found.upscaler(name)
    assert caught.value.hint == "choose one of: big"


@given(name=st.text(max_size=60) | st.from_regex(r"hf\.co/[./:@\\~a]{1,40}", fullmatch=True))
@example(name="hf.co/a/b")
@example(name="hf.co/a/b:c/../d")
def test_no_text_that_passes_as_a_reference_leaves_its_repository(name: str) -> None:
    if is_hub_reference(name):
        assert name.startswith("hf.co/")
        parts = name.replace(":", "/").replace("@", "/").split("/")
        assert not {"", ".", ".."} & set(parts)
        assert not any(part.startswith(".") for part in parts)
        assert name.isprintable()


@pytest.mark.parametrize(
    "name",
    ["hf.co/o/r", "hf.co/o/r:Q4_0", "hf.co/o/r@main:a/b-1.gguf", "hf.co/O.x/r_1.5-GGUF:q8_0"],
)
def test_references_of_hugging_face(name: str) -> None:
    assert is_hub_reference(name)
    with pytest.raises(UsageError) as caught:
        references().upscaler(name)
    assert caught.value.message == f"there is no upscaling model '{name}' on this server"
    assert caught.value.hint == (
        "this server has no upscaling model; --allow-fetch lets clients name others"
    )
    assert references(allow_fetch=True).upscaler(name) == name


def test_errors_name_files_as_clients_do(folder: Path) -> None:
    found = References(
        ServeOptions(
            models=(NamedModel("cat", "/srv/models/cat-Q4_0.gguf"),),
            loras=("/srv/style.safetensors",),
            lora_dir=str(folder),
        )
    )
    error = DrawError(
        phrase("'{}' does not fit '/srv/models/cat-Q4_0.gguf', {size}", str(folder / "ink.gguf")),
        hint=f"put it into '{folder}', or use '/srv/style.safetensors'",
    )
    found.translate(error)
    assert error.message == "'ink.gguf' does not fit 'cat', size"
    assert isinstance(error.message, Phrase)
    assert error.hint == "put it into 'the folder of LoRAs', or use 'style'"


def test_an_unknown_lora_of_a_prompt_can_only_be_one_of_the_server(tmp_path: Path) -> None:
    (tmp_path / "ink.safetensors").write_bytes(demo_lora(1))
    request = DrawRequest(prompt="a cat <lora:none:1>")
    for options, hint in (
        ({}, "leave the tag out; this server has no LoRA"),
        ({"loras": ("/srv/style.safetensors",)}, "leave the tag out; choose one of: style"),
        ({"lora_dir": str(tmp_path)}, "leave the tag out; choose one of: ink"),
    ):
        found = references(**options)
        with pytest.raises(UsageError) as caught:
            gpustack_draw.load("demo").settings(found.applied(request))
        found.translate(caught.value)
        assert caught.value.message.startswith("the LoRA 'none' of the prompt is not known")
        assert caught.value.hint == hint
