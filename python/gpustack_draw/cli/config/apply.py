"""The configuration file's values as defaults of a command line."""

import argparse
import os
from collections.abc import Iterator
from dataclasses import dataclass, fields

from gpustack_draw.cli.command_line import CommandLine
from gpustack_draw.cli.config.values import Parsers, defaults_of, name_of
from gpustack_draw.cli.hints.positional_arguments import is_model, may_be_prompt, shell_command
from gpustack_draw.cli.option_names import option_of
from gpustack_draw.cli.parser import Parser
from gpustack_draw.errors import DrawError
from gpustack_draw.phrases import joined

_VARIABLES = {"server": "GPUSTACK_SERVER_URL", "lora_dir": "GPUSTACK_DRAW_LORA_DIR"}
_UPSCALING_MODELS = (".pth", ".pt", ".ckpt", ".safetensors", ".gguf")


@dataclass(frozen=True)
class UsedConfig:
    """The configuration file of a command line.

    Attributes:
        path: The file.
        names: Names of the options that it sets, and the command line does not.
        model: Its model, which the command line may override; empty for none.
    """

    path: str
    names: tuple[str, ...]
    model: str

    def __str__(self) -> str:
        """Return the path and the names."""
        return f"{self.path} ({', '.join(self.names) or 'no option'})"


def apply_config(
    path: str,
    parser: Parser,
    parsers: Parsers,
    typed: CommandLine,
    arguments: argparse.Namespace,
) -> None:
    """Set the arguments that were not typed to the values of a configuration file.

    Args:
        path: The file.
        parser: The parser of the command.
        parsers: How the parser of each command is made.
        typed: The command line; gets the model of the file if it names none.
        arguments: Its arguments; gets the attribute ``used_config``.

    Raises:
        UsageError: The file cannot be read, or any of its keys or values is wrong.
    """
    command = arguments.command
    defaults = defaults_of(path, command, parsers)
    overridden = {*parser.attributes_set(typed), *_overridden(arguments)}
    names = [name for name, default in defaults.items() if default.attribute not in overridden]
    if "model" in names:
        typed.usual_model = defaults["model"].value[0]
        if not _leaves_out_model(arguments, typed):
            names.remove("model")
            names = [name for name in names if name != "alias"]  # of the models in the file
    for name in names:
        if name == "model":
            typed.put_first(defaults[name].value)
        else:
            setattr(arguments, defaults[name].attribute, defaults[name].value)
    arguments.used_config = UsedConfig(path, tuple(names), typed.usual_model)


def complete_hint(error: DrawError, arguments: argparse.Namespace) -> None:
    """Add to the hint of an error that its value is one of the configuration file.

    Args:
        error: The error of a command.
        arguments: The command line.
    """
    used: UsedConfig | None = arguments.used_config
    name = name_of(option_of(error.argument)) if error.argument else ""
    if used is None or not name:
        return
    if name in used.names:
        advice = f"{name} is set in {used.path}"
    elif name == "model" and used.model and arguments.command == "draw":
        words = f"{arguments.model} {arguments.prompt}"
        if not words.replace(" ", "", 1).isalpha():
            return
        advice = f"for a prompt of two words: {shell_command(words)}"
    else:
        return
    error.hint = joined("; ", [*([error.hint] if error.hint else []), advice])


def _overridden(arguments: argparse.Namespace) -> Iterator[str]:
    """Yield the attributes that the environment or the picture of ``--from`` sets."""
    for name, variable in _VARIABLES.items():
        if os.environ.get(variable, "").strip():
            yield name
    if getattr(arguments, "from_picture", None) is not None:
        from gpustack_draw.request.draw_request import DrawRequest
        from gpustack_draw.request.names import COMPONENTS

        yield from ("model", "embedding", *COMPONENTS)
        yield from (field.name for field in fields(DrawRequest))


def _leaves_out_model(arguments: argparse.Namespace, typed: CommandLine) -> bool:
    """Return True if a command line does not start with the model.

    A single word that may be a model or a command is taken for one: a drawing of it as the prompt
    would not show the mistake.
    """
    words = typed.words
    if "MODEL" in typed.named:
        return False
    if arguments.command == "upscale":
        return not words or not _is_upscaling_model(words[0])
    has_prompt = "PROMPT" in typed.named or getattr(arguments, "prompts", None) is not None
    if has_prompt or arguments.command == "serve":
        return not words
    return not words or (len(words) == 1 and may_be_prompt(typed))


def _is_upscaling_model(word: str) -> bool:
    return word.lower().endswith(_UPSCALING_MODELS) or is_model(word)
