"""Tests of the syntaxes of prompts: weights and chunks, weights, or plain text."""

import pytest
from resolved_models import model

from gpustack_draw.errors import UsageError
from gpustack_draw.request.draw_request import DrawRequest
from gpustack_draw.request.prompt_syntax import PromptPiece
from gpustack_draw.resolver.choose_prompts import notes_on_prompts, parsed_prompts
from gpustack_draw.resolver.choose_settings import choose_settings
from gpustack_draw.resolver.families import FAMILIES

PROMPT = r"a \(red\) (circle:1.3) BREAK star"


def test_the_syntax_of_each_family() -> None:
    by_syntax: dict[str, set[str]] = {}
    for family in FAMILIES.values():
        if not family.why_not:
            by_syntax.setdefault(family.prompt_syntax, set()).add(family.name)
    assert by_syntax["weights"] == {"sd3", "flux1", "flux1-fill", "flux1-controls"}
    assert by_syntax["plain"] == {
        *("chroma", "chroma-radiance", "flux2", "flux2-klein", "qwen-image", "z-image"),
        *("ovis-image", "anima", "ernie-image", "wan", "wan-ti2v"),
    }
    unets = {family.name for family in FAMILIES.values() if family.unet and not family.why_not}
    assert by_syntax["chunks"] == unets


@pytest.mark.parametrize(
    ("family", "pieces", "notes"),
    [
        (
            "sd1",
            [("a (red) ", 1.0, False), ("circle", 1.3, False), ("star", 1.0, True)],
            [],
        ),
        (
            "sd3",
            [("a (red) ", 1.0, False), ("circle", 1.3, False), (" BREAK star", 1.0, False)],
            ["BREAK is read as a word: prompts of Stable Diffusion 3 have no chunks"],
        ),
        (
            "flux2-klein",
            [("a (red) (circle:1.3) BREAK star", 1.0, False)],
            [
                "'(circle:1.3)' is read as plain text: prompts of FLUX.2 klein have no weights",
                "BREAK is read as a word: prompts of FLUX.2 klein have no chunks",
            ],
        ),
    ],
)
def test_prompts_of_a_family(
    family: str, pieces: list[tuple[str, float, bool]], notes: list[str]
) -> None:
    request = DrawRequest(prompt=PROMPT, negative_prompt=PROMPT)
    parsed = parsed_prompts(request, FAMILIES[family])
    expected = tuple(PromptPiece(*piece) for piece in pieces)
    assert parsed == {"prompt": expected, "negative_prompt": expected}
    assert list(notes_on_prompts(request, FAMILIES[family], is_guided=True)) == notes


def test_an_unused_negative_prompt_has_no_further_note() -> None:
    request = DrawRequest(prompt="a cat", negative_prompt="(dog:1.3) BREAK")
    notes = list(notes_on_prompts(request, FAMILIES["flux2-klein"], is_guided=False))
    assert notes == ["negative_prompt has no effect with cfg_scale=1"]


@pytest.mark.parametrize("argument", ["prompt", "negative_prompt"])
def test_a_wrong_weight_is_refused_before_drawing(argument: str) -> None:
    request = DrawRequest(**{"prompt": "a cat", argument: "(a:1.2.3)"})
    with pytest.raises(UsageError) as caught:
        choose_settings(request, model("sd1"))
    assert caught.value.argument == argument
    settings, _notes = choose_settings(request, model("flux2-klein"))  # plain text there
    assert getattr(settings[0], argument) == "(a:1.2.3)"


def test_settings_have_the_prompt_as_typed() -> None:
    settings, _notes = choose_settings(DrawRequest(prompt=PROMPT), model("sd1"))
    assert settings[0].prompt == PROMPT
