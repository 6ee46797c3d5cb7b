"""Generate the pages of docs/reference for the command, the library and the families.

    python tools/write_reference.py

`tests/test_docs.py` compares them with the files.
"""

import argparse
import ast
import inspect
import json
import os
import re
import textwrap
from pathlib import Path
from unittest.mock import patch

import gpustack_draw
from gpustack_draw.cli.arguments import PARSERS
from gpustack_draw.cli.command_line import ALIASES, PROGRAM
from gpustack_draw.cli.option_names import option_of
from gpustack_draw.resolver.families import FAMILIES, Family

HELP_COLUMNS = 100
FOLDER = Path(__file__).resolve().parent.parent / "docs" / "reference"
SECTION = re.compile(r"^(Args|Attributes|Raises|Returns|Yields|Example):$", re.MULTILINE)
ITEM = re.compile(r"(?:^|\n)(\w+): ")
ROLE = re.compile(r":\w+:`~?([^`]+)`")


def main() -> None:
    """Write every file."""
    for name, text in references().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


def references() -> dict[str, str]:
    """Return the text of each file by its name."""
    return {
        "command.md": command_reference(),
        "families.md": families_reference(),
        "library.md": library_reference(),
        "../zh/command.md": chinese_command_reference(Translations()),
    }


def command_reference() -> str:
    """Return the page of the command: the help texts, whose layout it records, and spellings."""
    lines = [
        "# The command",
        "",
        f"The output of `--help` in a terminal of {HELP_COLUMNS} columns, written by",
        "`tools/write_reference.py`. See also [output, exit status and environment](output.md) and",
        "[models](models.md).",
    ]
    with patch.dict(os.environ, COLUMNS=str(HELP_COLUMNS)):
        for name, make_parser in PARSERS.items():
            help_text = make_parser().format_help().rstrip()
            lines += ["", f"## {PROGRAM} {name}", "", "```text", *help_text.splitlines(), "```"]
    lines += [
        *("", "## Other spellings", ""),
        "Spellings of other programs are accepted. `-n` is the number of pictures; sd-cli uses it",
        "for `--negative-prompt`. Width and height must be set together.",
        *("", "| | |", "|---|---|"),
    ]
    targets = {"WIDTH": "the width in `--size`", "HEIGHT": "the height in `--size`"}
    for target in dict.fromkeys(ALIASES.values()):
        names = ", ".join(f"`{alias}`" for alias in ALIASES if ALIASES[alias] == target)
        lines.append(f"| {names} | {targets.get(target, f'`{target}`')} |")
    return "\n".join(lines) + "\n"


def chinese_command_reference(chinese: "Translations") -> str:
    """Return the page of the command in Chinese; texts without a translation stay English."""
    lines = [
        *("# 命令", ""),
        "本页由 `tools/write_reference.py` 根据 `--help` 生成，英文原文见",
        "[The command](../reference/command.md)。",
    ]
    for name, make_parser in PARSERS.items():
        parser = make_parser()
        lines += ["", f"## {PROGRAM} {name}", "", chinese.text(parser.description or "")]
        for group in parser._action_groups:  # noqa: SLF001 - argparse has no public list
            lines += _chinese_group(parser, group, chinese)
    return "\n".join(lines) + "\n"


def _chinese_group(
    parser: argparse.ArgumentParser, group: argparse._ArgumentGroup, chinese: "Translations"
) -> list[str]:
    """Return the table of a group of options; empty if all are hidden."""
    formatter = parser._get_formatter()  # noqa: SLF001 - writes names and values as --help does
    rows = []
    for action in group._group_actions:  # noqa: SLF001
        if action.help not in (None, argparse.SUPPRESS):
            spelled = formatter._format_action_invocation(action)  # noqa: SLF001
            cells = f"`{spelled}`", chinese.text(action.help)
            rows.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    if not rows:
        return []
    about = [chinese.text(group.description), ""] if group.description else []
    title = f"### {chinese.text(group.title or '')}"
    return ["", title, "", *about, "| 名称 | 说明 |", "|---|---|", *rows]


