"""Where the configuration file is, and its content."""

# Importing pathlib would double the time of a command that only finds out that there is no file.
# ruff: noqa: PTH111, PTH117, PTH118, PTH123

import os
import sys
from collections.abc import Mapping

from gpustack_draw.errors import UsageError, quoted

VARIABLE = "GPUSTACK_DRAW_CONFIG"
_MAX_BYTES = 1024 * 1024


def find_config(typed: str | None) -> str | None:
    """Return the path of the configuration file.

    Args:
        typed: The value of ``--config``.

    Returns:
        The file of ``--config``, else of ``GPUSTACK_DRAW_CONFIG``, else the usual one; ``None`` if
        the usual one does not exist, or if the named one is the null device.

    Raises:
        UsageError: ``--config`` is empty.
    """
    if typed is not None and not typed.strip():
        raise UsageError("--config is empty", hint=f"type {os.devnull} to ignore the usual file")
    named = typed or os.path.expanduser(os.environ.get(VARIABLE, "").strip())
    if named:
        return None if named == os.devnull else named
    usual = usual_path()
    return usual if os.path.lexists(usual) else None


def usual_path(system: str = sys.platform) -> str:
    """Return the path of the configuration file where an operating system keeps such files."""
    if system == "win32":
        folder = os.environ.get("APPDATA") or os.path.expanduser("~/AppData/Roaming")
    elif os.path.isabs(os.environ.get("XDG_CONFIG_HOME", "")):  # the standard ignores relative ones
        folder = os.environ["XDG_CONFIG_HOME"]
    elif system == "darwin":
        folder = os.path.expanduser("~/Library/Application Support")
    else:
        folder = os.path.expanduser("~/.config")
    return os.path.join(folder, "gpustack-draw", "config.toml")


def read_config(path: str) -> Mapping[str, object]:
    """Return the content of a configuration file.

    Raises:
        UsageError: It cannot be read, or is not TOML.
    """
    from importlib import import_module

    toml = import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    try:
        with open(path, "rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(
            f"the configuration file {quoted(path)} cannot be read: {reason.lower()}",
            hint="check the path",
        ) from None
    if len(data) > _MAX_BYTES:
        raise UsageError(
            f"the configuration file {quoted(path)} is larger than 1 MiB", hint="check the path"
        )
    try:
        content: Mapping[str, object] = toml.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise UsageError(
            f"the configuration file {quoted(path)} is not TOML: {reason}",
            hint='for example: size = "768x512"',
        ) from None
    return content
