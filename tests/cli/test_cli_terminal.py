"""The command in a real terminal, interrupted and killed at every stage, with the real engine."""

import contextlib
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from fcntl import ioctl
from pathlib import Path

import pytest
from processes import running_processes

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(sys.platform != "linux", reason="looks at processes in /proc"),
]

PROMPT = "a red circle on a blue background"
# One thread, because two wait for each other while other tests use the processors.
QUICK = ("--seed", "7", "--size", "128x128", "--sample-steps", "2", "--threads", "1")
LONG = ("--seed", "7", "--size", "128x128", "--sample-steps", "9999", "--threads", "1")
INPUT = Path(__file__).resolve().parents[2] / "docs" / "images" / "demo-sheet.png"
LONG_ENCODE = ("--image", str(INPUT), "--size", "1024x1024", "--threads", "1")
LONG_DECODE = ("--seed", "7", "--size", "1024x1024", "--sample-steps", "1", "--threads", "1")

# Text that the command prints at the start of each stage, and options that make the stage last.
STAGES = {
    "start": ("means a random seed", (*LONG, "--seed", "-1")),
    "load": ("loading", LONG),
    "encode_pictures": ("encoding the pictures", LONG_ENCODE),
    "sample": ("drawing", LONG),
    "decode": ("decoding", LONG_DECODE),
}

SECONDS_TO_END = 1.0
SECONDS_OF_NOISE = 1.0  # tolerance for a busy machine


