"""Prompts are parsed into weighted pieces, and wrong weights are refused with their place."""

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpustack_draw.errors import UsageError
from gpustack_draw.request.prompt_syntax import (
    MAX_WEIGHT,
    PromptPiece,
    find_weight,
    has_break,
    parse_prompt,
)

HINT = r"a weight is a number from -10 to 10, as in (red:1.3); type \( and \) for brackets as text"
NOT_ALLOWED = "which is not from -10 to 10"


def pieces(text: str, syntax: Any = "chunks") -> list[Any]:
    """Return the pieces with rounded weights; words of weight 1 as text."""
    parsed = [(piece.text, round(piece.weight, 4)) for piece in parse_prompt(text, syntax)]
    return [text if weight == 1 else (text, weight) for text, weight in parsed]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", [""]),
        ("a red circle", ["a red circle"]),
        ("a (red) circle", ["a ", ("red", 1.1), " circle"]),
        ("a (red:1.4) circle", ["a ", ("red", 1.4), " circle"]),
        ("a (red : 1.4 ) circle", ["a ", ("red ", 1.4), " circle"]),
        ("a [red] circle", ["a ", ("red", 0.9091), " circle"]),
        ("a [red:0.5] circle", ["a ", ("red:0.5", 0.9091), " circle"]),  # no scheduling
        ("((red))", [("red", 1.21)]),
        ("[[red]]", [("red", 0.8264)]),
        ("((a:2) b:1.5)", [("a", 3.0), (" b", 1.5)]),
        ("(a [b) c]", [("a ", 1.1), "b", (" c", 0.9091)]),  # crossing brackets
        ("(red:-1)", [("red", -1.0)]),
        ("(red:+.5)", [("red", 0.5)]),
        ("(red:1.)", ["red"]),
        ("(red:0)", [("red", 0.0)]),
        ("(unbalanced", [("unbalanced", 1.1)]),
        ("[unbalanced", [("unbalanced", 0.9091)]),
        ("(a (b", [("a ", 1.1), ("b", 1.21)]),
        ("unbalanced) ]:)", ["unbalanced) ]:)"]),
        ("at 5:30)", ["at 5:30)"]),  # the library's own parser drops ":30)"
        ("(a:1e5)", [("a:1e5", 1.1)]),
        ("(a: b)", [("a: b", 1.1)]),
        (r"\(red\) \[blue\]", ["(red) [blue]"]),
        (r"(\(red\):1.4)", [("(red)", 1.4)]),
        (r"a\\b \n \\(c)", [r"a\b \n " + "\\", ("c", 1.1)]),
        ("(a)(b)", [("ab", 1.1)]),
        ("()[]", [""]),
        ("été (愛:1.5)", ["été ", ("愛", 1.5)]),
    ],
)
def test_weights(text: str, expected: list[Any]) -> None:
    assert pieces(text) == expected
    assert pieces(text, "weights") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a BREAK b", [("a", 1.0, False), ("b", 1.0, True)]),
        ("aBREAK", [("aBREAK", 1.0, False)]),
        ("OUTBREAK of BREAKS", [("OUTBREAK of BREAKS", 1.0, False)]),
        ("a break b", [("a break b", 1.0, False)]),
        ("BREAK", [("", 1.0, True)]),
        ("a BREAK BREAK b", [("a", 1.0, False), ("", 1.0, True), ("b", 1.0, True)]),
        ("(a BREAK b:1.5) c", [("a", 1.5, False), ("b", 1.5, True), (" c", 1.0, False)]),
        ("a BREAK (b:1.5)", [("a", 1.0, False), ("b", 1.5, True)]),
        ("a, BREAK\nb", [("a,", 1.0, False), ("b", 1.0, True)]),
    ],
)
def test_chunks(text: str, expected: list[tuple[str, float, bool]]) -> None:
    assert [tuple(piece) for piece in parse_prompt(text, "chunks")] == expected


@pytest.mark.parametrize("syntax", ["weights", "plain"])
def test_break_is_a_word_elsewhere(syntax: Any) -> None:
    assert parse_prompt("a BREAK b", syntax) == (PromptPiece("a BREAK b"),)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("f(x) [y:0.5] (a:.) {b|c} BREAK", "f(x) [y:0.5] (a:.) {b|c} BREAK"),
        (r"a \(red\) \[circle\]", "a (red) [circle]"),
        (r'{"text": "a\\b\n \"c\""}', r'{"text": "a\\b\n \"c\""}'),
    ],
)
def test_plain_text(text: str, plain: str) -> None:
    assert parse_prompt(text, "plain") == (PromptPiece(plain),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("(a:.)", "the weight '.' at character 4 of the prompt is not a number"),
        ("a (b:1.2.3)", "the weight '1.2.3' at character 6 of the prompt is not a number"),
        ("(a:-.)", "the weight '-.' at character 4 of the prompt is not a number"),
        ("(a: +..5)", "the weight '+..5' at character 5 of the prompt is not a number"),
        ("(a:30)", "the weight '30' at character 4 of the prompt is not from -10 to 10"),
        ("(a:-10.5)", "the weight '-10.5' at character 4 of the prompt is not from -10 to 10"),
        (
            f"(a:{'9' * 50})",
            f"the weight '{'9' * 37}...' at character 4 of the prompt is not from -10 to 10",
        ),
        (
            "x ((a:5) b:3)",
            f"brackets multiply to the weight 15 at character 3 of the prompt, {NOT_ALLOWED}",
        ),
        (
            "(" * 25 + "a" + ")" * 25,
            f"brackets multiply to the weight 10.83 at character 1 of the prompt, {NOT_ALLOWED}",
        ),
        ("([" * 30, "more than 50 brackets are open at character 51 of the prompt"),
    ],
)
def test_wrong_weights(text: str, message: str) -> None:
    for argument, title in {"prompt": "prompt", "negative_prompt": "negative prompt"}.items():
        with pytest.raises(UsageError) as caught:
            parse_prompt(text, "weights", argument)
        assert caught.value.message == message.replace("the prompt", f"the {title}")
        assert (caught.value.hint, caught.value.argument) == (HINT, argument)


@given(st.text(st.sampled_from("()[]\\: ab0.9-+BREAK\n"), max_size=60))
def test_every_prompt_is_parsed_or_refused(text: str) -> None:
    try:
        parsed = parse_prompt(text, "chunks")
    except UsageError:
        return
    assert parsed
    assert all(abs(piece.weight) <= MAX_WEIGHT for piece in parsed)
    neighbors = itertools.pairwise(parsed)
    assert all(one.weight != two.weight or two.starts_chunk for one, two in neighbors)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a (red:1.3) b (c:2)", "(red:1.3)"),
        ("a (red: 1.3 )", "(red: 1.3 )"),
        ("a (red) [b:0.5] 16:9", ""),
        (r"\(red:1.3\) \(red:1.3)", ""),
    ],
)
def test_the_first_weight_is_found(text: str, found: str) -> None:
    assert find_weight(text) == found


def test_the_word_break_is_found() -> None:
    assert has_break("a BREAK b")
    assert not has_break("OUTBREAK break")
