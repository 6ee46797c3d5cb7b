"""Write the man page of the command, from its parser, and copy its completions for shells.

    python write.py FOLDER VERSION

Writes the contents of a ``share`` folder. Needs argparse-manpage, not the extension.
"""

import argparse
import re
import shutil
import sys
import textwrap
from pathlib import Path

from argparse_manpage.manpage import Manpage

HERE = Path(__file__).resolve().parent
PACKAGES = HERE.parent.parent / "python"
sys.path.insert(0, str(PACKAGES))

from gpustack_draw.cli.arguments import PARSERS, draw_parser  # noqa: E402
from gpustack_draw.cli.command_line import PROGRAM  # noqa: E402

SUMMARY = "draw a picture with a text-to-image model"
COMPLETIONS = {  # where shells look for them
    "bash": f"bash-completion/completions/{PROGRAM}",
    "zsh": f"zsh/site-functions/_{PROGRAM}",
    "fish": f"fish/vendor_completions.d/{PROGRAM}.fish",
}
MACRO = re.compile(r"\.([A-Z][A-Za-z]*|br|nf|fi)( |$)")


def main(folder: Path, version: str) -> None:
    """Write every file."""
    page = folder / "man" / "man1" / f"{PROGRAM}.1"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(man_page(version), encoding="utf-8")
    scripts = PACKAGES / "gpustack_draw" / "cli" / "completions"
    for shell, name in COMPLETIONS.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(scripts / f"{PROGRAM}.{shell}", path)


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


def add_commands(root: argparse.ArgumentParser, names: list[str]) -> None:
    """Give a parser the other commands as sub-parsers, which is how the generators know them."""
    commands = root.add_subparsers(title="commands", parser_class=command_parser, prog=PROGRAM)
    for name in names:
        commands.add_parser(name, help="")


def command_parser(prog: str, **_: object) -> argparse.ArgumentParser:
    """Make the parser of ``gpustack-draw NAME``."""
    return PARSERS[prog.rpartition(" ")[2]]()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
