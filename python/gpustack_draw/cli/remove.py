"""The command ``rm``: remove a downloaded model after confirmation."""

import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from gpustack_draw.cli.arguments import Arguments
from gpustack_draw.cli.progress import Reporter
from gpustack_draw.errors import UsageError
from gpustack_draw.units import format_bytes

if TYPE_CHECKING:
    from gpustack_draw.remove_model import ModelRemoval


def remove(arguments: Arguments, write: Callable[[bytes], None]) -> int:
    """Remove a downloaded model.

    Args:
        arguments: The command line.
        write: Function that writes to standard output.

    Returns:
        The exit status.

    Raises:
        UsageError: There is no terminal for the confirmation, and no ``--yes``.
        DrawError: The model is not cached, or cannot be removed.
    """
    from gpustack_draw.remove_model import plan_model_removal, remove_model

    assert arguments.model is not None
    planned = plan_model_removal(arguments.model)
    reporter = Reporter(sys.stderr, quiet=arguments.quiet)
    if not arguments.yes and not _confirm(planned, reporter):
        reporter.note("nothing was removed")
        return 0
    remove_model(planned)
    reporter.note(f"removed {planned.removal.file.label} and freed {_size_text(planned)}")
    for note in planned.notes if arguments.yes else ():  # else the question lists them
        reporter.note(note)
    if arguments.json:
        write(_record(planned))
    return 0


def _confirm(planned: "ModelRemoval", reporter: Reporter) -> bool:
    """Ask for confirmation; return True for yes."""
    name = planned.removal.file.label
    if sys.stdin is None or not sys.stdin.isatty() or not sys.stderr.isatty():
        raise UsageError(
            f"removing {name}, which frees {_size_text(planned)}, needs confirmation, but there is"
            " no terminal",
            hint="add --yes to remove it without confirmation",
        )
    for path in planned.removal.paths:
        reporter.line(f"  {path.path}")
    for note in planned.notes:
        reporter.note(note)
    sys.stderr.write(f"gpustack-draw: remove {name} and free {_size_text(planned)}? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _size_text(planned: "ModelRemoval") -> str:
    return format_bytes(planned.removal.bytes) if planned.removal.bytes else "no space"


def _record(planned: "ModelRemoval") -> bytes:
    files = [{"path": str(path.path), "bytes": path.bytes} for path in planned.removal.paths]
    record = {"model": planned.model, "bytes": planned.removal.bytes, "files": files}
    return json.dumps(record).encode() + b"\n"