class Running:
    """A running command, with a terminal or a pipe as its standard error."""

    def __init__(self, folder: Path, *options: str, terminal: bool = False, columns: int = 80):
        self.folder = folder
        if terminal:
            self._reading, child = pty.openpty()
            ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        else:
            self._reading, child = os.pipe()
        environment = {**os.environ, "TERM": "xterm"}
        environment.pop("COLUMNS", None)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gpustack_draw", "demo", PROMPT, *options],
            cwd=folder,
            env=environment,
            stdin=child if terminal else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=child,
            start_new_session=True,
            preexec_fn=(lambda: ioctl(0, termios.TIOCSCTTY, 0)) if terminal else None,  # noqa: PLW1509
        )
        os.close(child)
        self.printed = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        with contextlib.suppress(OSError):  # the other end was closed
            while data := os.read(self._reading, 65536):
                self.printed += data.decode(errors="replace")

    def wait_until(self, condition: Callable[[], bool], seconds: float, what: str) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"{what} took over {seconds} s:\n{self.printed[-500:]}"
            time.sleep(0.005)

    def wait_for(self, text: str) -> None:
        self.wait_until(lambda: text in self.printed, 60, f"printing {text!r}")

    def press_ctrl_c(self) -> None:
        os.write(self._reading, b"\x03")

    def workers(self) -> list[int]:
        """Return the other processes in the command's session."""
        session = self.process.pid
        return [
            process.pid
            for process in running_processes()
            if process.session == session != process.pid
        ]

    def end(self, seconds: float = SECONDS_TO_END + SECONDS_OF_NOISE) -> tuple[int, str]:
        """Wait for the end; return the exit status and standard output."""
        output, _ = self.process.communicate(timeout=seconds)
        self._reader.join(5)
        return self.process.returncode, output.decode()

    def close(self) -> None:
        for pid in (self.process.pid, *self.workers()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.communicate()
        self._reader.join(5)
        os.close(self._reading)

    @property
    def screen(self) -> list[str]:
        """Lines on the terminal, where a carriage return goes back to the first column."""
        lines = []
        for line in self.printed.replace("\r\n", "\n").split("\n"):
            visible = ""
            for part in line.split("\r"):
                visible = part + visible[len(part) :]
            lines.append(visible.rstrip())
        return lines


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    started: list[Running] = []

    def start_with(*options: str, **how: object) -> Running:
        started.append(Running(tmp_path, *options, **how))  # type: ignore[arg-type]
        return started[-1]

    yield start_with
    for running in started:
        running.close()


Start = Callable[..., Running]


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_terminal_shows_one_line_of_progress(start: Start, tmp_path: Path) -> None:
    running = start(*QUICK, "--output", "cat.png", terminal=True, columns=70)
    assert running.end(60) == (0, "cat.png\n")
    progress, settings, last = running.screen
    assert progress.startswith("decoding")
    assert " 100 %, " in progress
    assert settings.startswith("gpustack-draw: seed 7, 2 steps, cfg 1, euler, ")
    assert last == ""
    drawn = [part for part in running.printed.split("\r") if part.startswith("drawing")]
    assert drawn
    assert max(map(len, drawn)) < 70
    assert "drawing 2/2" in running.printed
    assert "\x1b" not in running.printed
    assert files_in(tmp_path) == ["cat.png"]


@pytest.mark.parametrize("stage", STAGES)
def test_ctrl_c(start: Start, tmp_path: Path, stage: str) -> None:
    """The whole foreground process group receives it, the worker process included."""
    text, options = STAGES[stage]
    running = start(*options, terminal=True)
    running.wait_for(text)
    running.press_ctrl_c()
    assert running.end() == (130, "")
    assert running.workers() == []
    assert files_in(tmp_path) == []
    assert running.screen[-2:] == ["gpustack-draw: interrupted", ""]
    assert "Traceback" not in running.printed


def test_ctrl_c_while_python_imports(tmp_path: Path) -> None:
    (tmp_path / "argparse.py").write_text(
        "import sys, time; print('importing', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "gpustack_draw", "--help"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "importing\n"
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=10) == ("", "")
    assert process.returncode == 130


def test_ctrl_c_again_and_again(start: Start, tmp_path: Path) -> None:
    running = start(*LONG, terminal=True)
    running.wait_for(" s/step")
    for _ in range(20):
        running.press_ctrl_c()
        time.sleep(0.01)
    assert running.end() == (130, "")
    assert running.workers() == []
    assert files_in(tmp_path) == []
    assert "Traceback" not in running.printed


@pytest.mark.parametrize("stage", STAGES)
def test_sigterm(start: Start, tmp_path: Path, stage: str) -> None:
    text, options = STAGES[stage]
    running = start(*options)
    running.wait_for(text)
    running.process.terminate()
    assert running.end() == (143, "")
    assert running.workers() == []
    assert files_in(tmp_path) == []
    assert running.printed.endswith("gpustack-draw: terminated\n")


@pytest.mark.parametrize("stage", ["load", "sample", "decode"])
def test_the_command_killed(start: Start, tmp_path: Path, stage: str) -> None:
    text, options = STAGES[stage]
    running = start(*options)
    running.wait_for(text)
    running.process.kill()
    running.end()
    running.wait_until(lambda: running.workers() == [], 2.0 + SECONDS_OF_NOISE, "the worker's end")
    assert files_in(tmp_path) == []


@pytest.mark.parametrize("stage", ["load", "sample", "decode"])
def test_the_engine_killed(start: Start, tmp_path: Path, stage: str) -> None:
    text, options = STAGES[stage]
    running = start(*options)
    running.wait_for(text)
    (worker,) = running.workers()
    os.kill(worker, signal.SIGKILL)
    assert running.end() == (1, "")
    message = running.printed.splitlines()[-2]
    assert message.startswith("gpustack-draw: the engine was killed (SIGKILL)")
    assert "Traceback" not in running.printed
    assert files_in(tmp_path) == []


def test_the_terminal_closed(start: Start, tmp_path: Path) -> None:
    running = start(*LONG)
    running.wait_for("drawing")
    running.process.send_signal(signal.SIGHUP)
    assert running.end() == (129, "")
    assert running.workers() == []


def test_a_second_picture_interrupted_keeps_the_first(start: Start, tmp_path: Path) -> None:
    running = start(*QUICK, "--count", "100", "--output", "cat.png", terminal=True)
    running.wait_until((tmp_path / "cat-1.png").exists, 60, "saving the first picture")
    running.press_ctrl_c()
    status, output = running.end()
    assert status == 130
    assert sorted(output.splitlines()) == files_in(tmp_path)
    assert "cat-1.png" in output
