"""The command ``rm``: remove a fetched model, after a question."""

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
    """Remove a fetched model.

    Args:
        arguments: The command line.
        write: Receives the output.

    Returns:
        The exit status.

    Raises:
        UsageError: Nobody can be asked, and ``--yes`` was not typed.
        DrawError: The model is not here, or cannot be removed.
    """
    from gpustack_draw.remove_model import plan_model_removal, remove_model

    assert arguments.model is not None
    planned = plan_model_removal(arguments.model)
    reporter = Reporter(sys.stderr, quiet=arguments.quiet)
    if not arguments.yes and not _agrees(planned, reporter):
        reporter.note("nothing was removed")
        return 0
    remove_model(planned)
    shown = planned.removal.file.shown
    reporter.note(f"{shown} was removed, which freed {_freed(planned)}")
    for note in planned.notes if arguments.yes else ():  # else they were shown with the question
        reporter.note(note)
    if arguments.json:
        write(_record(planned))
    return 0


def _agrees(planned: "ModelRemoval", reporter: Reporter) -> bool:
    """Ask whether to go on."""
    shown = planned.removal.file.shown
    if sys.stdin is None or not sys.stdin.isatty() or not sys.stderr.isatty():
        raise UsageError(
            f"removing {shown}, which frees {_freed(planned)}, needs a yes, and there is no"
            " terminal to ask on",
            hint="add --yes to remove it without a question",
        )
    for path in planned.removal.paths:
        reporter.line(f"  {path.path}")
    for note in planned.notes:
        reporter.note(note)
    sys.stderr.write(f"gpustack-draw: remove {shown}, which frees {_freed(planned)}? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _freed(planned: "ModelRemoval") -> str:
    return format_bytes(planned.removal.bytes) if planned.removal.bytes else "no space"


def _record(planned: "ModelRemoval") -> bytes:
    files = [{"path": str(path.path), "bytes": path.bytes} for path in planned.removal.paths]
    record = {"model": planned.model, "bytes": planned.removal.bytes, "files": files}
    return json.dumps(record).encode() + b"\n"
