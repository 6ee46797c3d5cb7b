"""The command, run in this process: what it prints where, and how it ends.

A stand-in draws here; test_options.py has the real engine.
"""

import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

import gpustack_draw
from gpustack_draw.cli.main import main
from gpustack_draw.errors import EngineCrashed, ModelNotFoundError
from gpustack_draw.names import SAMPLERS, SCHEDULERS
from gpustack_draw.picture import Picture
from gpustack_draw.progress import Progress
from gpustack_draw.request import DrawRequest
from sample_picture import make_picture

PROMPT = "a red circle"


class StandIn:
    """In place of gpustack_draw.load and what it gives."""

    def __init__(self) -> None:
        self.model = ""
        self.options: dict[str, Any] = {}
        self.requests: list[DrawRequest] = []
        self.notes: tuple[str, ...] = ()
        self.error: BaseException | None = None
        self.closed = 0

    def load(self, model: str, **options: Any) -> "StandIn":
        self.model, self.options = model, options
        return self

    def __enter__(self) -> "StandIn":  # noqa: PYI034
        return self

    def __exit__(self, *_: object) -> None:
        self.closed += 1

    def notes_for(self, _request: DrawRequest) -> tuple[str, ...]:
        return self.notes

    def draw(self, request: DrawRequest, on_progress: Any) -> Iterator[Picture]:
        self.requests.append(request)
        for number in range(1, request.count + 1):
            if self.options["on_log"]:
                self.options["on_log"]("info", "a line of the engine's log\n")
            for phase, total in (("load", 3), ("encode", 1), ("sample", 4), ("decode", 1)):
                for step in range(total + 1):
                    on_progress(Progress(phase, step, total, step / 2, number, request.count))
                if self.error is not None and phase == "sample":
                    raise self.error
            seed = (7 if request.seed is None else request.seed) + number - 1
            yield make_picture(seed=seed, prompt=request.prompt)


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> StandIn:
    """A model that needs no engine; the current folder is empty."""
    monkeypatch.chdir(tmp_path)
    made = StandIn()
    monkeypatch.setattr(gpustack_draw, "load", made.load)
    monkeypatch.setattr(gpustack_draw, "build_info", lambda: {"ggml": "0.9.8", "optimised": "yes"})
    return made


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Fails a test that starts the engine; the current folder is empty."""
    from gpustack_draw.engine_process import EngineProcess

    def start(_process: object) -> None:
        raise AssertionError("the engine was started")

    monkeypatch.setattr(EngineProcess, "_start", start)
    monkeypatch.chdir(tmp_path)


def files() -> list[str]:
    return sorted(os.listdir())  # noqa: PTH208


# --- standard output ----------------------------------------------------------------------------


def test_it_prints_the_path_and_nothing_else(
    stand_in: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", PROMPT, "--output", "cat.png", "--debug"]) == 0
    output = capsys.readouterr()
    assert output.out == "cat.png\n"
    assert "info: a line of the engine's log" in output.err
    assert "ggml: 0.9.8" in output.err
    assert files() == ["cat.png"]


def test_it_prints_a_line_a_picture(stand_in: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
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
    assert first == {
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


def test_a_path_that_is_no_text_in_the_output_encoding(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    name = os.fsdecode(b"caf\xe9-\xc3\xa9-\xf0\x9f\x90\xb1.png")
    assert main(["demo", PROMPT, "--output", name]) == 0
    assert raw.getvalue() == b"caf\xe9-\xc3\xa9-\xf0\x9f\x90\xb1.png\n"
    assert files() == [name]


# --- standard error -----------------------------------------------------------------------------


def test_notes_and_settings(stand_in: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    stand_in.notes = ("513x511 was rounded up to 528x512",)
    assert main(["demo", PROMPT, "--output", "cat.png"]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "gpustack-draw: 513x511 was rounded up to 528x512"
    assert lines[-1] == (
        "gpustack-draw: seed 7, 8 steps, cfg 1, euler, discrete, 48x32, CPU, 1.5 s"
    )
    assert "drawing 4/4, 100 %, 0.50 s/step, 2.0 s" in lines


def test_seed_minus_one_is_random_and_says_so(
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


def test_quiet_still_tells_errors(stand_in: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    stand_in.error = EngineCrashed("the engine crashed (SIGSEGV)", hint="try again")
    assert main(["demo", PROMPT, "-q"]) == 1
    assert capsys.readouterr().err == (
        "gpustack-draw: the engine crashed (SIGSEGV)\ngpustack-draw: try again\n"
    )


def test_a_closed_standard_error_stops_nothing(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    assert main(["demo", PROMPT, "--output", "cat.png"]) == 0
    assert files() == ["cat.png"]


# --- options ------------------------------------------------------------------------------------


def test_every_option_reaches_the_library(stand_in: StandIn) -> None:
    command_line = (
        "--size 64x96 --negative-prompt blue --seed 5 --count 2 --sampler heun --scheduler karras"
        " --sample-steps 3 --cfg-scale 4.5 --threads 3 --device CPU --vae a --clip-l b --clip-g c"
        " --t5xxl d --llm e --taesd f"
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
        "taesd": "f",
        "threads": 3,
        "device": "CPU",
        "on_log": None,
    }


def test_show_opens_each_picture(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown: list[str] = []

    def show(path: str) -> str:
        shown.append(path)
        return ""

    monkeypatch.setattr("gpustack_draw.cli.show.show", show)
    assert main(["demo", PROMPT, "--output", "cat.png", "--count", "2", "--show"]) == 0
    assert shown == ["cat-1.png", "cat-2.png"]


def test_a_missing_viewer_is_a_warning(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("gpustack_draw.cli.show.show", lambda _path: "there is no display here")
    assert main(["demo", PROMPT, "--output", "cat.png", "--show"]) == 0
    output = capsys.readouterr()
    assert output.out == "cat.png\n"
    assert output.err.endswith(
        "gpustack-draw: --show: there is no display here; the picture is saved all the same\n"
    )


# --- errors -------------------------------------------------------------------------------------

BAD_VALUES = [
    ("--size 0x0", "'0x0' has a side of 0 pixels"),
    ("--size -1x5", "'-1x5' has a negative side"),
    ("--size 512", "'512' is not WIDTHxHEIGHT"),
    ("--size 512x", "'512x' is not WIDTHxHEIGHT"),
    ("--size axb", "'axb' is not WIDTHxHEIGHT"),
    ("--size 1e9x1e9", "'1e9x1e9' is not WIDTHxHEIGHT"),
    ("--size 100000x100000", "'100000x100000' has a side of more than 8192 pixels"),
    ("--sample-steps 0", "'0' is not a number of sample steps from 1 to 10000"),
    ("--sample-steps -1", "'-1' is not a number of sample steps from 1 to 10000"),
    ("--sample-steps 1.5", "'1.5' is not a number of sample steps from 1 to 10000"),
    ("--sample-steps 10001", "'10001' is not a number of sample steps from 1 to 10000"),
    ("--cfg-scale nan", "'nan' is not a guidance scale from 0 to 100"),
    ("--cfg-scale inf", "'inf' is not a guidance scale from 0 to 100"),
    ("--cfg-scale -inf", "'-inf' is not a guidance scale from 0 to 100"),
    ("--cfg-scale -1", "'-1' is not a guidance scale from 0 to 100"),
    ("--cfg-scale much", "'much' is not a guidance scale from 0 to 100"),
    ("--seed 9223372036854775808", "'9223372036854775808' is not a seed from 0 to "),
    ("--seed -2", "'-2' is not a seed from 0 to 9223372036854775807"),
    ("--seed today", "'today' is not a seed from 0 to 9223372036854775807"),
    ("--count 0", "'0' is not a number of pictures from 1 to 10000"),
    ("--count many", "'many' is not a number of pictures from 1 to 10000"),
    ("--threads 0", "'0' is not a number of threads from 1 to 512"),
    ("--sampler eular", "'eular' is not a sampler, the nearest are euler, euler_a"),
    ("--scheduler karas", "'karas' is not a scheduler, the nearest are karras"),
    ("--negative-prompt " + "x" * 100_000, "the negative prompt has 100,000 characters, "),
]


@pytest.mark.parametrize(
    ("command_line", "message"), BAD_VALUES, ids=[line[:40] for line, _ in BAD_VALUES]
)
def test_a_bad_value(
    no_engine: None, capsys: pytest.CaptureFixture[str], command_line: str, message: str
) -> None:
    assert main(["demo", PROMPT, *command_line.split()]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    first, second = output.err.splitlines()
    assert first.startswith(f"gpustack-draw: {message}")
    assert second.startswith("gpustack-draw: ")
    assert files() == []


@pytest.mark.parametrize(
    ("option", "names"), [("--sampler", SAMPLERS), ("--scheduler", SCHEDULERS)]
)
def test_an_unknown_name_lists_all(
    no_engine: None, capsys: pytest.CaptureFixture[str], option: str, names: tuple[str, ...]
) -> None:
    assert main(["demo", PROMPT, option, "xyzzy"]) == 2
    assert ", ".join(names) in capsys.readouterr().err.splitlines()[1]


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("x" * 100_000, "the prompt has 100,000 characters, more than 10,000: "),
        ("a\0b", "the prompt has a NUL character: 'a\\x00b'"),
        ("a\udcffb", "the prompt has bytes that are not UTF-8, at character 2: 'a\\udcffb'"),
    ],
    ids=["long", "NUL", "lone surrogate"],
)
def test_a_bad_prompt(
    no_engine: None, capsys: pytest.CaptureFixture[str], prompt: str, message: str
) -> None:
    assert main(["demo", prompt]) == 2
    assert capsys.readouterr().err.startswith(f"gpustack-draw: {message}")


@pytest.mark.parametrize(
    "prompt", ["", "\N{CAT FACE}\u200d\N{FIRE}", "\u05e9\u05dc\u05d5\u05dd", "x" * 10_000, "a\nb"]
)
def test_an_unusual_prompt_is_fine(stand_in: StandIn, prompt: str) -> None:
    assert main(["demo", prompt]) == 0
    (name,) = files()
    with Image.open(name) as image:
        assert image.info["parameters"].startswith(prompt)


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("no/cat.png", "folder 'no' does not exist"),
        ("no/", "folder 'no/' does not exist"),
        ("cat.bmp", "'cat.bmp' ends in .bmp"),
        ("cat", "'cat' is no folder that exists, and has no extension"),
        ("folder.png", "'folder.png' is a folder"),
        ("", "'' names no file"),
    ],
)
def test_a_bad_output(
    no_engine: None, capsys: pytest.CaptureFixture[str], typed: str, message: str
) -> None:
    Path("folder.png").mkdir()
    assert main(["demo", PROMPT, "--output", typed]) == 4
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.splitlines()[0] == f"gpustack-draw: {message}"
    assert output.err.splitlines()[1].startswith("gpustack-draw: ")
    assert files() == ["folder.png"]


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("hf.co/a/b-GGUF", "'hf.co/a/b-GGUF' is a model on Hugging Face, and this version cannot"),
        ("my-model", "'my-model' is neither a file here nor 'demo'"),
        ("./no.gguf", "there is no file './no.gguf'"),
    ],
)
def test_a_model_that_cannot_be_had(
    no_engine: None, capsys: pytest.CaptureFixture[str], model: str, message: str
) -> None:
    assert main([model, PROMPT]) == 3
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith(f"gpustack-draw: {message}")


@pytest.mark.parametrize("option", ["--vae", "--clip-l", "--clip-g", "--t5xxl", "--llm", "--taesd"])
def test_a_part_that_is_no_such_part(
    no_engine: None, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    Path("part.gguf").write_text("this is text")
    assert main(["demo", PROMPT, option, "part.gguf"]) == 3
    assert capsys.readouterr().err.startswith("gpustack-draw: 'part.gguf' ")


def test_the_command_line_is_wrong(no_engine: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", PROMPT, "--sead", "7"]) == 2
    assert capsys.readouterr() == (
        "",
        "gpustack-draw: '--sead' is not an option\ngpustack-draw: did you mean --seed?\n",
    )


@pytest.mark.parametrize(
    ("command_line", "status", "message"),
    [
        ("--output - --json", 2, "--json and --output - both write to standard output"),
        ("--output - --count 2", 2, "2 pictures do not fit on standard output"),
    ],
)
def test_what_standard_output_cannot_hold(
    no_engine: None,
    capsys: pytest.CaptureFixture[str],
    command_line: str,
    status: int,
    message: str,
) -> None:
    assert main(["demo", PROMPT, *command_line.split()]) == status
    assert capsys.readouterr().err.startswith(f"gpustack-draw: {message}\n")


def test_no_picture_bytes_on_a_terminal(
    no_engine: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert main(["demo", PROMPT, "--output", "-"]) == 4
    assert capsys.readouterr().err.startswith("gpustack-draw: standard output is a terminal\n")


def test_models_is_not_there_yet(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 3
    assert capsys.readouterr().err.startswith(
        "gpustack-draw: the command 'models' is not in this version yet\n"
    )


def test_an_expected_error_has_a_traceback_with_debug_only(
    stand_in: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    stand_in.error = ModelNotFoundError("it is gone", hint="look for it")
    assert main(["demo", PROMPT]) == 3
    assert "Traceback" not in capsys.readouterr().err
    assert main(["demo", PROMPT, "-d"]) == 3
    error = capsys.readouterr().err
    assert "Traceback" in error
    assert error.endswith("gpustack-draw: it is gone\ngpustack-draw: look for it\n")


def test_an_unexpected_error_keeps_its_traceback(
    stand_in: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    stand_in.error = ZeroDivisionError("division by zero")
    assert main(["demo", PROMPT]) == 1
    error = capsys.readouterr().err
    assert "ZeroDivisionError: division by zero" in error
    assert error.endswith(
        "gpustack-draw: this is a bug in gpustack-draw; report it with the lines above\n"
    )
    assert stand_in.closed == 1


def test_a_full_standard_output(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("there is no /dev/full")
    output = full.open("w")
    monkeypatch.setattr(sys, "stdout", output)
    assert main(["demo", PROMPT, "--output", "-"]) == 4
    assert main(["demo", PROMPT, "--output", "cat.png"]) == 4
    error = "gpustack-draw: standard output cannot be written: no space left on device\n"
    assert capsys.readouterr().err.count(error) == 2
    with pytest.raises(OSError, match="No space left"):
        output.close()


def test_a_reader_that_went_away(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with `gpustack-draw ... | head -1`: no traceback, and the status that tools have then."""
    reading, writing = os.pipe()
    os.close(reading)
    output = os.fdopen(writing, "w")
    monkeypatch.setattr(sys, "stdout", output)
    assert main(["demo", PROMPT, "--output", "cat.png", "--count", "3"]) == 141
    with pytest.raises(BrokenPipeError):
        output.close()
    assert files() == ["cat-1.png"]
    assert stand_in.closed == 1


