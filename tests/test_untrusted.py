"""Tests that text and JSON from other machines cannot harm the terminal, stack or memory."""

import json
import sys
import time
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpustack_draw.untrusted import (
    MAX_JSON_DEPTH,
    MAX_JSON_VALUES,
    MAX_RETRY_AFTER,
    clean,
    parse_json,
    parse_retry_after,
    printable,
)


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("a\x1b[2Jb\r\n\tc\u202e", "a [2Jb c"),
        ("\x9b31mred\x07", "31mred"),
        ("lone \ud800 surrogate", "lone surrogate"),
        ("x" * 301, "x" * 297 + "..."),
        ("", ""),
    ],
)
def test_cleaned_text_is_one_printable_line(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


@given(st.text())
def test_no_text_keeps_a_control_character(text: str) -> None:
    assert printable(text).isprintable()
    assert clean(text, 20).isprintable()
    assert len(clean(text, 20)) <= 20


def test_only_the_beginning_of_a_long_text_is_read() -> None:
    class Text(str):
        def __getitem__(self, key: object) -> str:
            assert key == slice(None, 100, None)
            return "x" * 100

    assert clean(Text(), 10) == "xxxxxxx..."


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.text() | st.floats(-1e9, 1e9),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON)
def test_json_is_parsed_as_the_standard_library_does(value: object) -> None:
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False)):
        try:
            data = text.encode()
        except UnicodeEncodeError:
            continue
        assert parse_json(data) == value


def nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


def test_brackets_in_strings_do_not_count() -> None:
    assert parse_json(rb'["[[\"[[", "\\", {"]": "[\\\""}]') == ['[["[[', "\\", {"]": '[\\"'}]
    brackets = json.dumps(["[" * 1000, "]" * 1000]).encode()
    assert parse_json(brackets) == ["[" * 1000, "]" * 1000]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (nested(MAX_JSON_DEPTH + 1), "nested too deeply"),
        (b"[" * 200_000, "nested too deeply"),
        (b'{"]]]]": ' * 200_000, "nested too deeply"),
        (b"[" + b"0," * MAX_JSON_VALUES + b"0]", "too many values"),
        (b"[" + b"[]," * 400_000 + b"[]]", None),
        (b"[" * (MAX_JSON_VALUES + 1), "too many values"),
        (b"[" + b'""' * (2 * MAX_JSON_VALUES + 3) + b"]", "too many values"),
        (b"NaN", "NaN is not JSON"),
        (b"[-Infinity]", "-Infinity is not JSON"),
        (b'{"size": 1e999}', "not a finite number"),
        (b"1" * 41, "too many digits"),
        (b"-1" + b"0" * 1_000_000, "too many digits"),
        (b"\xff{}", "codec can't decode"),
        (b'{"a": "', "Unterminated string"),
        (b'"' * 1_000_001, "Extra data"),
        (b"", "Expecting value"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_hostile_json(data: bytes, why: str | None) -> None:
    if why is None:
        assert len(parse_json(data)) == 400_001
        return
    with pytest.raises(ValueError, match=why):
        parse_json(data)


def test_the_recursion_limit_of_the_caller_does_not_matter() -> None:
    """With a limit raised by a notebook, the parser would overflow the C stack."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(10_000_000)
    try:
        assert parse_json(nested(MAX_JSON_DEPTH)) is not None
        with pytest.raises(ValueError, match="nested too deeply"):
            parse_json(nested(100_000))
    finally:
        sys.setrecursionlimit(limit)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        (" 90 ", 90),
        ("9" * 4000, MAX_RETRY_AFTER),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", MAX_RETRY_AFTER),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("nan", None),
        ("\u0663", None),
        (", , ,", None),
    ],
)
def test_retry_after(text: str, seconds: float | None) -> None:
    assert parse_retry_after(text) == seconds


def test_retry_after_a_date() -> None:
    seconds = parse_retry_after(formatdate(time.time() + 60, usegmt=True))
    assert seconds is not None
    assert 55 <= seconds <= 60


@given(st.text())
def test_any_retry_after_is_parsed_or_refused(text: str) -> None:
    seconds = parse_retry_after(text)
    assert seconds is None or 0 <= seconds <= MAX_RETRY_AFTER
