"""--show and --preview on terminals that can show pictures, and on those that cannot."""

import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable
from fcntl import ioctl
from pathlib import Path

import PIL.Image
import pytest
from terminal_pictures import pixels_apart, read_kitty, read_sixel

from gpustack_draw.cli.terminal.inline_pictures import Area, blocks, blocks_256

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal"),
]

PROMPT = "a red circle on a blue background"
QUICK = ("--seed", "7", "--size", "64x64", "--sample-steps", "2", "--threads", "1")
LONG = ("--seed", "7", "--size", "64x64", "--sample-steps", "9999", "--threads", "1")
QUERIES = "\x1b[>q\x1b[16t\x1b[c"
NO_DISPLAY = "--show: no display found; the picture is saved"

XTERM = "\x1b[?64;1;2;6;9;15;18;21;22c"
SIXEL_XTERM = "\x1bP>|XTerm(390)\x1b\\\x1b[6;16;8t\x1b[?64;1;2;4;6;9;15;18;21;22c"
REMOTE_KITTY = "\x1bP>|kitty(0.36.4)\x1b\\\x1b[6;18;8t\x1b[?62;c"
WEZTERM = "\x1bP>|WezTerm 20240203-110809-5046fc22\x1b\\\x1b[6;18;8t\x1b[?65;4;6;18;22c"


class Screen:
    """A terminal that runs the command, and answers its queries or not."""

    def __init__(
        self, folder: Path, *options: str, answer: str = "", piped: bool = False, **variables: str
    ) -> None:
        self._master, self._slave = pty.openpty()
        ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
        self.modes_before = termios.tcgetattr(self._slave)
        kept = ("PATH", "HOME", "LANG", "LC_ALL", "PYTHONPATH", "VIRTUAL_ENV")
        environment = {name: os.environ[name] for name in kept if name in os.environ}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gpustack_draw", "demo", PROMPT, "--output", "c.png", *options],
            cwd=folder,
            env={"TERM": "xterm-256color", **environment, **variables},
            stdin=self._slave,
            stdout=subprocess.PIPE if piped else self._slave,
            stderr=self._slave,
            start_new_session=True,
            preexec_fn=lambda: ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509
        )
        self._bytes = bytearray()
        self._answer = answer
        self._ended = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        answered = False
        while True:
            if not select.select([self._master], [], [], 0.05)[0]:
                if self._ended:
                    return
                continue
            self._bytes += os.read(self._master, 65536)
            if self._answer and not answered and QUERIES in self.printed:
                answered = True
                os.write(self._master, self._answer.encode())

    @property
    def printed(self) -> str:
        return self._bytes.decode(errors="replace")

    def wait_for(self, text: str) -> None:
        end = time.monotonic() + 60
        while text not in self.printed:
            assert time.monotonic() < end, self.printed[-500:]
            time.sleep(0.005)

    def end(self) -> int:
        """Wait for the end; return the exit status."""
        try:
            status = self.process.wait(60)
        finally:
            self.process.kill()
            self._ended = True
            self._reader.join(5)
            self.modes_after = termios.tcgetattr(self._slave)
            os.close(self._slave)
            os.close(self._master)
            if self.process.stdout is not None:
                self.process.stdout.close()
        return status


def test_kitty_is_detected_by_name_and_shows_the_picture(tmp_path: Path) -> None:
    screen = Screen(tmp_path, *QUICK, "--show", TERM="xterm-kitty")
    assert screen.end() == 0
    assert QUERIES not in screen.printed
    ((_number, image),) = read_kitty(screen.printed)
    assert image.tobytes() == PIL.Image.open(tmp_path / "c.png").tobytes()
    assert NO_DISPLAY not in screen.printed


@pytest.mark.parametrize("program", ["iTerm.app", "WezTerm"])
def test_iterm2_and_wezterm_are_detected_by_name(tmp_path: Path, program: str) -> None:
    screen = Screen(tmp_path, *QUICK, "--show", TERM_PROGRAM=program)
    assert screen.end() == 0
    assert QUERIES not in screen.printed
    assert screen.printed.count("\x1b]1337;File=inline=1;") == 1


def test_sixels_are_detected_by_a_query(tmp_path: Path) -> None:
    screen = Screen(tmp_path, *QUICK, "--show", answer=SIXEL_XTERM)
    assert screen.end() == 0
    found = re.search(r"\x1bPq.*?\x1b\\", screen.printed, re.DOTALL)
    assert found is not None
    image = read_sixel(found[0])
    assert image.size == (24 * 2 * 8, 24 * 16)  # cell size from the terminal's answer
    saved = PIL.Image.open(tmp_path / "c.png")
    assert pixels_apart(image, saved.resize(image.size)) < 8
    assert screen.modes_after == screen.modes_before


@pytest.mark.parametrize(
    ("answer", "sign"), [(REMOTE_KITTY, "\x1b_Ga=T"), (WEZTERM, "\x1b]1337;File=")]
)
def test_a_remote_terminal_is_detected_by_a_query(tmp_path: Path, answer: str, sign: str) -> None:
    screen = Screen(tmp_path, *QUICK, "--show", answer=answer)
    assert screen.end() == 0
    assert screen.printed.count(sign) == 1
    assert "\x1bPq" not in screen.printed


