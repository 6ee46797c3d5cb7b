"""Effect of every option of the command, with the real engine.

The pictures are small, with few steps, and drawn by one thread, as two would wait for each other on
a busy machine.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
import pytest
from known_values import known_values
from model_files import CLIP_G, CLIP_L, T5, VAE_32, write_model
from numpy.typing import NDArray
from PIL import Image

import gpustack_draw
from gpustack_draw.demo import DEMO_FILE
from gpustack_draw.engine.process import EngineProcess
from gpustack_draw.headers.header import read_model_header
from gpustack_draw.request.names import SAMPLERS, SCHEDULERS

pytestmark = pytest.mark.engine

PROMPT = "a red circle on a blue background"
QUICK = ("--seed", "7", "--size", "128x128", "--sample-steps", "2", "--threads", "1")


@dataclass(frozen=True)
class Drawing:
    """The result of a run of the command."""

    status: int
    output: str
    errors: str
    folder: Path

    @property
    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.output.splitlines()]

    @property
    def record(self) -> dict[str, Any]:
        (record,) = self.records
        return record

    @property
    def pixels(self) -> NDArray[numpy.int64]:
        with Image.open(self.folder / self.record["path"]) as image:
            return numpy.asarray(image).astype(numpy.int64)

    @property
    def parameters(self) -> str:
        with Image.open(self.folder / self.record["path"]) as image:
            return str(image.info["parameters"])


def run(folder: Path, *arguments: str, **environment: str) -> Drawing:
    result = subprocess.run(
        [sys.executable, "-m", "gpustack_draw", *arguments],
        cwd=folder,
        env={**os.environ, **environment},
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return Drawing(result.returncode, result.stdout, result.stderr, folder)


Draw = Callable[..., Drawing]


@pytest.fixture
def draw(tmp_path: Path) -> Draw:
    """A function that draws a small picture with the command and some options."""

    def draw_with(*options: str, prompt: str = PROMPT, **environment: str) -> Drawing:
        drawing = run(tmp_path, "demo", prompt, "--json", *QUICK, *options, **environment)
        assert drawing.status == 0, drawing.errors
        return drawing

    return draw_with


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Drawing:
    """The picture drawn without further options."""
    drawing = run(tmp_path_factory.mktemp("plain"), "demo", PROMPT, "--json", *QUICK)
    assert drawing.status == 0, drawing.errors
    return drawing


def differs(one: Drawing, other: Drawing) -> bool:
    return bool(numpy.abs(one.pixels - other.pixels).mean() > 0.05)


def test_the_defaults(tmp_path: Path) -> None:
    drawing = run(tmp_path, "demo", PROMPT, "--json", "--seed", "7", "--threads", "1")
    assert drawing.status == 0, drawing.errors
    record = drawing.record
    assert record["seconds"].pop("sample") > 0
    assert set(record.pop("seconds")) <= {"load", "encode", "decode"}
    assert record.pop("path").startswith("a_red_circle_on_a_blue__2")
    assert known_values(record) == {
        "seed": 7,
        "width": 256,
        "height": 256,
        "model": "demo",
        "family": "flux2-klein",
        "sampler": "euler",
        "scheduler": "discrete",
        "sample_steps": 4,
        "cfg_scale": 1.0,
        "prompt": PROMPT,
        "negative_prompt": "",
        "mode": "txt2img",
        "references": 0,
        "loras": [],
        "embeddings": {},
        "device": next(device.name for device in gpustack_draw.devices() if device.used),
    }


def test_the_same_again_is_the_same(draw: Draw, plain: Drawing) -> None:
    assert numpy.array_equal(draw().pixels, plain.pixels)


def test_prompt(draw: Draw, plain: Drawing) -> None:
    assert differs(draw(prompt="a green square on a white background"), plain)


def test_empty_prompt(draw: Draw, plain: Drawing) -> None:
    assert differs(draw(prompt=""), plain)


def test_seed(draw: Draw, plain: Drawing) -> None:
    other = draw("--seed", "8")
    assert differs(other, plain)
    assert "Seed: 8," in other.parameters
    largest = draw("--seed", "9223372036854775807")
    assert "Seed: 9223372036854775807," in largest.parameters
    assert differs(largest, other)


def test_a_random_seed_is_told_and_repeats_the_picture(draw: Draw) -> None:
    random = draw("--seed", "-1")
    assert "gpustack-draw: --seed -1 means a random seed" in random.errors
    seed = random.record["seed"]
    assert f"seed {seed}, " in random.errors
    assert f"Seed: {seed}," in random.parameters
    assert numpy.array_equal(draw("--seed", str(seed)).pixels, random.pixels)


def test_size(draw: Draw) -> None:
    drawing = draw("--size", "64x96")
    assert drawing.pixels.shape == (96, 64, 3)
    assert "Size: 64x96," in drawing.parameters


def test_a_size_that_is_rounded_up(draw: Draw) -> None:
    drawing = draw("--size", "65x95")
    assert "65x95 was rounded up to 80x96" in drawing.errors
    assert drawing.pixels.shape == (96, 80, 3)
    assert (drawing.record["width"], drawing.record["height"]) == (80, 96)
    assert "Size: 80x96," in drawing.parameters


def test_sample_steps(draw: Draw, plain: Drawing) -> None:
    drawing = draw("--sample-steps", "3")
    assert differs(drawing, plain)
    assert drawing.parameters.splitlines()[-1].startswith("Steps: 3, ")


def test_cfg_scale_and_negative_prompt(draw: Draw, plain: Drawing) -> None:
    guided = draw("--cfg-scale", "4")
    assert differs(guided, plain)
    assert "CFG scale: 4," in guided.parameters
    negative = draw("--cfg-scale", "4", "--negative-prompt", "a blue background")
    assert differs(negative, guided)
    assert "Negative prompt: a blue background\n" in negative.parameters
    assert "no effect" not in negative.errors


def test_a_negative_prompt_without_guidance_has_no_effect(draw: Draw, plain: Drawing) -> None:
    drawing = draw("--negative-prompt", "a blue background")
    assert numpy.array_equal(drawing.pixels, plain.pixels)
    assert "--negative-prompt has no effect with --cfg-scale 1" in drawing.errors


def test_sampler(draw: Draw, plain: Drawing) -> None:
    drawing = draw("--sampler", "heun")
    assert differs(drawing, plain)
    assert "Sampler: Heun," in drawing.parameters


def test_scheduler(draw: Draw) -> None:
    # Two steps are the first and the last one in every schedule.
    drawing = draw("--scheduler", "karras", "--sample-steps", "4")
    assert differs(drawing, draw("--sample-steps", "4"))
    assert "Schedule type: Karras," in drawing.parameters


def test_every_sampler_and_scheduler_draws_a_picture_of_its_own() -> None:
    with gpustack_draw.load("demo", threads=1) as model:
        pictures = {}
        schedulers = [name for name in SCHEDULERS if name != "ays"]  # not for this family
        for option, names in (("sampler", SAMPLERS), ("scheduler", schedulers)):
            for name in names:
                image = model.generate(
                    PROMPT,
                    seed=7,
                    size=(64, 64),
                    sample_steps=4,
                    **{option: name},  # type: ignore[arg-type]
                )
                pictures[f"{option} {name}"] = image.tobytes()
    assert pictures["sampler euler"] == pictures.pop("scheduler discrete")  # the defaults
    # Without its noise, a step of this sampler is Euler's: alike, but for rounding (in bf16, by 3).
    alike = numpy.frombuffer(pictures.pop("sampler ddim_trailing"), numpy.uint8).astype(int)
    apart = abs(alike - numpy.frombuffer(pictures["sampler euler"], numpy.uint8))
    assert apart.max() <= 8
    assert apart.mean() <= 0.3
    assert len(set(pictures.values())) == len(pictures)


def test_output_in_each_format(draw: Draw, plain: Drawing) -> None:
    outputs = (("cat.jpg", "JPEG", 6), ("cat.webp", "WEBP", 6), ("c.png", "PNG", 0))
    for name, image_format, max_error in outputs:
        drawing = draw("--output", name)
        assert drawing.record["path"] == name
        with Image.open(drawing.folder / name) as image:
            assert image.format == image_format
        assert numpy.abs(drawing.pixels - plain.pixels).mean() <= max_error


def test_output_on_standard_output(tmp_path: Path, plain: Drawing) -> None:
    with (tmp_path / "out.png").open("wb") as output:
        subprocess.run(
            [sys.executable, "-m", "gpustack_draw", "demo", PROMPT, *QUICK, "-d", "--output", "-"],
            check=True,
            stdout=output,
            stderr=subprocess.DEVNULL,
        )
    with Image.open(tmp_path / "out.png") as image:
        assert numpy.array_equal(numpy.asarray(image), plain.pixels)


def test_count(draw: Draw, plain: Drawing) -> None:
    drawing = draw("--count", "2", "--output", "cat.png")
    assert [(record["path"], record["seed"]) for record in drawing.records] == [
        ("cat-1.png", 7),
        ("cat-2.png", 8),
    ]
    with Image.open(drawing.folder / "cat-1.png") as first:
        assert numpy.array_equal(numpy.asarray(first), plain.pixels)
    with Image.open(drawing.folder / "cat-2.png") as second:
        assert not numpy.array_equal(numpy.asarray(second), plain.pixels)
    assert "picture 2/2: drawing 2/2, 100 %" in drawing.errors
    assert "picture 2/2: loading" not in drawing.errors


def test_quiet(draw: Draw) -> None:
    assert draw("--quiet", "--negative-prompt", "no effect").errors == ""


def test_debug(draw: Draw, plain: Drawing) -> None:
    drawing = draw("--debug")
    assert numpy.array_equal(drawing.pixels, plain.pixels)
    for fact in ("python: 3.", "ggml: ", "instructions: ", "optimized: yes"):
        assert fact in drawing.errors
        assert fact not in plain.errors
    assert "info: stable-diffusion.cpp" in drawing.errors
    assert "stable-diffusion.cpp" not in plain.errors


def test_standard_output_is_exact_with_debug(tmp_path: Path) -> None:
    drawing = run(tmp_path, "demo", PROMPT, *QUICK, "--debug", "--output", "./cat.png")
    assert drawing.output == "./cat.png\n"


@pytest.mark.skipif(sys.platform != "linux", reason="counts threads in /proc")
def test_threads() -> None:
    def threads_of_engine(threads: int) -> int:
        with gpustack_draw.load("demo", threads=threads) as model:
            model.generate(PROMPT, size=(64, 64), sample_steps=1)
            engine = model._engine._engine
            assert isinstance(engine, EngineProcess)
            return len(list(Path(f"/proc/{engine.pid}/task").iterdir()))

    assert threads_of_engine(4) == threads_of_engine(1) + 3


@pytest.mark.parametrize("name", ["CPU", "FastCPU"])
def test_device(draw: Draw, name: str) -> None:
    if name not in {device.name for device in gpustack_draw.devices()}:
        pytest.skip("this processor lacks the instructions, or it was built without")
    assert draw("--device", name.lower()).record["device"] == name


def test_a_device_that_is_not_there(tmp_path: Path) -> None:
    drawing = run(tmp_path, "demo", PROMPT, *QUICK, "--device", "CUDA7")
    assert (drawing.status, drawing.output) == (2, "")
    message, hint = drawing.errors.splitlines()[-2:]
    assert message == "gpustack-draw: no device named 'CUDA7'"
    assert hint.startswith("gpustack-draw: type --device auto, or one of ")
    assert "CPU" in hint


def test_show(draw: Draw, tmp_path: Path) -> None:
    """A fake viewer records the path."""
    if sys.platform != "linux":
        pytest.skip("the viewer is found otherwise there")
    programs = tmp_path / "programs"
    programs.mkdir()
    viewer = programs / "xdg-open"
    viewer.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/viewed\n')
    viewer.chmod(0o755)
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    drawing = draw("--show", "--output", "cat.png", PATH=path, DISPLAY=":0")
    assert (tmp_path / "viewed").read_text() == f"{tmp_path}/cat.png\n"
    assert "--show" not in drawing.errors


def test_show_without_a_display(draw: Draw) -> None:
    if sys.platform != "linux":
        pytest.skip("there is always a display there")
    drawing = draw("--show", DISPLAY="", WAYLAND_DISPLAY="")
    assert "--show: no display found; the picture is saved" in drawing.errors


def test_llm(draw: Draw, plain: Drawing, tmp_path: Path) -> None:
    """A text encoder that knows no word."""
    encoder = {
        "model.embed_tokens.weight": ((64, 151669), "F16"),
        "model.norm.weight": ((64,), "F32"),
    }
    write_model(tmp_path / "llm.gguf", encoder)
    assert differs(draw("--llm", "llm.gguf"), plain)


def test_taesd(draw: Draw, plain: Drawing, tmp_path: Path) -> None:
    """The demo's own decoder, its last bias changed: every color is shifted."""
    header = read_model_header(DEMO_FILE)
    biases = [name for name in header.tensors if name.startswith("tae.decoder.")]
    last = max(
        (name for name in biases if name.endswith(".bias") and name.count(".") == 4),
        key=lambda name: int(name.split(".")[3]),
    )
    names = list(header.tensors)
    after = sum(
        -(-tensor.bytes // 32) * 32 for tensor in list(header.tensors.values())[names.index(last) :]
    )
    data = bytearray(DEMO_FILE.read_bytes())
    size = header.tensors[last].bytes
    start = len(data) - after
    bias = numpy.frombuffer(data, numpy.float32, size // 4, start)
    assert numpy.abs(bias).max() < 10
    data[start : start + size] = (bias + 0.3).astype(numpy.float32).tobytes()
    (tmp_path / "decoder.gguf").write_bytes(data)
    assert differs(draw("--taesd", "decoder.gguf"), plain)


@pytest.mark.parametrize(
    ("option", "tensors"), [("--clip-l", CLIP_L), ("--clip-g", CLIP_G), ("--t5xxl", T5)]
)
def test_a_part_reaches_the_engine(draw: Draw, tmp_path: Path, option: str, tensors: Any) -> None:
    """The demo has no use for these; the engine's log shows that it reads them."""
    write_model(tmp_path / "part.gguf", tensors)
    log = draw(option, "part.gguf", "--debug").errors
    assert f"loading {option[2:].replace('-', '_')} from '{tmp_path / 'part.gguf'}'" in log


def test_vae(tmp_path: Path) -> None:
    """A VAE of this family is large; one that lacks nearly everything is found out."""
    write_model(tmp_path / "vae.gguf", VAE_32)
    drawing = run(tmp_path, "demo", PROMPT, *QUICK, "--vae", "vae.gguf", "--debug")
    assert drawing.status == 1
    assert f"loading vae from '{tmp_path / 'vae.gguf'}'" in drawing.errors
    assert drawing.output == ""


def test_devices_of_this_machine(tmp_path: Path) -> None:
    table = run(tmp_path, "devices").output.splitlines()
    assert table[0].split() == ["NAME", "TYPE", "MEMORY", "DESCRIPTION"]
    devices = run(tmp_path, "devices", "--json").records
    assert len(table) == len(devices) + 1
    assert [device["used"] for device in devices].count(True) == 1
    assert "CPU" in [device["name"] for device in devices]
