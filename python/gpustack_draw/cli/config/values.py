"""The values of the configuration file: which option each key is, and what its parser reads."""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from gpustack_draw.cli.config.file import read_config
from gpustack_draw.cli.hints.unknown_options import similar_options
from gpustack_draw.cli.option_names import option_of
from gpustack_draw.cli.parser import Parser
from gpustack_draw.errors import UsageError, quoted

Parsers = Mapping[str, Callable[[], Parser]]

_SECTIONS = ("draw", "upscale", "serve")
# Keys outside sections are options of draw. These are options of the other commands, too: they
# describe the machine, not the model.
_SHARED = frozenset(
    (
        *("device", "threads", "server", "lora_dir"),
        *("low_memory", "vae_tiling", "vae_tile_size", "offload_to_cpu", "clip_on_cpu"),
        *("vae_on_cpu", "diffusion_fa", "max_vram", "type"),
    )
)
# Options that describe one run, not how somebody usually draws.
_OF_ONE_RUN = (
    *("from", "image", "ref_image", "control_image", "control_strength", "canny", "strength"),
    *("mask", "mask_invert", "mask_blur", "masked_only", "expand", "fit"),
    *("prompts", "grid", "config", "dry_run", "json", "gpustack_backend", "help", "version"),
)
_REFUSED = {
    "api_key": "set GPUSTACK_DRAW_API_KEY for serve, GPUSTACK_API_KEY for a GPUStack server",
    "no_auth": "type --no-auth",
    "prompt": "type it",
    "width": "set size",
    "height": "set size",
    **{name: f"type {option_of(name)}" for name in _OF_ONE_RUN},
}


@dataclass(frozen=True)
class Default:
    """A value of the file.

    Attributes:
        name: Name of the option, such as ``sample_steps``; ``model`` for the models.
        attribute: Name of the attribute of the arguments.
        value: Its value there; for ``model`` a list of references.
    """

    name: str
    attribute: str
    value: Any


def defaults_of(path: str, command: str, parsers: Parsers) -> dict[str, Default]:
    """Read the defaults of a command; those of its section replace others.

    Args:
        path: The configuration file.
        command: The command.
        parsers: How the parser of each command is made.

    Returns:
        The defaults by the names of their options.

    Raises:
        UsageError: The file cannot be read, or any of its keys or values is wrong.
    """
    content = read_config(path)
    tables = {key: value for key, value in content.items() if isinstance(value, dict)}
    for section in tables:
        if section not in _SECTIONS:
            raise _unknown_section(section, path)
    others = {key: value for key, value in content.items() if key not in tables}
    defaults = _Table(path, "draw", parsers).read(others)
    if command != "draw":
        known = parsers[command]().spellings()
        defaults = {
            name: default
            for name, default in defaults.items()
            if name in _SHARED and option_of(name) in known
        }
    own = {
        section: _Table(f"{path}, [{section}]", section, parsers).read(table)
        for section, table in tables.items()
    }
    return defaults | own.get(command, {})


class _Table:
    """A table of the file, whose keys are options of a command."""

    def __init__(self, place: str, command: str, parsers: Parsers) -> None:
        self._place = place
        self._command = command
        self._parsers = parsers
        self._parser = parsers[command]()
        self._known = self._parser.spellings()

    def read(self, table: Mapping[str, object]) -> dict[str, Default]:
        """Return the defaults by the names of their options.

        Raises:
            UsageError: A key is no such option, or its value has another type.
        """
        found: dict[str, Default] = {}
        for key, value in table.items():
            default = self._read(key, value)
            if default.name in found:
                raise UsageError(f"{self._place}: {default.name} is set twice", hint="set it once")
            found[default.name] = default
        return found

    def _read(self, key: str, value: object) -> Default:
        name = key.replace("-", "_")
        if name in _REFUSED:
            message = f"{self._place}: {name} cannot be set in a configuration file"
            raise UsageError(message, hint=_REFUSED[name])
        option = self._known.get(option_of(key), "")
        if option == "MODEL":
            return self._read_models(value)
        if not option or option.startswith("--no-"):
            raise self._unknown(key)
        name = name_of(option)
        values = value if isinstance(value, list) else [value]
        words = [word for each in values for word in self._words(option, name, each)]
        attribute, read = self._parser.parse_option(option, words)
        if isinstance(value, list) and not isinstance(read, list):
            raise UsageError(f"{self._place}: {name} is a list", hint="set it to one value")
        return Default(name, attribute, read)

    def _read_models(self, value: object) -> Default:
        is_repeated = self._parser.arguments() == ["MODEL"] and self._parser.repeats_last_argument
        values = value if is_repeated and isinstance(value, list) else [value]
        return Default("model", "model", [self._text("model", each) for each in values])

    def _words(self, option: str, name: str, value: object) -> Iterator[str]:
        """Yield the words of a command line that set an option to a value."""
        if isinstance(value, bool) and not self._parser.takes_value(option):
            yield from [option] if value else []
        elif self._parser.is_switch(option):
            raise UsageError(
                f"{self._place}: {name} = {quoted(value)} is neither true nor false",
                hint=f"for example: {name} = true",
            )
        else:
            yield f"{option}={self._text(name, value)}"

    def _text(self, name: str, value: object) -> str:
        """Return a value as it is typed; a shell replaces the ``~`` of a home folder."""
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise UsageError(
                f"{self._place}: {name} is neither text nor a number",
                hint=f'for example: {name} = "..."',
            )
        head, tilde, tail = str(value).partition("~")
        is_home = tilde and tail[:1] in ("/", os.sep) and (not head or head.endswith("="))
        return head + os.path.expanduser(tilde + tail) if is_home else str(value)  # noqa: PTH111

    def _unknown(self, key: str) -> UsageError:
        option = option_of(key)
        switch = option.replace("--no-", "--", 1)
        owners = [
            name
            for name in _SECTIONS
            if name != self._command and option in self._parsers[name]().spellings()
        ]
        similar = [name for name in similar_options(option, self._known) if " " not in name]
        hint = f"keys are names of options: see {self._parser.prog} --help"
        if switch != option and switch in self._known:
            hint = f"set {name_of(switch)} = false"
        elif owners:
            hint = f"it is an option of {' and '.join(owners)}: set it in [{owners[0]}]"
        elif similar:
            hint = f"did you mean {' or '.join(map(name_of, similar))}?"
        return UsageError(f"{self._place}: {quoted(key)} is not an option", hint=hint)


def name_of(option: str) -> str:
    """Return the key of an option, such as ``clip_l`` of ``--clip-l``."""
    return option.removeprefix("--").replace("-", "_")


def _unknown_section(section: str, path: str) -> UsageError:
    similar = get_close_matches(section, _SECTIONS, n=1)
    listed = ", ".join(f"[{name}]" for name in _SECTIONS)
    return UsageError(
        f"{path}: {quoted(section)} is not a section",
        hint=f"did you mean [{similar[0]}]?" if similar else f"sections are {listed}",
    )
