"""Write the man page of the command, and copy its shell completions.

    python write.py FOLDER VERSION

Writes the contents of a ``share`` folder. Needs argparse-manpage, but not the compiled extension.
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

from gpustack_draw.cli.arguments import PARSERS  # noqa: E402
from gpustack_draw.cli.command_line import PROGRAM  # noqa: E402
from gpustack_draw.cli.draw_parser import draw_parser  # noqa: E402

SUMMARY = "draw a picture with a text-to-image model"
COMPLETIONS = {  # the paths that shells search
    "bash": f"bash-completion/completions/{PROGRAM}",
    "zsh": f"zsh/site-functions/_{PROGRAM}",
    "fish": f"fish/vendor_completions.d/{PROGRAM}.fish",
}
MACRO = re.compile(r"\.([A-Z][A-Za-z]*|br|nf|fi)( |$)")


def main(folder: Path, version: str) -> None:
    """Write the man page and the completions.

    Args:
        folder: The ``share`` folder.
        version: Version of the package.
    """
    page = folder / "man" / "man1" / f"{PROGRAM}.1"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(man_page(version), encoding="utf-8")
    scripts = PACKAGES / "gpustack_draw" / "cli" / "completions"
    for shell, name in COMPLETIONS.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(scripts / f"{PROGRAM}.{shell}", path)


def man_page(version: str) -> str:
    """Return gpustack-draw(1): options from the parsers, the rest from ``sections.txt``."""
    root = draw_parser()
    usage = str(root.usage).replace("-", r"\-").splitlines()
    root.epilog = None  # argparse-manpage would add it as a section COMMENTS
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
    # mandoc cannot parse the dashes of the date that argparse-manpage escapes.
    return "\n".join([title.replace("\\-", "-"), *map(text_line, lines)]) + "\n"


def text_line(line: str) -> str:
    """Escape lines of text that start like a macro, such as .ckpt, and wrap them."""
    if MACRO.match(line):
        return line
    wrapped = textwrap.wrap(line, 80, break_long_words=False, break_on_hyphens=False) or [""]
    return "\n".join(rf"\&{part}" if part[:1] in (".", "'") else part for part in wrapped)


def add_commands(root: argparse.ArgumentParser, names: list[str]) -> None:
    """Add the other commands to a parser as subparsers, which argparse-manpage expects."""
    commands = root.add_subparsers(title="commands", parser_class=command_parser, prog=PROGRAM)
    for name in names:
        commands.add_parser(name, help="")


def command_parser(prog: str, **_: object) -> argparse.ArgumentParser:
    """Return the parser of ``gpustack-draw NAME``."""
    return PARSERS[prog.rpartition(" ")[2]]()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
