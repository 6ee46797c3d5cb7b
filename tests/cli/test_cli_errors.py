"""Errors of the command: one clear message, the right exit status, no files left.

A substitute replaces the engine, or the engine must not start.
"""

import os
import signal
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from sample_picture import make_picture
from stand_in_model import StandIn, files, forbid_engine, install_stand_in

from gpustack_draw.cli.main import main
from gpustack_draw.errors import EngineCrashed, ModelNotFoundError
from gpustack_draw.pictures.picture import Picture
from gpustack_draw.request.names import SAMPLERS, SCHEDULERS

PROMPT = "a red circle"


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> StandIn:
    """A model that needs no engine; the current folder is empty."""
    return install_stand_in(monkeypatch, tmp_path)


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Fails a test that starts the engine; the current folder is empty."""
    forbid_engine(monkeypatch, tmp_path)


# --- errors ---------------------------------------------------------------------------------------

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
    "prompt",
    ["", "\N{CAT FACE}\u200d\N{FIRE}", "\u05e9\u05dc\u05d5\u05dd", "x " * 4_999 + "xx", "a\nb"],
)
def test_an_unusual_prompt_is_accepted(stand_in: StandIn, prompt: str) -> None:
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
        ("cat", "'cat' is not an existing folder, and has no extension"),
        ("folder.png", "'folder.png' is a folder"),
        ("", "'' is not a file name"),
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
        (
            "my-model",
            "no model named 'my-model' on this machine\n",
        ),
        ("./no.gguf", "there is no file './no.gguf'"),
    ],
)
def test_a_model_that_does_not_exist(
    no_engine: None, capsys: pytest.CaptureFixture[str], model: str, message: str
) -> None:
    assert main([model, PROMPT]) == 3
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith(f"gpustack-draw: {message}")


@pytest.mark.parametrize(
    "option", ["--vae", "--clip-l", "--clip-g", "--t5xxl", "--llm", "--llm-vision", "--taesd"]
)
def test_a_component_file_of_the_wrong_type(
    no_engine: None, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    Path("component.gguf").write_text("this is text")
    assert main(["demo", PROMPT, option, "component.gguf"]) == 3
    assert capsys.readouterr().err.startswith("gpustack-draw: 'component.gguf' ")


def test_a_misspelled_option(no_engine: None, capsys: pytest.CaptureFixture[str]) -> None:
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
def test_options_that_conflict_on_standard_output(
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


def test_a_closed_pipe(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """`gpustack-draw ... | head -1` ends without a traceback, with the status of SIGPIPE."""
    reading, writing = os.pipe()
    os.close(reading)
    output = os.fdopen(writing, "w")
    monkeypatch.setattr(sys, "stdout", output)
    assert main(["demo", PROMPT, "--output", "cat.png", "--count", "3"]) == 141
    with pytest.raises(BrokenPipeError):
        output.close()
    assert files() == ["cat-1.png"]
    assert stand_in.closed == 1


# --- interruptions --------------------------------------------------------------------------------


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

    def draw(*_: object, **__: object) -> Iterator[Picture]:
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
    def draw(*_: object, **__: object) -> Iterator[Picture]:
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


def test_an_error_caused_by_an_interruption_is_not_reported(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    def draw(*_: object, **__: object) -> Iterator[Picture]:
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except KeyboardInterrupt:
            raise EngineCrashed("the engine was killed") from None
        yield make_picture()

    monkeypatch.setattr(stand_in, "draw", draw)
    assert main(["demo", PROMPT]) == 130


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_that_python_drops_is_sent_again(
    stand_in: StandIn,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: signal.Signals,
) -> None:
    """Python drops exceptions in callbacks of weak references; every import runs one."""

    def draw(*_: object, **__: object) -> Iterator[Picture]:
        thing = make_picture()
        callback = weakref.ref(thing, lambda _: os.kill(os.getpid(), number))
        del thing
        assert callback() is None
        time.sleep(60)
        yield make_picture()

    monkeypatch.setattr(stand_in, "draw", draw)
    before = sys.unraisablehook
    assert main(["demo", PROMPT]) == 128 + number
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err in ("gpustack-draw: interrupted\n", "gpustack-draw: terminated\n")
    assert files() == []
    assert sys.unraisablehook is before


def test_other_dropped_exceptions_reach_the_previous_hook(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    def draw(*_: object, **__: object) -> Iterator[Picture]:
        thing = make_picture()
        callback = weakref.ref(thing, lambda _: 1 // 0)
        del thing
        assert callback() is None
        yield make_picture()

    received: list[object] = []
    monkeypatch.setattr(stand_in, "draw", draw)
    monkeypatch.setattr(sys, "unraisablehook", lambda lost: received.append(lost.exc_type))
    assert main(["demo", PROMPT, "--output", "cat.png"]) == 0
    assert received == [ZeroDivisionError]


def test_an_ignored_signal_stays_ignored(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    def draw(*_: object, **__: object) -> Iterator[Picture]:
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