# --- interruptions ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "status", "reason"),
    [
        (signal.SIGINT, 130, "interrupted"),
        (signal.SIGTERM, 143, "terminated"),
        (signal.SIGHUP, 129, "the terminal was closed"),
    ],
)
def test_a_signal_cleans_up(
    stand_in: StandIn,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: signal.Signals,
    status: int,
    reason: str,
) -> None:
    before = signal.getsignal(number)

    def draw(*_: object) -> Iterator[Picture]:
        os.kill(os.getpid(), number)
        yield make_picture()

    monkeypatch.setattr(stand_in, "draw", draw)
    assert main(["demo", PROMPT]) == status
    assert capsys.readouterr() == ("", f"gpustack-draw: {reason}\n")
    assert files() == []
    assert stand_in.closed == 1
    assert signal.getsignal(number) is before


def test_a_second_signal_does_not_stop_the_clean_up(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    def draw(*_: object) -> Iterator[Picture]:
        try:
            os.kill(os.getpid(), signal.SIGINT)
            yield make_picture()
        finally:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGTERM)
            cleaned_up.append(True)

    cleaned_up: list[bool] = []
    monkeypatch.setattr(stand_in, "draw", draw)
    assert main(["demo", PROMPT]) == 130
    assert cleaned_up == [True]
    assert stand_in.closed == 1


