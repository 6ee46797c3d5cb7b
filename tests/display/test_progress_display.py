"""The default progress display: a line on a terminal, nothing elsewhere."""

import os
import pty
import re
import subprocess
import sys
import threading

import pytest
from sample_picture import make_picture
from text_stream import Stream

from gpustack_draw.display.progress_display import ProgressDisplay, progress_display
from gpustack_draw.progress.progress import Progress

DRAW = """
import gpustack_draw, sys
with gpustack_draw.load("demo") as model:
    options = dict(size=(64, 64), sample_steps=2, seed=7)
    ACTION
"""
ONE = 'model.generate("a red circle", **options)'
SUMMARY = r"seed {}, 2 steps, cfg 1, euler, discrete, 64x64, \w+, \d+\.\d s"


def run_in_terminal(action: str, **environment: str) -> list[str]:
    """Run a script with a terminal as its standard error; return the lines on the terminal."""
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", DRAW.replace("ACTION", action)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=terminal,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "80", **environment},
    )
    os.close(terminal)
    printed = b""
    while True:
        try:
            data = os.read(controller, 65536)
        except OSError:  # the script has closed the terminal
            break
        if not data:
            break
        printed += data
    os.close(controller)
    output, _ = process.communicate(timeout=60)
    assert output == b""
    stream = Stream()
    stream.write(printed.decode().replace("\r\n", "\n"))
    return stream.screen


@pytest.mark.engine
def test_a_script_on_a_terminal_shows_a_line_that_ends_as_the_settings() -> None:
    (line, end) = run_in_terminal(ONE)
    assert re.fullmatch(SUMMARY.format(7), line)
    assert end == ""


@pytest.mark.engine
def test_each_of_several_pictures_has_a_line() -> None:
    lines = run_in_terminal('list(model.generate_many("x", count=2, **options))')
    assert len(lines) == 3
    assert re.fullmatch(SUMMARY.format(7), lines[0])
    assert re.fullmatch(SUMMARY.format(8), lines[1])


@pytest.mark.engine
@pytest.mark.parametrize(
    ("action", "environment"),
    [
        (ONE, {"GPUSTACK_DRAW_PROGRESS": "0"}),
        (ONE, {"TERM": "dumb"}),
        (f"{ONE[:-1]}, on_progress=lambda progress: None)", {}),
    ],
)
def test_a_script_without_a_line(action: str, environment: dict[str, str]) -> None:
    assert run_in_terminal(action, **environment) == [""]


def on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> tuple[ProgressDisplay, Stream]:
    stream = Stream()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    display = progress_display()
    assert display is not None
    return display, stream


def test_an_error_leaves_the_line_where_it_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    display, terminal = on_a_terminal(monkeypatch)

    def draw_and_fail() -> None:
        with display:
            display(Progress("sample", 1, 4, 2.0))
            raise LookupError

    with pytest.raises(LookupError):
        draw_and_fail()
    line, end = terminal.screen
    assert line.startswith("drawing 1/4 ")
    assert end == ""


def test_a_download_alone_ends_at_100_percent(monkeypatch: pytest.MonkeyPatch) -> None:
    display, terminal = on_a_terminal(monkeypatch)
    with display:
        display(Progress("fetch", 5_000_000, 10_000_000, 1.0))
    assert " 100 %" in terminal.screen[0]


def test_a_picture_replaces_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    display, terminal = on_a_terminal(monkeypatch)
    with display:
        display(Progress("decode", 0, 1, 0.0))
        display.drawn(make_picture(seed=11))
    assert terminal.screen == [make_picture(seed=11).summary(), ""]


def test_other_threads_and_files_have_no_line(monkeypatch: pytest.MonkeyPatch) -> None:
    on_a_terminal(monkeypatch)
    found: list[object] = []
    thread = threading.Thread(target=lambda: found.append(progress_display()))
    thread.start()
    thread.join()
    monkeypatch.setattr(sys, "stderr", Stream(terminal=False))
    found.append(progress_display())
    monkeypatch.setattr(sys, "stderr", None)  # as in pythonw
    found.append(progress_display())
    assert found == [None, None, None]
