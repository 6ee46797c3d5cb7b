"""Progress of the command: one line on a terminal, a few lines elsewhere."""

import sys
import threading

import pytest
from text_stream import Stream

from gpustack_draw.cli.progress import Reporter
from gpustack_draw.progress.describe import describe
from gpustack_draw.progress.progress import Progress


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that tests set."""
    now = [100.0]
    monkeypatch.setattr("gpustack_draw.progress.line.time.monotonic", lambda: now[0])
    return now


@pytest.mark.parametrize(
    ("progress", "line"),
    [
        (Progress("load", 0, 0, 0.0), "loading"),
        (Progress("wait", 0, 0, 0.0), "waiting for the server"),
        (Progress("wait", 0, 0, 75.0, 2, 8), "picture 2/8: waiting for the server, 75 s"),
        (Progress("deploy", 0, 0, 2.0), "deploying the model, 2.0 s"),
        (
            Progress("deploy", 40, 100, 2.0),
            "deploying the model, 40 %, 3.0 s left",
        ),
        (Progress("load", 0, 1, 0.0), "loading"),
        (Progress("load", 1, 1, 0.9), "loading, 100 %, 0.9 s"),
        (Progress("load", 120, 300, 2.0), "loading 120/300, 40 %, 3.0 s left"),
        # The engine took 3.5 s to start, and had loaded 47 tensors by the first report.
        (Progress("load", 47, 252, 3.5, resumed=47, started=3.5), "loading 47/252, 18 %"),
        (
            Progress("load", 97, 252, 3.55, resumed=47, started=3.5),
            "loading 97/252, 38 %, 0.2 s left",
        ),
        (
            Progress("load", 252, 252, 3.7, resumed=47, started=3.5),
            "loading 252/252, 100 %, 3.7 s",
        ),
        (
            Progress("load", 252, 252, 0.7, resumed=252, started=0.7),
            "loading 252/252, 100 %, 0.7 s",
        ),
        (
            Progress("deploy", 40, 100, 60.0, resumed=40, started=60.0),
            "deploying the model, 40 %",
        ),
        (
            Progress("deploy", 30, 100, 70.0, resumed=40, started=60.0),
            "deploying the model, 30 %",
        ),
        (
            Progress("fetch", 23_999_999, 24_000_000, 2.0),
            "downloading 24.0/24.0 MB, 99 %, 12.0 MB/s, 0.0 s left",
        ),
        (Progress("encode_pictures", 0, 1, 0.0), "encoding the pictures"),
        (Progress("encode", 1, 1, 0.04), "encoding the prompt, 100 %, 0.0 s"),
        (Progress("sample", 0, 20, 0.0), "drawing 0/20, 0 %"),
        (Progress("sample", 5, 20, 6.0), "drawing 5/20, 25 %, 1.20 s/step, 18 s left"),
        (Progress("sample", 1, 20, 61.0), "drawing 1/20, 5 %, 61.00 s/step, 19:19 left"),
        (Progress("sample", 1, 100, 61.0), "drawing 1/100, 1 %, 61.00 s/step, 1:40:39 left"),
        (Progress("sample", 20, 20, 24.0), "drawing 20/20, 100 %, 1.20 s/step, 24 s"),
        (Progress("decode", 1, 4, 1.0, 2, 3), "picture 2/3: decoding 1/4, 25 %, 3.0 s left"),
        (
            Progress("fetch", 1_500_000_000, 6_000_000_000, 60.0),
            "downloading 1.50/6.00 GB, 25 %, 25.0 MB/s, 3:00 left",
        ),
        (
            Progress("fetch", 6_000_000, 24_000_000, 2.0),
            "downloading 6.0/24.0 MB, 25 %, 3.00 MB/s, 6.0 s left",
        ),
        (Progress("new phase", 1, 2, 1.0), "new phase 1/2, 50 %, 1.0 s left"),
    ],
)
def test_describe(progress: Progress, line: str) -> None:
    assert describe(progress) == line


@pytest.mark.parametrize(
    ("columns", "line"),
    [
        (79, "drawing 5/20 #######----------------------- 25 %, 1.20 s/step, 18 s left"),
        (60, "drawing 5/20 ####-------------- 25 %, 1.20 s/step, 18 s left"),
        (48, "drawing 5/20 #----- 25 %, 1.20 s/step, 18 s left"),
        (47, "drawing 5/20, 25 %, 1.20 s/step, 18 s left"),
        (42, "drawing 5/20, 25 %, 1.20 s/step, 18 s left"),
        (41, "drawing 5/20 ##-------- 25 %, 1.20 s/step"),
        (20, "drawing 5/20, 25 %"),
        (10, "drawing 5/"),
    ],
)
def test_a_line_fits_its_columns(columns: int, line: str) -> None:
    assert describe(Progress("sample", 5, 20, 6.0), columns=columns, bar="#-") == line


@pytest.mark.parametrize("columns", range(1, 120, 3))
def test_no_line_is_longer_than_the_terminal(columns: int) -> None:
    for step in range(21):
        for pictures in (1, 10_000):
            progress = Progress("sample", step, 20, step * 1000.0, pictures, pictures)
            assert len(describe(progress, columns=columns, bar="#-")) <= columns


def test_a_terminal_shows_one_line_that_ends_at_100_percent(clock: list[float]) -> None:
    stream = Stream()
    reporter = Reporter(stream)
    for phase, total in (("load", 1), ("encode", 1), ("sample", 4), ("decode", 4)):
        for step in range(total if phase == "decode" else total + 1):  # its last step is missing
            clock[0] += 1
            reporter.progress(Progress(phase, step, total, float(step)))
    reporter.finish()
    assert stream.screen == [
        f"decoding 4/4 {30 * chr(0x2588)} 100 %, 3.0 s",
        "",
    ]
    assert "\x1b" not in stream.getvalue()


def test_a_shorter_line_covers_a_longer_one(clock: list[float]) -> None:
    stream = Stream()
    reporter = Reporter(stream)
    reporter.progress(Progress("sample", 3, 20, 6.0))
    reporter.progress(Progress("load", 0, 0, 0.0))
    assert stream.screen == ["loading"]


def test_an_error_leaves_the_line_as_it_was_and_the_cursor_below(clock: list[float]) -> None:
    stream = Stream()
    reporter = Reporter(stream)
    reporter.progress(Progress("sample", 1, 4, 1.0))
    reporter.finish(complete=False)
    reporter.finish(complete=False)
    assert len(stream.screen) == 2
    assert "1/4" in stream.screen[0]
    assert "100 %" not in stream.screen[0]


def test_other_lines_go_above_the_progress_line(clock: list[float]) -> None:
    stream = Stream()
    reporter = Reporter(stream)
    reporter.progress(Progress("sample", 1, 4, 1.0))
    reporter.line("info: a line of the log")
    reporter.note("a note")
    assert stream.screen[:2] == ["info: a line of the log", "gpustack-draw: a note"]
    assert stream.screen[2].startswith("drawing 1/4")


def test_a_terminal_is_not_flooded(clock: list[float]) -> None:
    stream = Stream()
    reporter = Reporter(stream)
    for step in range(1, 10_000):
        clock[0] += 0.001
        reporter.progress(Progress("sample", step, 10_000, step / 1000))
    assert 90 <= stream.getvalue().count("\r") <= 110


def test_few_lines_without_a_terminal(clock: list[float]) -> None:
    stream = Stream(terminal=False)
    reporter = Reporter(stream)
    reporter.progress(Progress("load", 0, 1, 0.0))
    for step in range(101):
        reporter.progress(Progress("sample", step, 100, step * 0.3))
        clock[0] += 0.3
    reporter.progress(Progress("decode", 0, 1, 0.0))
    reporter.finish()
    assert stream.getvalue().splitlines() == [
        "loading",
        "drawing 0/100, 0 %",
        *(
            f"drawing {step}/100, {step} %, 0.30 s/step, {left} left"
            for step, left in (
                (10, "27 s"), (20, "24 s"), (30, "21 s"), (40, "18 s"), (50, "15 s"),
                (60, "12 s"), (70, "9.0 s"), (80, "6.0 s"), (90, "3.0 s"),
            )
        ),
        "drawing 100/100, 100 %, 0.30 s/step, 30 s",
        "decoding",
    ]  # fmt: skip


def test_slow_steps_are_printed_without_a_terminal(clock: list[float]) -> None:
    stream = Stream(terminal=False)
    reporter = Reporter(stream)
    for step in range(5):
        reporter.progress(Progress("sample", step, 1000, step * 20.0))
        clock[0] += 20
    assert len(stream.getvalue().splitlines()) == 5


@pytest.mark.parametrize("phase", ["fetch", "sample", "load"])
def test_100_percent_is_printed_once_without_a_terminal(clock: list[float], phase: str) -> None:
    """A download reports its last byte, verifies for minutes, and reports it again."""
    stream = Stream(terminal=False)
    reporter = Reporter(stream)
    for step in (0, 500, 999, 1000, 1000, 1000, 1000):
        reporter.progress(Progress(phase, step, 1000, 1.0))
        clock[0] += 20
    percents = [line.split(", ")[1] for line in stream.getvalue().splitlines()]
    assert percents == ["0 %", "50 %", "99 %", "100 %"]


def test_a_restarted_phase_is_printed_again(clock: list[float]) -> None:
    stream = Stream(terminal=False)
    reporter = Reporter(stream)
    for step in (1000, 1000, 500, 1000, 1000):
        reporter.progress(Progress("fetch", step, 1000, 1.0))
        clock[0] += 20
    percents = [line.split(", ")[1] for line in stream.getvalue().splitlines()]
    assert percents == ["100 %", "50 %", "100 %"]


def test_quiet_prints_neither_progress_nor_notes(clock: list[float]) -> None:
    stream = Stream()
    reporter = Reporter(stream, quiet=True)
    reporter.progress(Progress("sample", 1, 4, 1.0))
    reporter.note("a note")
    reporter.finish()
    assert stream.getvalue() == ""


def test_a_dumb_terminal_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    if sys.platform == "win32":
        pytest.skip("Windows terminals do not set TERM")
    monkeypatch.setenv("TERM", "dumb")
    stream = Stream()
    reporter = Reporter(stream)
    reporter.progress(Progress("sample", 4, 4, 1.0))
    assert stream.getvalue() == "drawing 4/4, 100 %, 0.25 s/step, 1.0 s\n"


def test_an_ascii_bar_if_blocks_cannot_be_encoded(clock: list[float]) -> None:
    stream = Stream(encoding="latin-1")
    Reporter(stream).progress(Progress("sample", 1, 2, 1.0))
    assert f"{15 * '#'}{15 * '-'}" in stream.getvalue()


@pytest.mark.parametrize("stream", [None, "closed"])
def test_a_missing_or_closed_stream(stream: object) -> None:
    output = None
    if stream == "closed":
        output = Stream()
        output.close()
    reporter = Reporter(output, terminal=True)
    reporter.progress(Progress("sample", 1, 2, 1.0))
    reporter.line("a line")
    reporter.finish()


def test_lines_of_several_threads_stay_whole() -> None:
    stream = Stream()
    reporter = Reporter(stream)

    def write_lines(name: str) -> None:
        for number in range(200):
            reporter.line(f"{name}{number}")

    threads = [threading.Thread(target=write_lines, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for step in range(200):
        reporter.progress(Progress("sample", step, 200, 1.0))
    for thread in threads:
        thread.join()
    reporter.finish()
    lines = [line for line in stream.screen if line[:1] in ("a", "b")]
    assert sorted(lines) == sorted(f"{name}{number}" for name in "ab" for number in range(200))
