"""Checks of standard output, before anything is drawn."""

import sys

from gpustack_draw.cli.arguments import Arguments
from gpustack_draw.errors import OutputError, UsageError


def check_standard_output(arguments: Arguments, count: int) -> None:
    """Refuse output that standard output cannot carry or that would be mixed with other output.

    Args:
        arguments: The command line.
        count: Number of pictures.

    Raises:
        UsageError: Options exclude each other.
        OutputError: Standard output cannot take a picture.
    """
    if arguments.output == "-" and arguments.json:
        raise UsageError("--json and --output - both write to standard output", hint="choose one")
    if arguments.output == "-" and count > 1:
        raise UsageError(
            f"{count} pictures do not fit on standard output",
            hint="name a folder with --output"
            + (", or leave --count out" if getattr(arguments, "count", None) else ""),
        )
    if arguments.output == "-" and (sys.stdout is None or sys.stdout.isatty()):
        where = "closed" if sys.stdout is None else "a terminal"
        raise OutputError(
            f"standard output is {where}", hint="send the picture on: --output - > cat.png"
        )
