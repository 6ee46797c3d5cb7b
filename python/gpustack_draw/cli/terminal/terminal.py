"""Detection of the graphics protocol of a terminal, by its name or by asking it."""

import os
import re
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress

# The graphics protocols of terminals, by a part of their name in TERM, TERM_PROGRAM or XTVERSION.
_PROTOCOLS = {
    "kitty": "kitty",
    "ghostty": "kitty",
    "iterm": "iterm2",
    "wezterm": "iterm2",
}
# TERM and variables of programs that run terminals inside another terminal. TERM and TERM_PROGRAM
# may then name the outer terminal, whose graphics protocol does not pass through.
_NESTED_TERMS = ("screen", "tmux")
_NESTED_VARIABLES = ("TMUX", "STY", "ZELLIJ", "NVIM", "VIM_TERMINAL", "INSIDE_EMACS")
# Parts of the TERM of terminals with 24-bit color. Over ssh, COLORTERM is not passed on.
_TRUE_COLOR_TERMS = ("kitty", "ghostty", "wezterm", "alacritty", "foot", "-direct")
_TERMS_WITHOUT_QUERIES = ("", "dumb", "linux")

# Queries of the name (XTVERSION), of the cell size in pixels, and of the attributes (DA1), where 4
# means sixel graphics. Every terminal answers the last, so its answer ends the wait.
_QUERIES = b"\x1b[>q\x1b[16t\x1b[c"
_NAME = re.compile(rb"\x1bP>\|([^\x1b]*)")
_CELL = re.compile(rb"\x1b\[6;(\d+);(\d+)t")
_ATTRIBUTES = re.compile(rb"\x1b\[\?([\d;]*)c")
_MAX_SECONDS_TO_ANSWER = 1.0


def protocol_by_name(environment: Mapping[str, str]) -> str:
    """Return the graphics protocol of a terminal by its name; empty if unknown."""
    term = environment.get("TERM", "")
    if term.startswith(_NESTED_TERMS) or any(environment.get(name) for name in _NESTED_VARIABLES):
        return ""
    return _protocol_of(f"{term} {environment.get('TERM_PROGRAM', '')}")


def blocks_by_name(environment: Mapping[str, str]) -> str:
    """Return the encoding of half blocks: ``blocks``, ``blocks 256``, or empty if unsupported."""
    term = environment.get("TERM", "")
    if term in _TERMS_WITHOUT_QUERIES:
        return ""
    true_color = environment.get("COLORTERM", "") in {"truecolor", "24bit"}
    true_color = true_color or any(name in term for name in _TRUE_COLOR_TERMS)
    if true_color and not environment.get("STY"):  # screen has 256 colors
        return "blocks"
    return "blocks 256" if true_color or "256color" in term else ""


def _protocol_of(name: str) -> str:
    name = name.lower()
    return next((protocol for part, protocol in _PROTOCOLS.items() if part in name), "")


def _cell_of_window() -> tuple[int, int]:
    if sys.platform != "win32":
        from fcntl import ioctl
        from struct import unpack
        from termios import TIOCGWINSZ

        with suppress(OSError):
            lines, columns, width, height = unpack("HHHH", ioctl(2, TIOCGWINSZ, bytes(8)))
            if lines and columns and width >= columns and height >= lines:
                return width // columns, height // lines
    return 10, 20  # most fonts are about twice as high as wide


class Terminal:
    """The terminal of standard error, queried in the background.

    Its answers arrive as typed input, so echo is off until they have arrived or one second has
    passed. Use it in a ``with`` block, which restores the echo in any case.

    Attributes:
        cell: Width and height of a cell in pixels.
    """

    def __init__(self) -> None:
        """Detect the protocol by name, or start the queries."""
        self.cell = _cell_of_window()
        self._protocol = protocol_by_name(os.environ)
        self._answers = bytearray()
        self._thread: threading.Thread | None = None
        self._wake_up = -1
        if not self._protocol and os.environ.get("TERM", "") not in _TERMS_WITHOUT_QUERIES:
            with suppress(OSError):  # not a terminal, or not the controlling one
                self._start_queries()

    def protocol(self) -> str:
        """Return the protocol: ``kitty``, ``iterm2``, ``sixel``, or empty if unknown or none.

        Does not wait for answers; later ones are ignored.
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
        """Stop waiting for answers, and restore the terminal."""
        thread, self._thread = self._thread, None
        if thread is not None:
            os.close(self._wake_up)
            thread.join()

    def __enter__(self) -> "Terminal":  # noqa: PYI034 - Self is younger than Python 3.10
        """Return the terminal."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Close it."""
        self.close()

    def _start_queries(self) -> None:
        if sys.platform == "win32":
            return
        terminal = os.open(os.ttyname(2), os.O_RDWR | os.O_NOCTTY)
        # The system would stop a background job that writes to the terminal.
        if os.tcgetpgrp(terminal) != os.getpgrp():
            os.close(terminal)
            return
        until, self._wake_up = os.pipe()
        self._thread = threading.Thread(
            target=self._read_answers, args=(terminal, until), daemon=True
        )
        self._thread.start()

    def _read_answers(self, terminal: int, until: int) -> None:
        import select
        import termios
        import time

        before = termios.tcgetattr(terminal)
        quiet = termios.tcgetattr(terminal)
        quiet[3] &= ~(termios.ECHO | termios.ICANON)  # ISIG stays on, for Ctrl-C
        end = time.monotonic() + _MAX_SECONDS_TO_ANSWER
        try:
            termios.tcsetattr(terminal, termios.TCSANOW, quiet)
            os.write(terminal, _QUERIES)
            while not _ATTRIBUTES.search(self._answers) and (left := end - time.monotonic()) > 0:
                ready, _, _ = select.select([terminal, until], [], [], left)
                if terminal not in ready:
                    break
                self._answers += os.read(terminal, 4096)
        except OSError:
            pass  # the terminal was closed
        finally:
            with suppress(termios.error):
                termios.tcsetattr(terminal, termios.TCSANOW, before)
            os.close(terminal)
            os.close(until)