class Translations:
    """The Chinese help texts of ``help_zh.json``, by their English originals.

    Attributes:
        unused: Originals that were not asked for yet.
    """

    def __init__(self) -> None:
        """Read the file."""
        file = Path(__file__).resolve().parent / "help_zh.json"
        self._texts: dict[str, str] = json.loads(file.read_text(encoding="utf-8"))
        self.unused = set(self._texts)

    def text(self, english: str) -> str:
        """Return the Chinese text, or the English one if there is none."""
        self.unused.discard(english)
        return self._texts.get(english, english)


def families_reference() -> str:
    """Return the page of the families of models."""
    lines = [
        "# Families of models",
        "",
        "Generated from `resolver/families/` by `tools/write_reference.py`. Components come from",
        "the model's file or from [other files](../how-to/components.md). Steps, cfg and scheduler",
        "are defaults; variants (`turbo`, `schnell`, `lightning`, ...) have others.",
        "",
        "The next columns are about pictures. *Image-to-image* starts from a picture. *Inpaint*",
        "redraws a masked part of one; a network is `trained` for it if it takes masks as input.",
        "*Edit* looks at reference pictures: `yes` for models that were trained to, or the name of",
        "these models; `untrained` if the network was not trained with references, which can spoil",
        "the drawing; `no` if the engine cannot pass them. *Control* follows a control picture:",
        "`ControlNet` with the file of `--control-net`, `yes` by itself. *Tiny decoder* is the",
        "repository of `--taesd auto`.",
        "",
    ]
    columns = ("family", "name", "needs", "size a multiple of", "trained for", "steps", "cfg")
    columns += ("scheduler", "image-to-image", "inpaint", "edit", "control", "tiny decoder")
    lines += [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    refused = []
    for family in FAMILIES.values():
        if family.why_not:
            refused.append(f"- {family.title}: {family.why_not}.")
            continue
        defaults = family.defaults
        parts = [option_of(part) for part in family.requires]
        parts += [f"optionally {option_of(part)}" for part in family.optional]
        to_edit = {part: None for model in family.edit_models for part in model.requires}
        parts += [f"to edit {option_of(part)}" for part in to_edit]
        width, height = defaults.native_size
        cells = [
            *(family.title, f"`{family.name}`", ", ".join(parts), str(family.size_multiple)),
            *(f"{width}x{height}", str(defaults.sample_steps), f"{defaults.cfg_scale:g}"),
            *(defaults.scheduler, *_picture_cells(family), _tiny_decoder(family)),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "Recognized, but refused:", "", *refused]
    return "\n".join(lines) + "\n"


def _picture_cells(family: Family) -> tuple[str, ...]:
    """Return how a family uses pictures: to start, to redraw a part, to look at, to follow."""
    pictures = family.pictures
    starts = "yes" if pictures.start and "mask" not in pictures.required else "no"
    inpaints = "trained" if "mask" in pictures.concatenated else starts
    edits = {"trained": "yes", "untrained": "untrained", "none": "no"}[pictures.references]
    names = [model.title for model in family.edit_models]
    controls = "yes" if pictures.control else "ControlNet" if family.takes_control_net else "no"
    return starts, inpaints, min(names, key=len, default=edits), controls


def _tiny_decoder(family: Family) -> str:
    """Return the repository of the known tiny decoder of a family."""
    if family.vae_is_taesd:
        return "its own"
    sources = family.sources_of("taesd")
    return f"`{sources[0].repository}`" if sources else "no"


def library_reference() -> str:
    """Return the page of the public names of `gpustack_draw`."""
    lines = [
        "# The library",
        "",
        "Generated from the docstrings by `tools/write_reference.py`. The names are those of the",
        "module `gpustack_draw`. In the signatures, `Reference` is text or a path,",
        "`ProgressFunction` takes a `Progress`, `LogFunction` a level and a line, and `**options`",
        "are the fields of records, which the arguments name. The sampling options of",
        "[the command](command.md) are fields, too: `--sample-steps` is `sample_steps`.",
    ]
    functions, classes, failures, constants = _public_objects()
    for title, objects in (
        ("Functions", functions),
        ("Classes", classes),
        ("Errors", failures),
        ("Names", constants),
    ):
        lines += ["", f"## {title}"]
        for name, value in objects.items():
            lines += ["", f"### {name}", "", *_object_lines(name, value)]
    return "\n".join(lines) + "\n"


def _public_objects() -> tuple[dict[str, object], ...]:
    groups: tuple[dict[str, object], ...] = ({}, {}, {}, {})
    for name in gpustack_draw.__all__:
        value = getattr(gpustack_draw, name)
        if inspect.isfunction(value):
            kind = 0
        elif not inspect.isclass(value):
            kind = 3
        else:
            kind = 2 if issubclass(value, Exception) else 1
        groups[kind][name] = value
    return groups


def _object_lines(name: str, value: object) -> list[str]:
    if inspect.isfunction(value):
        return _function_lines(name, _definition(value))
    if isinstance(value, dict):
        named = ", ".join(f"`{word}`: {title}" for word, title in value.items())
        return _wrapped(f"Names in Stable Diffusion web UIs. {named}")
    if not inspect.isclass(value):
        assert isinstance(value, tuple)
        return _wrapped(", ".join(f"`{word}`" for word in value))
    definition = _definition(value)
    assert isinstance(definition, ast.ClassDef)
    lines = _docstring_lines(ast.get_docstring(definition) or "")
    if issubclass(value, Exception):
        bases = ", ".join(f"`{base.__name__}`" for base in value.__bases__)
        lines += ["", f"Subclass of {bases}."]
    for member in definition.body:
        if isinstance(member, ast.FunctionDef) and not member.name.startswith("_"):
            is_property = any(ast.unparse(mark) == "property" for mark in member.decorator_list)
            called = f"{name}.{member.name}"
            lines += ["", f"#### {called}", "", *_function_lines(called, member, is_property)]
    return lines


def _definition(value: object) -> ast.stmt:
    return ast.parse(textwrap.dedent(inspect.getsource(value))).body[0]  # type: ignore[arg-type]


def _function_lines(name: str, definition: ast.stmt, is_property: bool = False) -> list[str]:
    assert isinstance(definition, ast.FunctionDef)
    returns = _annotation(definition.returns)
    signature = f"{name}: {returns}" if is_property else _signature(name, definition.args, returns)
    documentation = _docstring_lines(ast.get_docstring(definition) or "")
    return ["```python", *signature.splitlines(), "```", "", *documentation]


def _signature(name: str, arguments: ast.arguments, returns: str) -> str:
    positional = arguments.posonlyargs + arguments.args
    missing: list[ast.expr | None] = [None] * (len(positional) - len(arguments.defaults))
    defaults = [*missing, *arguments.defaults, *arguments.kw_defaults]
    words = [
        f"{argument.arg}: {_annotation(argument.annotation)}"
        + (f" = {_quoted(default)}" if default is not None else "")
        for argument, default in zip(positional + arguments.kwonlyargs, defaults, strict=True)
        if argument.arg not in {"self", "cls"}
    ]
    if arguments.kwonlyargs:
        words.insert(len(words) - len(arguments.kwonlyargs), "*")
    if arguments.kwarg:
        words.append(f"**{arguments.kwarg.arg}")
    one_line = f"{name}({', '.join(words)}) -> {returns}"
    if len(one_line) <= 88:
        return one_line
    return "\n".join([f"{name}(", *(f"    {word}," for word in words), f") -> {returns}"])


def _quoted(default: ast.expr) -> str:
    return ast.unparse(default).replace("'", '"')


def _annotation(annotation: ast.expr | None) -> str:
    return "" if annotation is None else ast.unparse(annotation).replace("'", "")


def _docstring_lines(docstring: str) -> list[str]:
    text = ROLE.sub(r"`\1`", docstring).replace("``", "`")
    summary, *sections = SECTION.split(text)
    lines = summary.strip().splitlines()
    for title, body in zip(sections[::2], sections[1::2], strict=True):
        content = textwrap.dedent(body.strip("\n")).strip()
        lines += ["", *_section_lines(title, content)]
    return lines


def _section_lines(title: str, content: str) -> list[str]:
    if title == "Example":
        return ["```python", *content.splitlines(), "```"]
    if title in {"Returns", "Yields"}:
        return [f"**{title}:** {content}"]
    _, *parts = ITEM.split("\n" + content)
    items = [
        f"- `{name}`: {' '.join(text.split())}"
        for name, text in zip(parts[::2], parts[1::2], strict=True)
    ]
    return [f"**{'Arguments' if title == 'Args' else title}:**", "", *items]


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, 99, break_long_words=False, break_on_hyphens=False)


if __name__ == "__main__":
    main()
