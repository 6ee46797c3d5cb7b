"""The command, run in this process: its output and its options.

A substitute draws here; test_options.py uses the real engine.
"""

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from known_values import known_values
from PIL import Image
from stand_in_model import StandIn, files, install_stand_in

import gpustack_draw
from gpustack_draw.cli.main import main
from gpustack_draw.errors import EngineCrashed
from gpustack_draw.request.draw_request import DrawRequest

PROMPT = "a red circle"


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> StandIn:
    """A model that needs no engine; the current folder is empty."""
    return install_stand_in(monkeypatch, tmp_path)


# --- standard output ------------------------------------------------------------------------------


def test_it_prints_the_path_and_nothing_else(
    stand_in: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", PROMPT, "--output", "cat.png", "--debug"]) == 0
    output = capsys.readouterr()
    assert output.out == "cat.png\n"
    assert "info: a line of the engine's log" in output.err
    assert "ggml: 0.9.8" in output.err
    assert files() == ["cat.png"]


def test_it_prints_one_line_per_picture(
    stand_in: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", PROMPT, "--output", "./cat.png", "--count", "3"]) == 0
    assert capsys.readouterr().out == "./cat-1.png\n./cat-2.png\n./cat-3.png\n"
    assert files() == ["cat-1.png", "cat-2.png", "cat-3.png"]
    assert stand_in.closed == 1


def test_each_line_comes_when_its_picture_is_saved(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Output(io.BytesIO):
        def write(self, data: Any) -> int:
            saved.append((bytes(data), files()))
            return len(data)

    saved: list[tuple[bytes, list[str]]] = []
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(buffer=Output(), isatty=lambda: False))
    assert main(["demo", PROMPT, "--output", "cat.png", "--count", "2"]) == 0
    assert saved == [
        (b"cat-1.png\n", ["cat-1.png"]),
        (b"cat-2.png\n", ["cat-1.png", "cat-2.png"]),
    ]


def test_a_generated_name(stand_in: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "A lovely cat!"]) == 0
    (name,) = files()
    assert capsys.readouterr().out == f"{name}\n"
    assert name.startswith("A_lovely_cat__2")


def test_json(stand_in: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    prompt = "caf\xe9 \N{CAT FACE} \u05e9"
    assert main(["demo", prompt, "--json", "--output", "cat.png", "--count", "2"]) == 0
    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert known_values(first) == {
        "path": "cat-1.png",
        "seed": 7,
        "width": 48,
        "height": 32,
        "model": "demo",
        "family": "flux2-klein",
        "sampler": "euler",
        "scheduler": "discrete",
        "sample_steps": 8,
        "cfg_scale": 1.0,
        "prompt": prompt,
        "negative_prompt": "",
        "mode": "txt2img",
        "references": 0,
        "loras": [],
        "seconds": {"load": 0.5, "sample": 1.0},
        "device": "CPU",
    }
    assert (second["path"], second["seed"]) == ("cat-2.png", 8)


def test_picture_on_standard_output(
    stand_in: StandIn, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert main(["demo", PROMPT, "--output", "-", "--debug"]) == 0
    with Image.open(io.BytesIO(capsysbinary.readouterr().out)) as image:
        assert image.size == (48, 32)
        assert image.info["parameters"].startswith("a red circle\n")
    assert files() == []


def test_a_path_that_the_output_encoding_cannot_represent(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    name = os.fsdecode(b"caf\xe9-\xc3\xa9-\xf0\x9f\x90\xb1.png")
    assert main(["demo", PROMPT, "--output", name]) == 0
    assert raw.getvalue() == b"caf\xe9-\xc3\xa9-\xf0\x9f\x90\xb1.png\n"
    assert files() == [name]


# --- standard error -------------------------------------------------------------------------------


def test_notes_and_settings(stand_in: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    stand_in.notes = ("513x511 was rounded up to 528x512",)
    assert main(["demo", PROMPT, "--output", "cat.png"]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "gpustack-draw: 513x511 was rounded up to 528x512"
    assert lines[-1] == (
        "gpustack-draw: seed 7, 8 steps, cfg 1, euler, discrete, 48x32, CPU, 1.5 s"
    )
    assert "drawing 4/4, 100 %, 0.50 s/step, 2.0 s" in lines


def test_seed_minus_one_is_random_and_noted(
    stand_in: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", PROMPT, "--seed", "-1"]) == 0
    assert stand_in.requests[0].seed is None
    assert "gpustack-draw: --seed -1 means a random seed" in capsys.readouterr().err.splitlines()


@pytest.mark.parametrize("option", ["-q", "--quiet"])
def test_quiet(stand_in: StandIn, capsys: pytest.CaptureFixture[str], option: str) -> None:
    stand_in.notes = ("a note",)
    assert main(["demo", PROMPT, "--output", "cat.png", option, "--show", "--seed", "-1"]) == 0
    assert capsys.readouterr() == ("cat.png\n", "")


def test_quiet_still_prints_errors(stand_in: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    stand_in.error = EngineCrashed("the engine crashed (SIGSEGV)", hint="try again")
    assert main(["demo", PROMPT, "-q"]) == 1
    assert capsys.readouterr().err == (
        "gpustack-draw: the engine crashed (SIGSEGV)\ngpustack-draw: try again\n"
    )


def test_a_closed_standard_error_is_ignored(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    assert main(["demo", PROMPT, "--output", "cat.png"]) == 0
    assert files() == ["cat.png"]


# --- options --------------------------------------------------------------------------------------


def test_every_option_reaches_the_library(stand_in: StandIn) -> None:
    command_line = (
        "--size 64x96 --negative-prompt blue --seed 5 --count 2 --sampler heun --scheduler karras"
        " --sample-steps 3 --cfg-scale 4.5 --threads 3 --device CPU --vae a --clip-l b --clip-g c"
        " --t5xxl d --llm e --llm-vision v --taesd f --control-net n --embedding g"
        " --embedding h=i --on local --server host --timeout 9"
    )
    assert main(["draw", "model.gguf", PROMPT, *command_line.split()]) == 0
    assert stand_in.model == "model.gguf"
    assert stand_in.requests == [
        DrawRequest(
            prompt=PROMPT,
            negative_prompt="blue",
            size=(64, 96),
            sampler="heun",
            scheduler="karras",
            sample_steps=3,
            cfg_scale=4.5,
            seed=5,
            count=2,
        )
    ]
    assert stand_in.options == {
        "vae": "a",
        "clip_l": "b",
        "clip_g": "c",
        "t5xxl": "d",
        "llm": "e",
        "llm_vision": "v",
        "taesd": "f",
        "embeddings": ("g", "h=i"),
        "control_net": "n",
        "threads": 3,
        "device": "CPU",
        "on": "local",
        "server": "host",
        "timeout": 9.0,
        "on_log": None,
    }


def test_show_opens_each_picture(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    opened: list[str] = []

    def open_in_viewer(path: str) -> str:
        opened.append(path)
        return ""

    monkeypatch.setattr("gpustack_draw.cli.viewer.open_in_viewer", open_in_viewer)
    assert main(["demo", PROMPT, "--output", "cat.png", "--count", "2", "--show"]) == 0
    assert opened == ["cat-1.png", "cat-2.png"]


def test_a_missing_viewer_is_a_warning(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("gpustack_draw.cli.viewer.open_in_viewer", lambda _path: "no display found")
    assert main(["demo", PROMPT, "--output", "cat.png", "--show"]) == 0
    output = capsys.readouterr()
    assert output.out == "cat.png\n"
    assert output.err.endswith("gpustack-draw: --show: no display found; the picture is saved\n")


# --- devices --------------------------------------------------------------------------------------


def test_devices(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from gpustack_draw.engine.devices import Device

    found = [
        Device("CUDA0", "NVIDIA H200", "gpu", 140_000_000_000, 150_000_000_000, used=True),
        Device("CPU", "AMD EPYC", "cpu", 0, 0, used=False),
    ]
    monkeypatch.setattr(gpustack_draw, "devices", lambda **_: found)
    assert main(["devices"]) == 0
    assert capsys.readouterr().out == (
        "   NAME   TYPE  MEMORY              DESCRIPTION\n"
        "*  CUDA0  gpu   140 of 150 GB free  NVIDIA H200\n"
        "   CPU    cpu   unknown             AMD EPYC\n"
    )
    assert main(["devices", "--json"]) == 0
    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert first["name"] == "CUDA0"
    assert set(second) == {
        "name", "description", "type", "memory_free", "memory_total", "used",
    }  # fmt: skip


# --- as a program ---------------------------------------------------------------------------------


def run_program(*arguments: str, **options: Any) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "gpustack_draw", *arguments],
        check=False,
        text=True,
        timeout=60,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options},
    )


def test_as_a_program() -> None:
    result = run_program("demo", PROMPT, "--size", "0x0")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("gpustack-draw: '0x0' has a side of 0 pixels\n")
    assert run_program("--version").stdout.startswith("gpustack-draw ")


@pytest.mark.parametrize("where", ["full", "closed pipe"])
def test_help_that_cannot_be_written(where: str) -> None:
    if where == "full":
        if not Path("/dev/full").exists():
            pytest.skip("there is no /dev/full")
        output = os.open("/dev/full", os.O_WRONLY)
    else:
        reading, output = os.pipe()
        os.close(reading)
    try:
        result = run_program("--help", stdout=output)
    finally:
        os.close(output)
    if where == "full":
        expected = "gpustack-draw: standard output cannot be written: no space left on device\n"
        assert (result.returncode, result.stderr) == (4, expected)
    else:
        assert (result.returncode, result.stderr) == (141, "")
