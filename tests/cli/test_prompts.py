"""Many prompts in one command, from a file or standard input; nothing is drawn by an engine."""

import io
import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image
from sample_picture import make_picture
from stand_in_model import StandIn, files, forbid_engine, install_stand_in

from gpustack_draw.cli.main import main
from gpustack_draw.errors import BlankPictureError, EngineCrashed, OutputError
from gpustack_draw.pictures.picture import Picture

PROMPTS = "a red circle\n\n# a comment\n  a blue square \n"


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> StandIn:
    """A model that needs no engine; the current folder has prompts.txt alone."""
    made = install_stand_in(monkeypatch, tmp_path)
    Path("prompts.txt").write_text(PROMPTS, encoding="utf-8")
    return made


def send_in(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    """Redirect data to standard input."""
    stream = io.BytesIO(data)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=stream, isatty=lambda: False))


def pictures() -> list[str]:
    return [name for name in files() if name != "prompts.txt"]


def errors_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    """Return the lines of a refused command line, without the program's name."""
    assert main(["demo", *arguments]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert all(line.startswith("gpustack-draw: ") for line in lines)
    return [line.removeprefix("gpustack-draw: ") for line in lines]


# --- drawing --------------------------------------------------------------------------------------


def test_each_line_is_drawn_with_the_same_seeds(
    stand_in: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--prompts", "prompts.txt", "--count", "2", "--seed", "40", "--json", "-o", "cat.png"]
    assert main(["demo", *words]) == 0
    drawn = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(each["path"], each["prompt"], each["seed"]) for each in drawn] == [
        ("cat-1.png", "a red circle", 40),
        ("cat-2.png", "a red circle", 41),
        ("cat-3.png", "a blue square", 40),
        ("cat-4.png", "a blue square", 41),
    ]
    assert pictures() == ["cat-1.png", "cat-2.png", "cat-3.png", "cat-4.png"]


def test_a_random_seed_is_that_of_all_prompts(stand_in: StandIn) -> None:
    assert main(["demo", "--prompts", "prompts.txt", "--seed", "-1"]) == 0
    first, second = stand_in.requests
    assert first.seed == second.seed is not None


@pytest.mark.parametrize(
    "data",
    [
        PROMPTS.encode(),
        b"\xef\xbb\xbf" + PROMPTS.replace("\n", "\r\n").encode(),  # as Windows writes it
        PROMPTS.replace("\n", "\r").rstrip().encode(),
    ],
)
@pytest.mark.parametrize("words", [["-"], ["--prompts", "-"]])
def test_prompts_from_standard_input(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch, data: bytes, words: list[str]
) -> None:
    send_in(monkeypatch, data)
    assert main(["demo", *words]) == 0
    assert [request.prompt for request in stand_in.requests] == ["a red circle", "a blue square"]


def test_only_a_mark_at_the_start_of_a_line_makes_a_comment(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    send_in(monkeypatch, "#no\n #1 of a series\na\u2028b\n".encode())
    assert main(["demo", "-"]) == 0
    assert [request.prompt for request in stand_in.requests] == ["#1 of a series", "a\u2028b"]


def test_generated_names_are_in_the_order_of_the_prompts(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    send_in(monkeypatch, b"zebra\n" * 2 + b"apple\n" * 9)
    assert main(["demo", "-", "--count", "2"]) == 0
    names = pictures()
    assert len(names) == 22
    assert sorted({name[:9] for name in names}) == [
        *("01_zebra_", "02_zebra_"),
        *(f"{number:02}_apple_" for number in range(3, 12)),
    ]


def test_progress_counts_all_pictures(
    stand_in: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", "--prompts", "prompts.txt", "--count", "2"]) == 0
    progress = capsys.readouterr().err
    assert "picture 1/4: drawing" in progress
    assert "picture 4/4: drawing" in progress


def test_prompts_replace_that_of_a_picture(stand_in: StandIn) -> None:
    assert main(["demo", "a cat", "--seed", "3", "--output", "cat.png"]) == 0
    assert main(["demo", "--from", "cat.png", "--prompts", "prompts.txt"]) == 0
    assert [(request.prompt, request.seed) for request in stand_in.requests[1:]] == [
        ("a red circle", 3),
        ("a blue square", 3),
    ]


def test_a_plan_counts_the_pictures(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("prompts.txt").write_text(PROMPTS, encoding="utf-8")
    assert main(["demo", "--prompts", "prompts.txt", "--count", "3", "--dry-run"]) == 0
    assert "note:      2 prompts, 6 pictures\n" in capsys.readouterr().out
    assert pictures() == []


# --- failures -------------------------------------------------------------------------------------


def test_a_prompt_that_fails_does_not_stop_the_next(
    stand_in: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    blank = BlankPictureError("the picture is blank", hint="try another seed")
    stand_in.errors["a red circle"] = blank
    words = ["--prompts", "prompts.txt", "--count", "2", "--output", "cat.png", "--quiet"]
    assert main(["demo", *words]) == 1
    output = capsys.readouterr()
    assert output.out == "cat-3.png\ncat-4.png\n"
    assert output.err == (
        "gpustack-draw: line 1 of 'prompts.txt': the picture is blank\n"
        "gpustack-draw: try another seed\n"
        "gpustack-draw: 1 of 2 prompts failed\n"
    )
    assert pictures() == ["cat-3.png", "cat-4.png"]


def test_a_picture_that_cannot_be_written_stops_all(
    stand_in: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    stand_in.errors["a red circle"] = OutputError("'cat-1.png' cannot be written: disk full")
    assert main(["demo", "--prompts", "prompts.txt", "--output", "cat.png"]) == 4
    assert len(stand_in.requests) == 1


@pytest.mark.parametrize("error", [KeyboardInterrupt, EngineCrashed("the engine was killed")])
def test_an_interruption_keeps_the_finished_pictures(
    stand_in: StandIn,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
) -> None:
    def draw(request: object, *_: object, **__: object) -> Iterator[Picture]:
        drawn.append(request)
        yield make_picture()
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except KeyboardInterrupt:
            raise error from None

    drawn: list[object] = []
    monkeypatch.setattr(stand_in, "draw", draw)
    words = ["--prompts", "prompts.txt", "--count", "2", "--output", "cat.png"]
    assert main(["demo", *words, "--grid", "grid.png"]) == 130
    output = capsys.readouterr()
    assert output.out == "cat-1.png\ngrid.png\n"
    assert output.err.endswith(
        "gpustack-draw: 1 of 4 pictures are saved\n"
        "gpustack-draw: the grid has 1 of 4 pictures\n"
        "gpustack-draw: interrupted\n"
    )
    assert len(drawn) == 1
    assert pictures() == ["cat-1.png", "grid.png"]


# --- refused lists --------------------------------------------------------------------------------

UTF_8 = "save it as text in the encoding UTF-8"


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"ok\na\xff\n", ["line 2 of standard input is not UTF-8", UTF_8]),
        ("a cat".encode("utf-16"), ["line 1 of standard input is not UTF-8", UTF_8]),
        (
            b"ok\n\n" + b"x" * 1001,
            [
                "line 3 of standard input: the prompt has 1,001 characters without a break, more"
                " than 1,000: " + repr("x" * 37 + "..."),
                "put blanks or punctuation between the words",
            ],
        ),
        (
            b"ok\na\0b",
            [r"line 2 of standard input: the prompt has a NUL character: 'a\x00b'"],
        ),
        (
            b"# nothing\n\n",
            [
                "standard input has no prompts",
                "write one prompt per line; lines that start with # are comments",
            ],
        ),
        (
            b"x\n" * 8_000_001,
            ["standard input has more than 16.0 MB, too much for a list of prompts", "split it"],
        ),
    ],
)
def test_refused_lists(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    data: bytes,
    lines: list[str],
) -> None:
    forbid_engine(monkeypatch, tmp_path)
    send_in(monkeypatch, data)
    assert errors_of(capsys, "-") == lines


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        (
            ["a cat", "--prompts", "prompts.txt"],
            ["PROMPT and --prompts exclude each other", "type one of them"],
        ),
        (["--prompts", "no.txt"], ["'no.txt' does not exist", "check the path"]),
        (["--prompts", "."], ["'.' is a folder", "name a text file in it"]),
        (["--prompts", "a\0b"], [r"'a\x00b' cannot be a file name"]),
        (
            ["-", "--image", "cat.png", "--image", "-"],
            [
                "the prompts and the picture of --image cannot both be standard input",
                "save one of them to a file first",
            ],
        ),
        (
            ["--prompts", "-", "--mask", "-"],
            [
                "the prompts and the picture of --mask cannot both be standard input",
                "save one of them to a file first",
            ],
        ),
        (
            ["--prompts", "prompts.txt", "--output", "-"],
            ["2 pictures do not fit on standard output", "name a folder with --output"],
        ),
        (
            ["--prompts", "prompts.txt", "--count", "5001"],
            [
                "2 prompts with 5,001 pictures each are 10,002 pictures, more than 10,000",
                "split the list",
            ],
        ),
    ],
)
def test_refused_options(
    stand_in: StandIn,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    lines: list[str],
) -> None:
    send_in(monkeypatch, b"a cat\n")
    assert errors_of(capsys, *words) == lines


def test_a_prompt_that_does_not_fit_the_model(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    send_in(monkeypatch, b"a cat\na dog <lora:unknown:1>\n")
    assert errors_of(capsys, "-", "--dry-run")[0].startswith("line 2 of standard input: ")


@pytest.mark.parametrize(
    ("stdin", "what"),
    [
        (None, "closed"),
        (SimpleNamespace(buffer=SimpleNamespace(isatty=lambda: True)), "a terminal"),
    ],
)
def test_standard_input_without_prompts(
    stand_in: StandIn,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    stdin: object,
    what: str,
) -> None:
    monkeypatch.setattr(sys, "stdin", stdin)
    assert errors_of(capsys, "-") == [
        f"standard input is {what}, and has no prompts",
        "redirect a file to it: < prompts.txt",
    ]


def test_standard_input_that_cannot_be_read(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with Path("out.txt").open("w") as output, open(output.fileno(), closefd=False) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        assert errors_of(capsys, "-") == ["standard input cannot be read: bad file descriptor"]


def test_prompts_without_a_model(stand_in: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--prompts", "prompts.txt"]) == 2
    assert "gpustack-draw: missing MODEL" in capsys.readouterr().err


# --- the grid -------------------------------------------------------------------------------------


def test_a_grid_has_a_row_for_each_prompt(
    stand_in: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--prompts", "prompts.txt", "--count", "3", "--output", "cat.png"]
    assert main(["demo", *words, "--grid", "grid.png", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[-1] == {"grid": "grid.png", "pictures": 6}
    with Image.open("grid.png") as grid:
        width, height = grid.size
        assert grid.info == {}
    # Columns of at least 100 pixels; rows of 32 pixels and two lines.
    assert (width, height) == (8 + 3 * 108, 8 + 2 * (32 + 2 * 13 + 8))


def test_a_grid_beside_a_picture_on_standard_output(
    stand_in: StandIn, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert main(["demo", "a cat", "--output", "-", "--grid", "grid.png"]) == 0
    with Image.open(io.BytesIO(capsysbinary.readouterr().out)) as image:
        assert image.size == (48, 32)
    assert pictures() == ["grid.png"]


@pytest.mark.parametrize(
    ("words", "status", "error"),
    [
        (["--grid", "-"], 4, "--grid - would mix the grid with other output"),
        (
            ["--output", "cat.png", "--count", "3", "--grid", "./cat-2.png"],
            4,
            "--grid and --output both name './cat-2.png'",
        ),
        (
            ["--output", "cat.png", "--grid", "cat.png"],
            4,
            "--grid and --output both name 'cat.png'",
        ),
        (["--grid", "grid.gif"], 4, "'grid.gif' ends in .gif"),
        (["--grid", "no/grid.png"], 4, "folder 'no' does not exist"),
    ],
)
def test_refused_grids(
    stand_in: StandIn,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    status: int,
    error: str,
) -> None:
    assert main(["demo", "a cat", *words]) == status
    assert capsys.readouterr().err.startswith(f"gpustack-draw: {error}\n")
    assert pictures() == []


def test_the_model_of_the_configuration_file(stand_in: StandIn, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('model = "demo"\n', encoding="utf-8")
    assert main(["--prompts", "prompts.txt", "--config", str(config)]) == 0
    assert (stand_in.model, len(stand_in.requests)) == ("demo", 2)
