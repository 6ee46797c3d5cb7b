"""Tests of DrawError.argument: the library's name of the argument that an error is about."""

from collections.abc import Callable
from pathlib import Path

import pytest

import gpustack_draw
from gpustack_draw import DrawError, DrawRequest


def draw(**arguments: object) -> Callable[[], object]:
    """Return a call of generate() with the demo model."""
    arguments = {"model": "demo", "prompt": "a cat", **arguments}
    return lambda: gpustack_draw.generate(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("call", "argument"),
    [
        (draw(prompt=7), "prompt"),
        (draw(negative_prompt="\0"), "negative_prompt"),
        (draw(negative_prompt="x" * 1001), "negative_prompt"),
        (draw(size="wide"), "size"),
        (draw(size=(0, 512)), "size"),
        (draw(sampler="eular"), "sampler"),
        (draw(scheduler="karrass"), "scheduler"),
        (draw(sampler="LCM Karras", scheduler="simple"), "scheduler"),
        (draw(sample_steps=0), "sample_steps"),
        (draw(cfg_scale=float("nan")), "cfg_scale"),
        (draw(guidance=-1), "guidance"),
        (draw(seed=-2), "seed"),
        (lambda: DrawRequest(prompt="", seed=2**63 - 1, count=2), "seed"),
        (lambda: DrawRequest(prompt="", count=0), "count"),
        (draw(threads=0), "threads"),
        (draw(on="mars"), "on"),
        (draw(on="server"), "on"),
        (draw(model="x", on="server", server="ftp://h"), "server"),
        (draw(model="x", on="server", timeout=0), "timeout"),
        (draw(on_progress=7), "on_progress"),
        (draw(model=""), "model"),
        (draw(model="no-such.gguf"), "model"),
        (draw(model="hf.co/acme"), "model"),
        (draw(model="acme/sd", on="local"), "model"),
        (draw(vae="no-such.gguf"), "vae"),
        (draw(clip_l=""), "clip_l"),
        (draw(t5xxl="hf.co/acme"), "t5xxl"),
        (draw(llm=7), "llm"),
        (draw(loras=7), "loras"),
        (draw(loras="no-such.safetensors"), "loras"),
        (lambda: gpustack_draw.load("demo", loras="no-such.safetensors"), "loras"),
        (draw(lora_dir="no-such-folder"), "lora_dir"),
        (draw(prompt="<lora:unknown:1>"), "prompt"),
        (lambda: gpustack_draw.read_parameters("no-such.png"), "picture"),
        (lambda: gpustack_draw.save("x", "x.png"), "image"),  # type: ignore[arg-type]
        (lambda: gpustack_draw.load("demo", on_log=7), "on_log"),  # type: ignore[arg-type]
    ],
)
def test_an_error_names_the_argument_that_it_is_about(
    call: Callable[[], object], argument: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DrawError) as caught:
        call()
    assert caught.value.argument == argument
