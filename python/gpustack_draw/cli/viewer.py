"""The default picture viewer of the desktop."""

import os
import sys
from pathlib import Path

# A missing viewer fails within this time; a working one may run in the foreground for long.
_SECONDS_TO_FAIL = 1.0


def open_in_viewer(path: str) -> str:
    """Open a picture in the default viewer, without waiting for the viewer to be closed.

    Args:
        path: Path of the picture.

    Returns:
        The reason if it could not be opened, else an empty string.
    """
    if not _has_display():
        return "no display found"
    absolute = str(Path(path).absolute())  # cannot be taken for an option
    if sys.platform == "win32":
        try:
            os.startfile(absolute)  # noqa: S606 - the user's own choice of viewer
        except OSError as error:
            return str(error.strerror or error)
        return ""
    if sys.platform == "darwin":
        return _start("open", absolute)
    return _start("xdg-open", absolute)


def _has_display() -> bool:
    if sys.platform in {"win32", "darwin"}:
        # Over ssh, the viewer would open on the screen of the other machine.
        return not os.environ.get("SSH_CONNECTION")
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _start(program: str, path: str) -> str:
    import subprocess

    null = subprocess.DEVNULL
    try:
        # In a session of its own, the viewer does not receive Ctrl-C from this terminal.
        process = subprocess.Popen(
            [program, path], stdin=null, stdout=null, stderr=null, start_new_session=True
        )
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        return f"{program} is not installed" if missing else f"{program}: {error.strerror}"
    try:
        status = process.wait(_SECONDS_TO_FAIL)
    except subprocess.TimeoutExpired:
        process.returncode = 0  # keeps Popen from warning about a running child
        return ""
    return f"{program} found no viewer (exit status {status})" if status else ""
