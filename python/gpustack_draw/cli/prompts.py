"""Prompts from a file or from standard input, one per line."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from gpustack_draw.cli.arguments import Arguments
from gpustack_draw.cli.option_names import option_of
from gpustack_draw.errors import DrawError, UsageError, quoted
from gpustack_draw.inputs.regular_file import STANDARD_INPUT, file_errors, read_at_most
from gpustack_draw.phrases import phrase
from gpustack_draw.request.draw_request import DrawRequest

_MAX_BYTES = 16_000_000
_COMMENT = "#"
_LINE_END = re.compile(r"\r\n|\r|\n")
_PICTURE_OPTIONS = ("image", "ref_image", "mask", "control_image")


@dataclass(frozen=True)
class ListedPrompt:
    """A prompt of a list.

    Attributes:
        text: The prompt, without blanks around it.
        place: The line in the list, such as ``line 3 of 'prompts.txt'``.
    """

    text: str
    place: str


def read_prompts(arguments: Arguments) -> tuple[ListedPrompt, ...]:
    """Read the list of prompts that a command line names.

    Args:
        arguments: The command line: PROMPT is ``-``, or ``--prompts`` names a file.

    Returns:
        The prompts in order; empty if the command line names no list.

    Raises:
        UsageError: The list cannot be read, has no prompts, or a prompt is not allowed.
    """
    if arguments.prompts is not None and arguments.prompt is not None:
        raise UsageError(
            "PROMPT and --prompts exclude each other", hint="type one of them", argument="prompt"
        )
    path = arguments.prompt if arguments.prompts is None else arguments.prompts
    if path == STANDARD_INPUT:
        _check_standard_input(arguments)
        label, data = "standard input", _read_standard_input()
    elif arguments.prompts is not None:
        label = quoted(arguments.prompts)
        data = _read_file(arguments.prompts, label)
    else:
        return ()
    prompts = tuple(_prompts_in(_decoded(data, label), label))
    if not prompts:
        raise UsageError(
            f"{label} has no prompts",
            hint="write one prompt per line; lines that start with # are comments",
            argument="prompt",
        )
    for prompt in prompts:
        with errors_at(prompt.place):
            DrawRequest(prompt=prompt.text)
    return prompts


@contextmanager
def errors_at(place: str) -> Iterator[None]:
    """Add the place of a listed prompt to the message of an error about it."""
    try:
        yield
    except DrawError as error:
        if place and error.argument == "prompt":
            error.message = phrase("{}: {}", place, error.message)
        raise


def _check_standard_input(arguments: Arguments) -> None:
    """Refuse an input picture from standard input beside the prompts."""
    for name in _PICTURE_OPTIONS:
        sources = getattr(arguments, name)
        if STANDARD_INPUT in (sources if isinstance(sources, list) else [sources]):
            raise UsageError(
                f"the prompts and the picture of {option_of(name)} cannot both be standard input",
                hint="save one of them to a file first",
                argument=name,
            )


def _read_standard_input() -> bytes:
    stream = None if sys.stdin is None else sys.stdin.buffer
    if stream is None or stream.isatty():
        raise UsageError(
            f"standard input is {'closed' if stream is None else 'a terminal'}, and has no prompts",
            hint="redirect a file to it: < prompts.txt",
            argument="prompt",
        )
    with file_errors("standard input"):
        return _read(stream, "standard input")


def _read_file(path: str, label: str) -> bytes:
    with file_errors(label):
        try:
            with open(path, "rb") as file:  # noqa: PTH123 - an empty path is not that of a folder
                return _read(file, label)
        except IsADirectoryError:
            raise UsageError(f"{label} is a folder", hint="name a text file in it") from None


def _read(stream: BinaryIO, label: str) -> bytes:
    purpose = ", too much for a list of prompts"
    return read_at_most(stream, _MAX_BYTES, label, purpose=purpose, hint="split it")


def _decoded(data: bytes, label: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UsageError(
            f"line {line} of {label} is not UTF-8",
            hint="save it as text in the encoding UTF-8",
            argument="prompt",
        ) from error


def _prompts_in(text: str, label: str) -> Iterator[ListedPrompt]:
    for number, line in enumerate(_LINE_END.split(text), start=1):
        if line.strip() and not line.startswith(_COMMENT):
            yield ListedPrompt(line.strip(), f"line {number} of {label}")
