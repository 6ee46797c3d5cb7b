"""The scripts and candidates that `gpustack-draw completion` prints."""

import shlex
from pathlib import Path

import pytest

from gpustack_draw.cli.command_line import COMMANDS
from gpustack_draw.cli.completion import SHELLS, candidates
from gpustack_draw.cli.main import main
from gpustack_draw.engine.devices import Device
from gpustack_draw.request.names import SAMPLERS, SCHEDULERS
from gpustack_draw.request.short_names import SHORT_NAMES

MODEL_FILES = ":files gguf safetensors ckpt"
PICTURE_FILES = ":files png jpg jpeg webp"
CACHED = ["hf.co/acme/tiny:Q4_0", "hf.co/acme/tiny:Q8_0"]
KNOWN = [name for name, *_ in SHORT_NAMES]
MODELS = ["demo", MODEL_FILES, *KNOWN, *CACHED]
COMPONENT_FILES = [f"hf.co/acme/tiny:tiny-{tag}.gguf" for tag in ("Q4_0", "Q8_0")]
DEVICES = ["auto", "FastCPU", "CUDA0"]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Hugging Face cache with two models and a component, and two devices."""
    snapshot = tmp_path / "models--acme--tiny" / "snapshots" / "0a1b"
    snapshot.mkdir(parents=True)
    (snapshot.parent.parent / "refs").mkdir()
    (snapshot.parent.parent / "refs" / "main").write_text("0a1b")
    for name in ("tiny-Q4_0.gguf", "tiny-Q8_0.gguf", "vae.gguf"):
        (snapshot / name).touch()
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    found = [Device(name, "a device", "cpu", 0, 0, False) for name in DEVICES[1:]]
    monkeypatch.setattr("gpustack_draw.engine.devices.devices", lambda: found)


def offered(line: str) -> list[str]:
    """Return the candidates for the last word of a line, without their descriptions."""
    words = shlex.split(line) + ([""] if line == "" or line.endswith(" ") else [])
    lines = list(candidates(words))
    assert [line for line in lines if "\n" in line or line.count("\t") > 1] == []
    return [line.partition("\t")[0] for line in lines]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", [*COMMANDS, *MODELS]),
        ("d", ["draw", "devices", "demo", MODEL_FILES]),
        ("--json ", [*COMMANDS, *MODELS]),
        ("draw ", MODELS),
        ("draw d", ["demo", MODEL_FILES]),
        ("--seed 7 ", MODELS),
        ("hf.co/acme/tiny:Q8", [MODEL_FILES, "hf.co/acme/tiny:Q8_0"]),
        ("-m ", MODELS),
        ("serve demo ", MODELS),
        ("serve --upscaler ", [":files pth safetensors gguf pt ckpt"]),
        ("-p cat ", MODELS),
        ("demo ", []),
        ("demo cat ", []),
        ("-m demo ", []),
        ("demo -- ", []),
        ("-- ", MODELS),
        ("demo cat --sampler ", list(SAMPLERS)),
        ("demo cat --sampler heu", ["heun"]),
        ("demo cat --sampler=heu", ["--sampler=heun"]),
        ("demo cat --nothing=x", []),
        ("--scheduler ", list(SCHEDULERS)),
        ("demo --on s", ["server"]),
        ("demo cat --device ", DEVICES),
        ("demo cat --device CU", ["CUDA0"]),
        ("demo cat --vae ", [*COMPONENT_FILES, "hf.co/acme/tiny:vae.gguf", MODEL_FILES]),
        ("pull --clip-l hf.co/acme/tiny:v", ["hf.co/acme/tiny:vae.gguf", MODEL_FILES]),
        ("demo cat --vae=hf.co/acme/tiny:v", ["--vae=hf.co/acme/tiny:vae.gguf"]),
        ("demo cat --seed ", []),
        ("demo cat --output ", [":files"]),
        ("demo cat --config ", [":files toml"]),
        ("demo cat -o ", [":files"]),
        ("--from ", [PICTURE_FILES]),
        ("show ", [PICTURE_FILES]),
        ("show c", [PICTURE_FILES]),
        ("show cat.png ", []),
        ("--json show ", [PICTURE_FILES]),
        ("rm ", CACHED),
        ("rm --y", ["--yes"]),
        ("pull ", [*KNOWN, *CACHED]),
        ("pull sdxl-t", ["sdxl-turbo"]),
        ("completion ", list(SHELLS)),
        ("devices ", []),
        ("devices --", ["--json", "--debug", "--help", "--version"]),
        ("models --ser", ["--server"]),
        ("demo cat --sample-", ["--sample-steps"]),
        ("demo cat -", None),
        ("demo cat --steps", []),
        ("demo cat -- --s", []),
    ],
)
def test_candidates(machine: None, line: str, expected: list[str] | None) -> None:
    if expected is None:
        assert {"-q", "--quiet", "--vae", "-h"} <= set(offered(line))
        assert {"-o", "-s", "--steps", "--words"} & set(offered(line)) == set()
    else:
        assert offered(line) == expected


def test_every_candidate_has_a_description_of_its_own(machine: None) -> None:
    for words in ([""], ["demo", "cat", "--"], ["demo", "cat", "--device", ""]):
        lines = [line for line in candidates(words) if line[0] != ":"]
        assert all(line.partition("\t")[2] for line in lines)
        assert max(len(line.partition("\t")[2]) for line in lines) <= 80


@pytest.mark.parametrize("shell", [*SHELLS, "/bin/bash"])
def test_a_script_is_printed(capsysbinary: pytest.CaptureFixture[bytes], shell: str) -> None:
    assert main(["completion", shell]) == 0
    script = capsysbinary.readouterr().out.decode()
    assert "completion --words" in script
    assert "_gpustack_draw" in script


def test_a_shell_without_a_script(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "tcsh"]) == 2
    assert capsys.readouterr().err == (
        "gpustack-draw: no completion script for 'tcsh'\n"
        "gpustack-draw: available: bash, zsh, fish\n"
    )


def test_an_invalid_command_line_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "--words", "demo", "-zzz", "--nothing", "--sampler=", "--", ""]) == 0
    assert main(["completion", "--words"]) == 0
    assert capsys.readouterr().err == ""
