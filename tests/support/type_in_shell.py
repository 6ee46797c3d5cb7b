"""Completion of a command line by a real shell on a real terminal."""

import os
import pty
import re
import select
import time
from pathlib import Path

COMMANDS = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "zsh": ["zsh", "-f", "-i"],
    "fish": ["fish", "--private", "-i"],
}
PREPARE = {
    "bash": "PS1='ready> '; source {script}",
    "zsh": "autoload -Uz compinit; compinit -u -D; source {script}; bindkey -e; PS1='ready> '",
    "fish": "source {script}; function fish_prompt; echo -n 'ready> '; end",
}
# Loads the completion from a folder in fpath.
AUTOLOAD = (
    "fpath=({folder} $fpath); autoload -Uz compinit; compinit -u -D; bindkey -e; PS1='ready> '"
)
_TO_START, _TO_END, _TAB = "\x01", "\x05", "\t"
_SECONDS = 60.0


def completed(
    shell: str, prepare: str, line: str, folder: Path, environment: dict[str, str]
) -> str:
    """Return a line as a shell completes it after a Tab at its end.

    The shell then prints the line, which ends the wait for the completion.

    Args:
        shell: ``bash``, ``zsh`` or ``fish``.
        prepare: A command that loads the completion and sets the shell's prompt.
        line: The typed line.
        folder: The current folder and home of the shell.
        environment: Environment of the shell.
    """
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(folder)
        home = {"HOME": str(folder), "TERM": "dumb", "XDG_CONFIG_HOME": str(folder / ".config")}
        os.execvpe(COMMANDS[shell][0], COMMANDS[shell], {**environment, **home})
    try:
        os.write(terminal, f"{prepare}\n".encode())
        _read_until(terminal, r"ready> $")
        os.write(terminal, f"{line}{_TAB}".encode())
        os.write(terminal, f"{_TO_START}echo '<{_TO_END}>'\n".encode())
        seen = _read_until(terminal, r"[\r\n]<[^\r\n']*>[\r\n]")
        return re.findall(r"[\r\n]<([^\r\n']*)>[\r\n]", seen)[-1]
    finally:
        os.kill(process, 9)
        os.waitpid(process, 0)
        os.close(terminal)


def _read_until(terminal: int, pattern: str) -> str:
    text = ""
    end = time.monotonic() + _SECONDS
    while not re.search(pattern, text):
        left = end - time.monotonic()
        assert left > 0, f"the shell printed: {text!r}"
        if select.select([terminal], [], [], left)[0]:
            text += os.read(terminal, 65536).decode(errors="replace")
            text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)  # terminal modes
    return text