def test_what_an_interruption_leads_to_is_not_the_reason(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    def draw(*_: object) -> Iterator[Picture]:
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except KeyboardInterrupt:
            raise EngineCrashed("the engine was killed") from None
        yield make_picture()

    monkeypatch.setattr(stand_in, "draw", draw)
    assert main(["demo", PROMPT]) == 130


def test_an_ignored_signal_stays_ignored(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    def draw(*_: object) -> Iterator[Picture]:
        os.kill(os.getpid(), signal.SIGHUP)
        yield make_picture()

    monkeypatch.setattr(stand_in, "draw", draw)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        assert main(["demo", PROMPT, "--output", "cat.png"]) == 0
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_it_runs_outside_the_main_thread(stand_in: StandIn) -> None:
    statuses: list[int] = []
    thread = threading.Thread(
        target=lambda: statuses.append(main(["demo", PROMPT, "--output", "cat.png"]))
    )
    thread.start()
    thread.join()
    assert statuses == [0]


# --- devices ------------------------------------------------------------------------------------


def test_devices(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from gpustack_draw.drawing import Device

    found = [
        Device("CUDA0", "NVIDIA H200", "gpu", 140_000_000_000, 150_000_000_000, used=True),
        Device("CPU", "AMD EPYC", "cpu", 0, 0, used=False),
    ]
    monkeypatch.setattr(gpustack_draw, "devices", lambda: found)
    assert main(["devices"]) == 0
    assert capsys.readouterr().out == (
        "   NAME   KIND  MEMORY                  DESCRIPTION\n"
        "*  CUDA0  gpu   140.0 of 150.0 GB free  NVIDIA H200\n"
        "   CPU    cpu   unknown                 AMD EPYC\n"
    )
    assert main(["devices", "--json"]) == 0
    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert first["name"] == "CUDA0"
    assert set(second) == {
        "name", "description", "kind", "memory_free", "memory_total", "used",
    }  # fmt: skip


# --- as a program -------------------------------------------------------------------------------


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
def test_help_that_nobody_can_read(where: str) -> None:
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
