"""Open a saved picture in the default viewer."""

import os
import sys
from pathlib import Path

# A viewer that is there may stay in the foreground; one that is missing says so within this time.
_SECONDS_TO_FAIL = 1.0


def show(path: str) -> str:
    """Open a picture in the default viewer, and leave it alone.

    Returns:
        Why it could not be opened; empty if it could.
    """
    if not _has_display():
        return "there is no display here"
    absolute = str(Path(path).absolute())  # and so never taken for an option
    if sys.platform == "win32":
        try:
            os.startfile(absolute)  # noqa: S606 - what the user has chosen for pictures
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

    nowhere = subprocess.DEVNULL
    try:
        # A session of its own: Ctrl-C here is not meant for the viewer.
        process = subprocess.Popen(
            [program, path], stdin=nowhere, stdout=nowhere, stderr=nowhere, start_new_session=True
        )
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        return f"{program} is not installed" if missing else f"{program}: {error.strerror}"
    try:
        status = process.wait(_SECONDS_TO_FAIL)
    except subprocess.TimeoutExpired:
        process.returncode = 0  # else Popen would warn that nobody waits for it
        return ""
    return f"{program} found no viewer (exit status {status})" if status else ""
