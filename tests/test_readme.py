"""The README says what is there."""

import re
from pathlib import Path

import pytest

from gpustack_draw.cli.arguments import draw_parser

README = (Path(__file__).resolve().parent.parent / "README.md").read_text(encoding="utf-8")


def test_every_option_is_in_the_readme() -> None:
    options = {
        option
        for action in draw_parser()._actions
        for option in action.option_strings
        if option.startswith("--")
    }
    in_words = {"--help", "--version", "--quiet", "--debug"}  # in the table by their short names
    assert sorted(options - in_words - set(re.findall(r"--[a-z][a-z0-9-]+", README))) == []


def test_every_option_in_the_readme_is_there() -> None:
    table = README[README.index("| option |") : README.index("Standard output holds")]
    mentioned = set(re.findall(r"--[a-z][a-z0-9-]+", table))
    known = {option for action in draw_parser()._actions for option in action.option_strings}
    assert sorted(mentioned - known) == []


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\(([^)#:]+)\)", README))))
def test_links_lead_somewhere(target: str) -> None:
    assert (Path(__file__).resolve().parent.parent / target).exists()
