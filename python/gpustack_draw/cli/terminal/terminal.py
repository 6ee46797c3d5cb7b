"""Which pictures the terminal can show, asked without waiting for terminals that do not answer."""

import os
import re
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress

# What a terminal calls itself, in TERM, in TERM_PROGRAM or when it is asked, and how pictures are
# sent to it: by kitty's graphics protocol, or by iTerm2's inline images.
_NAMES = {
    "kitty": "kitty",
    "ghostty": "kitty",
    "iterm": "iterm2",
    "wezterm": "iterm2",
}
# A TERM or a variable of programs that show terminals inside another terminal: TERM and
# TERM_PROGRAM may be those of the other one, whose pictures do not get through.
_INSIDE = ("screen", "tmux")
_INSIDE_VARIABLES = ("TMUX", "STY", "ZELLIJ", "NVIM", "VIM_TERMINAL", "INSIDE_EMACS")
# Terminals of 16 million colors, by their TERM. Over ssh, COLORTERM does not come along.
_COLORFUL = ("kitty", "ghostty", "wezterm", "alacritty", "foot", "-direct")
_CANNOT_BE_ASKED = ("", "dumb", "linux")

# Its name (XTVERSION), its cells' size in pixels, and what every terminal answers, and so comes
# last: its attributes (DA1), among which 4 is for sixel graphics.
_QUESTIONS = b"\x1b[>q\x1b[16t\x1b[c"
_NAME = re.compile(rb"\x1bP>\|([^\x1b]*)")
_CELL = re.compile(rb"\x1b\[6;(\d+);(\d+)t")
_ATTRIBUTES = re.compile(rb"\x1b\[\?([\d;]*)c")
_SECONDS_TO_ANSWER = 1.0


def protocol_by_name(environment: Mapping[str, str]) -> str:
    """Tell from its name alone how pictures are sent to a terminal; empty where that is unknown."""
    term = environment.get("TERM", "")
    if term.startswith(_INSIDE) or any(environment.get(name) for name in _INSIDE_VARIABLES):
        return ""
    return _protocol_of(f"{term} {environment.get('TERM_PROGRAM', '')}")


def blocks_by_name(environment: Mapping[str, str]) -> str:
    """Tell which half blocks a terminal shows: ``blocks``, ``blocks 256``, or none."""
    term = environment.get("TERM", "")
    if term in _CANNOT_BE_ASKED:
        return ""
    colorful = environment.get("COLORTERM", "") in {"truecolor", "24bit"}
    colorful = colorful or any(name in term for name in _COLORFUL)
    if colorful and not environment.get("STY"):  # screen itself has 256
        return "blocks"
    return "blocks 256" if colorful or "256color" in term else ""


def _protocol_of(name: str) -> str:
    name = name.lower()
    return next((protocol for part, protocol in _NAMES.items() if part in name), "")


def _cell_of_window() -> tuple[int, int]:
    if sys.platform != "win32":
        from fcntl import ioctl
        from struct import unpack
        from termios import TIOCGWINSZ

        with suppress(OSError):
            lines, columns, width, height = unpack("HHHH", ioctl(2, TIOCGWINSZ, bytes(8)))
            if lines and columns and width >= columns and height >= lines:
                return width // columns, height // lines
    return 10, 20  # as good as any: most are twice as high as wide


class Terminal:
    """The terminal of standard error, asked what it can show while the work goes on.

    Answers come as if they were typed, so until they are there, or a second is over, it does not
    echo what is typed. Use it in a ``with`` block, which puts that back in any case.

    Attributes:
        cell: Width and height of a character in pixels.
    """

    def __init__(self) -> None:
        """Find out by name, or ask."""
        self.cell = _cell_of_window()
        self._protocol = protocol_by_name(os.environ)
        self._answers = bytearray()
        self._thread: threading.Thread | None = None
        self._wake_up = -1
        if not self._protocol and os.environ.get("TERM", "") not in _CANNOT_BE_ASKED:
            with suppress(OSError):  # no terminal, or not ours
                self._ask()

    def protocol(self) -> str:
        """Tell how pictures are sent to it: ``kitty``, ``iterm2``, ``sixel``; empty if not at all.

        Does not wait: what has not been answered by now is not known.
        """
        self.close()
        if (cell := _CELL.search(self._answers)) and int(cell[1]) and int(cell[2]):
            self.cell = (int(cell[2]), int(cell[1]))
        if not self._protocol and (name := _NAME.search(self._answers)):
            self._protocol = _protocol_of(name[1].decode(errors="replace"))
        if not self._protocol and (attributes := _ATTRIBUTES.search(self._answers)):
            self._protocol = "sixel" if b"4" in attributes[1].split(b";") else ""
        return self._protocol

    def close(self) -> None:
        """Stop waiting for answers; the terminal is as before."""
        thread, self._thread = self._thread, None
        if thread is not None:
            os.close(self._wake_up)
            thread.join()

    def __enter__(self) -> "Terminal":  # noqa: PYI034 - Self is younger than Python 3.10
        """Give itself."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Stop waiting for answers."""
        self.close()

    def _ask(self) -> None:
        if sys.platform == "win32":
            return
        terminal = os.open(os.ttyname(2), os.O_RDWR | os.O_NOCTTY)
        # A job in the background would be stopped.
        if os.tcgetpgrp(terminal) != os.getpgrp():
            os.close(terminal)
            return
        until, self._wake_up = os.pipe()
        self._thread = threading.Thread(target=self._listen, args=(terminal, until), daemon=True)
        self._thread.start()

    def _listen(self, terminal: int, until: int) -> None:
        import select
        import termios
        import time

        before = termios.tcgetattr(terminal)
        quiet = termios.tcgetattr(terminal)
        quiet[3] &= ~(termios.ECHO | termios.ICANON)  # Ctrl-C stays what it is
        end = time.monotonic() + _SECONDS_TO_ANSWER
        try:
            termios.tcsetattr(terminal, termios.TCSANOW, quiet)
            os.write(terminal, _QUESTIONS)
            while not _ATTRIBUTES.search(self._answers) and (left := end - time.monotonic()) > 0:
                ready, _, _ = select.select([terminal, until], [], [], left)
                if terminal not in ready:
                    break
                self._answers += os.read(terminal, 4096)
        except OSError:
            pass  # it was closed
        finally:
            with suppress(termios.error):
                termios.tcsetattr(terminal, termios.TCSANOW, before)
            os.close(terminal)
            os.close(until)
