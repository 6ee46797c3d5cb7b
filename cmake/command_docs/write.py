"""Write the man page and the shells' completions of the command, from its parser.

    python write.py FOLDER VERSION

Writes what belongs into a ``share`` folder. Needs argparse-manpage and shtab, not the extension.
"""

import argparse
import re
import sys
import textwrap
from pathlib import Path

import shtab
from argparse_manpage.manpage import Manpage

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "python"))

from gpustack_draw.cli.arguments import PARSERS, draw_parser  # noqa: E402
from gpustack_draw.cli.parser import PROGRAM  # noqa: E402
from gpustack_draw.draw_place import PLACES  # noqa: E402
from gpustack_draw.names import COMPONENTS, SAMPLERS, SCHEDULERS  # noqa: E402

SUMMARY = "draw a picture with a text-to-image model"
PICTURES = shtab.glob("*.png", "*.jpg", "*.jpeg", "*.webp")
FUNCTION = "_gpustack_draw_model"  # of the snippets
MODEL = {"bash": FUNCTION, "zsh": FUNCTION, "fish": f"({FUNCTION})"}
MACRO = re.compile(r"\.([A-Z][A-Za-z]*|br|nf|fi)( |$)")


def main(folder: Path, version: str) -> None:
    """Write every file."""
    files = {
        f"man/man1/{PROGRAM}.1": man_page(version),
        f"bash-completion/completions/{PROGRAM}": bash_completion(),
        f"zsh/site-functions/_{PROGRAM}": zsh_completion(),
        f"fish/vendor_completions.d/{PROGRAM}.fish": fish_completion(),
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def man_page(version: str) -> str:
    """Make gpustack-draw(1): options from the parsers, the rest from the file beside this one."""
    root = draw_parser()
    usage = str(root.usage).replace("-", r"\-").splitlines()
    root.epilog = None  # it would be a section COMMENTS
    add_commands(root, [name for name in PARSERS if name != "draw"])
    page = Manpage(
        root,
        _data={
            "project_name": PROGRAM,
            "version": version,
            "description": SUMMARY,
            "manual_title": "User Commands",
            "include": str(HERE / "sections.txt"),
        },
        format="single-commands-section",
    )
    page.add_section("synopsis", "=", "\n.br\n".join(line.strip() for line in usage))
    title, *lines = str(page).splitlines()
    # argparse-manpage escapes the date's dashes, which mandoc then cannot read.
    return "\n".join([title.replace("\\-", "-"), *map(text_line, lines)]) + "\n"


def text_line(line: str) -> str:
    """Keep roff from taking text for a macro, as .ckpt is; argparse-manpage does not."""
    if MACRO.match(line):
        return line
    wrapped = textwrap.wrap(line, 80, break_long_words=False, break_on_hyphens=False) or [""]
    return "\n".join(rf"\&{part}" if part[:1] in (".", "'") else part for part in wrapped)


def bash_completion() -> str:
    """Make the completion for bash."""
    return shtab.complete(all_commands(), "bash") + "\n" + snippet("bash")


def zsh_completion() -> str:
    """Make the completion for zsh: what comes first reads the words, before shtab's part does."""
    return shtab.complete(all_commands(), "zsh", preamble=snippet("zsh"))


def fish_completion() -> str:
    """Make the completion for fish, where conditions say which command is meant."""
    root = with_values(draw_parser())
    add_commands(root, list(PARSERS))
    text = shtab.complete(root, "fish", preamble=snippet("fish"))
    # It would offer the commands after MODEL and PROMPT; the snippet does so before them.
    return "".join(line for line in text.splitlines(keepends=True) if "npos -eq 2" not in line)


def snippet(shell: str) -> str:
    """Read what shtab cannot know: that a command may be left out, and which models there are."""
    text = (HERE / f"completion.{shell}").read_text(encoding="utf-8")
    return text.replace("@COMMANDS@", " ".join(PARSERS))


def all_commands() -> argparse.ArgumentParser:
    """Make a parser in which the first word is always a command."""
    root = argparse.ArgumentParser(PROGRAM, add_help=False)
    add_commands(root, list(PARSERS))
    return root


def add_commands(root: argparse.ArgumentParser, names: list[str]) -> None:
    """Give a parser the other commands as sub-parsers, which is how the generators know them."""
    commands = root.add_subparsers(title="commands", parser_class=command_parser, prog=PROGRAM)
    for name in names:
        commands.add_parser(name, help="")


def command_parser(prog: str, **_: object) -> argparse.ArgumentParser:
    """Make the parser of ``gpustack-draw NAME``."""
    return with_values(PARSERS[prog.rpartition(" ")[2]]())


def with_values(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Tell shtab which values an argument takes."""
    choices = {"sampler": SAMPLERS, "scheduler": SCHEDULERS, "on": PLACES}
    completions = {
        "model": MODEL,
        "from_picture": PICTURES,
        "picture": PICTURES,
        **dict.fromkeys(("output", *COMPONENTS), shtab.FILE),
    }
    for action in parser._actions:  # noqa: SLF001
        action.choices = choices.get(action.dest)
        if action.dest in completions:
            action.complete = completions[action.dest]  # type: ignore[attr-defined]
    return parser


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
