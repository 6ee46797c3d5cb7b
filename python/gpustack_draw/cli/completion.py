"""The command ``completion``: shell scripts, and the candidates that they request.

A script runs this at every Tab, so slow imports are avoided.
"""

# Importing pathlib would double the time.
# ruff: noqa: PTH118, PTH119, PTH120, PTH123

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import takewhile

from gpustack_draw.cli.arguments import PARSERS, SWITCHES, Arguments
from gpustack_draw.cli.command_line import COMMANDS
from gpustack_draw.cli.model_names import cached_files, cached_models
from gpustack_draw.cli.parser import Parser
from gpustack_draw.errors import DrawError, UsageError, quoted
from gpustack_draw.request.names import COMPONENTS, HIRES_UPSCALERS, SAMPLERS, SCHEDULERS
from gpustack_draw.request.short_names import SHORT_NAMES

SHELLS = ("bash", "zsh", "fish")
_MODEL_FILES = ":files gguf safetensors ckpt"
_UPSCALING_MODEL_FILES = ":files pth safetensors gguf pt ckpt"
_PICTURE_FILES = ":files png jpg jpeg webp"
_END_OF_SUMMARY = re.compile(r"; |: |\. | \(")


def run_completion(arguments: Arguments, write: Callable[[bytes], None]) -> int:
    """Print a shell's script, or candidates that complete a command line.

    Args:
        arguments: The command line.
        write: Function that writes to standard output.

    Returns:
        The exit status.

    Raises:
        UsageError: The shell is not supported.
    """
    if arguments.words is not None:
        write("".join(f"{line}\n" for line in candidates(arguments.words)).encode(errors="replace"))
        return 0
    shell = os.path.basename(arguments.shell)  # as in $SHELL
    if shell not in SHELLS:
        raise UsageError(
            f"no completion script for {quoted(arguments.shell)}",
            hint=f"available: {', '.join(SHELLS)}",
        )
    script = os.path.join(os.path.dirname(__file__), "completions", f"gpustack-draw.{shell}")
    with open(script, "rb") as file:
        write(file.read())
    return 0


def candidates(words: Sequence[str]) -> Iterator[str]:
    """Find completions of the last word.

    Args:
        words: The command line up to the cursor, without the program's name.

    Yields:
        A candidate, a tab and its description; or ``:files`` and the accepted file extensions,
        none if every file is accepted.
    """
    *typed, current = words or [""]
    switches = len(list(takewhile(SWITCHES.__contains__, typed)))
    command, rest = "draw", typed
    if typed[switches:] and typed[switches] in COMMANDS:
        command, rest = typed[switches], typed[switches + 1 :]
    parser = PARSERS[command]()
    option, argument, has_ended = _read(parser, rest)
    lines: Iterable[str] = ()
    if option:
        lines = _values(option, command)
    elif current.startswith("-") and not has_ended:
        name, equals, _ = current.partition("=")
        if equals:
            target = parser.spellings().get(name, "")
            values = [value for value in _values(target, command) if value[0] != ":"]
            lines = [f"{name}={value}" for value in values]
        else:
            lines = _options(parser)
    elif argument:
        commands = _commands() if len(typed) == switches else ()
        lines = [*commands, *_values(argument, command)]
    yield from (line for line in lines if line.startswith((current, ":")))


def _read(parser: Parser, words: Sequence[str]) -> tuple[str, str, bool]:
    """Find which option or argument the word after some others sets.

    Returns:
        The option whose value it is, or an empty string; the positional argument that it is, or
        an empty string; and True if ``--`` has ended the options.
    """
    known = parser.spellings()
    arguments = parser.arguments()
    option, has_ended = "", False
    rest = iter(words)
    for word in rest:
        name, equals, _ = word.partition("=")
        if option:
            option = ""
        elif word == "--":
            has_ended = True
            arguments = arguments[len(list(rest)) :]
        elif name in known:
            target = known[name]
            if target in arguments:
                arguments.remove(target)
            if parser.takes_value(target) and not equals:
                option = target
        elif not word.startswith("-") or " " in word:
            is_repeated = parser.repeats_last_argument and len(arguments) == 1
            arguments = arguments if is_repeated else arguments[1:]
    return option, arguments[0] if arguments else "", has_ended


def _commands() -> Iterator[str]:
    for command in COMMANDS:
        yield f"{command}\t{_summary(str(PARSERS[command]().description))}"


def _options(parser: Parser) -> Iterator[str]:
    for action in parser.options():
        for option in action.option_strings:
            yield f"{option}\t{_summary(str(action.help))}"


def _values(target: str, command: str) -> Iterator[str]:
    """Yield values of an option, or of an argument such as ``MODEL``."""
    component = target.removeprefix("--").replace("-", "_")
    if target == "MODEL" and command == "upscale":
        yield _UPSCALING_MODEL_FILES
    elif target == "MODEL":
        if command in ("draw", "serve"):
            yield "demo\tthe model inside the package"
            yield _MODEL_FILES
        if command in ("draw", "serve", "pull"):
            yield from (f"{name}\t{title}" for name, title, *_ in SHORT_NAMES)
        yield from (f"{model}\tdownloaded from Hugging Face" for model in cached_models())
    elif component in COMPONENTS or target == "--info":
        yield from (f"{file}\tdownloaded from Hugging Face" for file in cached_files())
        yield _MODEL_FILES
    elif target == "--upscaler":
        yield _UPSCALING_MODEL_FILES
    elif target == "--lora":
        yield _MODEL_FILES
    elif target == "--device":
        yield from _devices()
    elif target in ("--output", "--lora-dir", "--prompts", "--grid"):
        yield ":files"
    elif target == "--config":
        yield ":files toml"
    elif target in ("--from", "PICTURE", "--image", "--ref-image", "--control-image", "--mask"):
        yield from _NAMES.get(target, ())
        yield _PICTURE_FILES
    else:
        yield from _NAMES.get(target, ())


_NAMES = {
    "--mask": ["alpha\tthe transparent area of the picture"],
    "--fit": [
        "crop\tcuts off what is too much",
        "pad\tadds a border",
        "stretch\tchanges the shape",
    ],
    "--sampler": [f"{name}\tsampler" for name in SAMPLERS],
    "--scheduler": [f"{name}\tscheduler" for name in SCHEDULERS],
    "--hires-upscaler": [f"{name}\tupscaler" for name in HIRES_UPSCALERS],
    "--on": ["auto\twhere the model is", "local\ton this machine", "server\ton a GPUStack server"],
    "SHELL": [f"{name}\tshell" for name in SHELLS],
}


def _devices() -> Iterator[str]:
    from gpustack_draw.engine.devices import devices

    yield "auto\tthe first GPU, else the CPU"
    try:
        found = devices()
    except DrawError:
        return
    yield from (f"{device.name}\t{_summary(device.description)}" for device in found)


def _summary(text: str) -> str:
    """Return the first clause of a help text, at most 80 characters long."""
    clause = _END_OF_SUMMARY.split(" ".join(text.split()))[0].rstrip(".")
    return clause if len(clause) <= 80 else clause[:77] + "..."
