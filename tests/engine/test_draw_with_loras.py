"""Drawing with LoRAs, from the request to the picture, with the demo model."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from loopback_hub import LoopbackHub
from lora_files import STYLE, demo_lora
from numpy.typing import NDArray

import gpustack_draw
from gpustack_draw import Model, Progress
from gpustack_draw.cli.main import main
from gpustack_draw.engine.model_loras import check_applied
from gpustack_draw.errors import EngineError, FetchError, ModelFileError
from gpustack_draw.pictures.picture import Picture
from gpustack_draw.request.draw_request import DrawRequest

PROMPT = "a red circle on a blue background"
QUICK: dict[str, Any] = {"seed": 7, "size": (128, 128), "sample_steps": 2}


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    with gpustack_draw.load("demo") as loaded:
        yield loaded


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GPUSTACK_DRAW_LORA_DIR", raising=False)
    Path("loras").mkdir()
    Path("loras/style.safetensors").write_bytes(demo_lora(1))
    Path("other.safetensors").write_bytes(demo_lora(2))
    return tmp_path


def draw(model: Model, prompt: str = PROMPT, **options: Any) -> Picture:
    (picture,) = model.draw(DrawRequest(prompt=prompt, **{**QUICK, **options}))
    return picture


def pixels(picture: Picture) -> NDArray[np.uint8]:
    return np.asarray(picture.to_image())


@pytest.mark.engine
def test_options_and_tags_switch_loras_without_loading_the_model(model: Model) -> None:
    plain = pixels(draw(model))
    style = draw(model, loras=["loras/style.safetensors:0.5"])
    assert np.abs(pixels(style).astype(int) - plain).mean() > 1
    assert "load" not in style.seconds
    assert "load_loras" in style.seconds
    tagged = draw(model, f"{PROMPT} <lora:style:0.5>", lora_dir="loras")
    assert np.array_equal(pixels(tagged), pixels(style))
    summed = ["loras/style.safetensors:0.25", "loras/style.safetensors:0.25"]
    assert np.array_equal(pixels(draw(model, loras=summed)), pixels(style))
    both = draw(model, loras=["loras/style.safetensors:0.5", "other.safetensors"])
    assert not np.array_equal(pixels(both), pixels(style))
    without = draw(model, loras=["loras/style.safetensors:0"])
    assert np.array_equal(pixels(without), plain)
    assert (without.settings.loras, "load_loras" in without.seconds) == ((), False)
    assert np.array_equal(pixels(draw(model)), plain)


@pytest.mark.engine
def test_a_picture_is_drawn_again_from_its_parameters(model: Model) -> None:
    first = draw(model, f"{PROMPT} <lora:style:0.5>", lora_dir="loras", loras=["other.safetensors"])
    found = gpustack_draw.read_parameters(first.to_image())
    assert found.prompt == f"{PROMPT} <lora:style:0.5> <lora:other:1>"
    digest = hashlib.sha256(demo_lora(1)[-4 * 4 * 4 * 256 :]).hexdigest()[:12]
    assert found.extra["Lora hashes"].startswith(f"style: {digest}, other: ") or (
        f", style: {digest}" in found.extra["Lora hashes"]
    )
    again = found.request(loras=["other.safetensors"], lora_dir="loras")
    (second,) = model.draw(again)
    assert np.array_equal(pixels(second), pixels(first))
    assert gpustack_draw.read_parameters(second.to_image()).prompt == found.prompt


@pytest.mark.engine
def test_a_callback_cannot_draw_with_a_lora(model: Model) -> None:
    def draw_again(_progress: Progress) -> None:
        draw(model, loras=["other.safetensors"])

    with pytest.raises(EngineError, match="a callback of a drawing cannot draw"):
        list(model.draw(DrawRequest(prompt=PROMPT, **QUICK), draw_again))


@pytest.mark.engine
def test_a_lora_of_load_is_the_default(model: Model) -> None:
    plain, style = draw(model), draw(model, loras=["loras/style.safetensors"])
    with gpustack_draw.load("demo", loras=["loras/style.safetensors"]) as loaded:
        assert np.array_equal(pixels(draw(loaded)), pixels(style))
        assert np.array_equal(pixels(draw(loaded, loras=[])), pixels(plain))


@pytest.mark.engine
def test_the_command_fetches_and_records_a_lora_of_the_hub(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hub = LoopbackHub()
    hub.use(monkeypatch, folder / "home")
    metadata = {"modelspec.trigger_phrase": "neon", "modelspec.license": "MIT"}
    hub.add("acme/ink", {"ink.safetensors": demo_lora(3, "diffusion_model.x", metadata=metadata)})
    words = ["--seed", "7", "--size", "128x128", "--steps", "2", "--json", "--output", "a.png"]
    try:
        reference = ["--lora", "hf.co/acme/ink:0.5"]
        assert main(["demo", PROMPT, *words, *reference, "--dry-run"]) == 0
        plan = json.loads(capsys.readouterr().out)
        (planned,) = (file for file in plan["files"] if file["component"] == "lora")
        assert (planned["repository"], planned["cached"]) == ("acme/ink", False)
        assert plan["fetch_bytes"] == planned["bytes"]
        assert main(["demo", PROMPT, *words, *reference]) == 0
        drawn = capsys.readouterr()
        (lora,) = json.loads(drawn.out)["loras"]
        assert lora == {
            "name": "ink",
            "reference": "hf.co/acme/ink:ink.safetensors",
            "weight": 0.5,
            "tag_weight": 0.0,
            "applied": 4,
            "total": 6,
            "rank": 4,
            "base": lora["base"],
            "trigger_words": ["neon"],
            "license": "MIT",
            "hash": lora["hash"],
        }
        assert "4 of the 6 tensors of 'hf.co/acme/ink:ink.safetensors' are applied" in drawn.err
        assert "the LoRA 'ink' was trained with 'neon'; the prompt has none of it" in drawn.err
        first = Path("a.png").read_bytes()
        hub.requests.clear()
        assert main(["--from", "a.png", "--json", "--output", "b.png"]) == 0
        assert Path("b.png").read_bytes() == first
    finally:
        hub.close()


@pytest.mark.engine
def test_a_lora_that_does_not_fit_is_refused_before_its_download(
    model: Model, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = demo_lora(4).replace(b"[4, 256]", b"[8, 128]").replace(b"[256, 4]", b"[128, 8]")
    hub = LoopbackHub()
    hub.use(monkeypatch, folder / "home")
    hub.add("acme/wide", {"wide.safetensors": data})
    try:
        seen: list[Progress] = []
        with pytest.raises(ModelFileError) as caught:
            list(model.draw(DrawRequest(prompt=PROMPT, loras=["hf.co/acme/wide"]), seen.append))
        assert "it has 128 inputs, and the model 256" in caught.value.message
        assert (caught.value.argument, seen) == ("loras", [])
    finally:
        hub.close()


@pytest.mark.engine
def test_a_lora_that_does_not_fit_on_the_disk_is_refused_before_its_download(
    model: Model, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = LoopbackHub()
    hub.use(monkeypatch, folder / "home")
    monkeypatch.setattr("gpustack_draw.hub.cache.HubCache.free_bytes", lambda _cache: 1000)
    hub.add("acme/full", {"full.safetensors": demo_lora(5)})
    try:
        request = DrawRequest(prompt=PROMPT, loras=["hf.co/acme/full"])
        note = model.plan(request).notes[-1]
        assert note.startswith("the download needs 16.9 kB, but the disk of the cache")
        with pytest.raises(FetchError, match="the download needs"):
            model.check(request)
    finally:
        hub.close()


def test_the_count_of_the_engine_is_compared_with_ours() -> None:
    other = replace(STYLE, name="other", applied=2)
    assert check_applied((), None) == ()
    assert check_applied((STYLE, other), (6, 12)) == ()
    assert check_applied((STYLE, other), (5, 12)) == (
        "the engine applied only 5 of the 6 tensors that fit of 'style', 'other'",
    )
    for counted in (None, (0, 6)):
        with pytest.raises(EngineError) as caught:
            check_applied((STYLE,), counted)
        assert caught.value.message == (
            "the engine applied none of the 4 tensors that fit of 'style'"
        )
        assert caught.value.hint == "on_log=print prints the engine's log"