@pytest.mark.parametrize("answer", [XTERM, ""], ids=["without pictures", "silent"])
def test_a_terminal_of_few_colors_shows_nothing(tmp_path: Path, answer: str) -> None:
    screen = Screen(tmp_path, *QUICK, "--show", answer=answer, TERM="xterm")
    assert screen.end() == 0
    assert screen.printed.count("\x1b") == QUERIES.count("\x1b")
    assert NO_DISPLAY in screen.printed
    assert (tmp_path / "c.png").exists()
    assert screen.modes_after == screen.modes_before


@pytest.mark.parametrize("term", ["dumb", "linux"])
def test_terminals_that_would_print_the_query_are_not_queried(tmp_path: Path, term: str) -> None:
    screen = Screen(tmp_path, *QUICK, "--show", TERM=term)
    assert screen.end() == 0
    assert "\x1b" not in screen.printed


@pytest.mark.parametrize(
    ("variables", "encode"),
    [
        ({}, blocks_256),  # as over ssh
        ({"COLORTERM": "truecolor"}, blocks),
        ({"TERM": "xterm-kitty", "TMUX": "/tmp/tmux-0/default,1,0"}, blocks),
        ({"TERM": "xterm-kitty", "STY": "1.pts-0.host"}, blocks_256),
        ({"TERM": "screen-256color", "TERM_PROGRAM": "WezTerm"}, blocks_256),
    ],
    ids=["ssh", "colors", "tmux", "screen", "nested terminal"],
)
def test_half_blocks_without_a_display(
    tmp_path: Path, variables: dict[str, str], encode: Callable[[PIL.Image.Image, Area], str]
) -> None:
    screen = Screen(tmp_path, *QUICK, "--show", "--count", "2", answer=XTERM, **variables)
    assert screen.end() == 0
    assert QUERIES in screen.printed
    area = Area(columns=48, rows=24, cell=(10, 20), number=1)
    for name in ("c-1.png", "c-2.png"):
        assert screen.printed.count(encode(PIL.Image.open(tmp_path / name), area)) == 1
    assert screen.printed.count("\N{UPPER HALF BLOCK}") == 2 * 48 * 24
    assert "\x1b_G" not in screen.printed
    assert "\x1b]1337" not in screen.printed
    assert "--show" not in screen.printed


@pytest.mark.parametrize("option", ["--show", "--preview"])
def test_nothing_is_shown_when_piped(tmp_path: Path, option: str) -> None:
    screen = Screen(tmp_path, *QUICK, option, piped=True, TERM="xterm-kitty")
    assert screen.end() == 0
    assert "\x1b" not in screen.printed
    no_preview = "--preview has no effect: standard output is not a terminal"
    assert {"--show": NO_DISPLAY, "--preview": no_preview}[option] in screen.printed


def test_ctrl_c_during_an_unanswered_query(tmp_path: Path) -> None:
    screen = Screen(tmp_path, *LONG, "--show")
    screen.wait_for(QUERIES)
    os.kill(screen.process.pid, signal.SIGINT)
    assert screen.end() == 130
    assert screen.modes_after == screen.modes_before


def test_preview_shows_intermediate_pictures(tmp_path: Path) -> None:
    screen = Screen(tmp_path, *QUICK, "--preview", TERM="xterm-kitty")
    assert screen.end() == 0
    pictures = read_kitty(screen.printed)
    assert len({number for number, _image in pictures}) == 1  # in one area
    saved = PIL.Image.open(tmp_path / "c.png")
    assert pictures[-1][1].tobytes() == saved.tobytes()
    assert 2 <= len(pictures) <= 3
    assert pixels_apart(pictures[-2][1].resize(saved.size), saved) < 64
    assert NO_DISPLAY not in screen.printed


def test_each_picture_has_its_own_area(tmp_path: Path) -> None:
    screen = Screen(tmp_path, *QUICK, "--show", "--count", "2", "--quiet", TERM="xterm-kitty")
    assert screen.end() == 0
    numbers = [number for number, _image in read_kitty(screen.printed)]
    assert len(numbers) == len(set(numbers)) == 2


def test_preview_in_colored_blocks(tmp_path: Path) -> None:
    screen = Screen(tmp_path, *QUICK, "--preview", answer=XTERM, COLORTERM="truecolor")
    assert screen.end() == 0
    saved = PIL.Image.open(tmp_path / "c.png")
    last = blocks(saved, Area(columns=48, rows=24, cell=(10, 20), number=1))
    assert screen.printed.count(last) in {1, 2}  # the last preview may equal the picture
    assert screen.printed.count("\N{UPPER HALF BLOCK}") >= 2 * 48 * 24


def test_a_terminal_that_cannot_show_previews_is_noted(tmp_path: Path) -> None:
    screen = Screen(tmp_path, *QUICK, "--preview", answer=XTERM, TERM="xterm")
    assert screen.end() == 0
    assert screen.printed.count("--preview has no effect: this terminal cannot show pictures") == 1
