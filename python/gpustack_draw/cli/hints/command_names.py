"""A hint for models of a server that have the name of a command; imported only after an error."""

import os
from collections.abc import Iterator, Sequence

from gpustack_draw.cli.command_line import COMMANDS
from gpustack_draw.cli.draw_parser import draw_parser
from gpustack_draw.errors import UsageError
from gpustack_draw.phrases import joined

# Commands that take no argument at all, or none but MODEL and PROMPT.
_WITHOUT_ARGUMENT = ("draw", "devices", "models")


def add_model_hint(error: UsageError, argv: Sequence[str]) -> None:
    """Add to an error how to draw with a model that is named like the command that was typed.

    Args:
        error: The error of the command line.
        argv: The command line. It must be a command and a prompt, and the user must have named a
            server; otherwise the error stays as it is.
    """
    if not argv or argv[0] not in COMMANDS or not _has_server(argv):
        return
    command, *prompts = _words(argv)
    if len(prompts) != 1:
        return
    from gpustack_draw.cli.hints.positional_arguments import is_model, shell_command

    (prompt,) = prompts
    if is_model(prompt) or (command not in _WITHOUT_ARGUMENT and len(prompt.split()) < 2):
        return
    line = shell_command("draw", command, prompt)
    advice = f"for a model named {command!r} on the server: {line}"
    error.hint = joined("; ", [*([error.hint] if error.hint else []), advice])


def _words(argv: Sequence[str]) -> Iterator[str]:
    """Yield the positional arguments of a command line that is meant to draw."""
    parser = draw_parser()
    known, words = parser.spellings(), iter(argv)
    for word in words:
        if not word.startswith("-"):
            yield word
        elif word in known and parser.takes_value(known[word]):
            next(words, None)


def _has_server(argv: Sequence[str]) -> bool:
    is_typed = any(word.partition("=")[0] == "--server" for word in argv)
    return is_typed or bool(os.environ.get("GPUSTACK_SERVER_URL", "").strip())
