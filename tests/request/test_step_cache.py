"""The values of --cache: a step cache, and the threshold of some."""

from typing import Any

import pytest

from gpustack_draw.cli.option_names import with_options
from gpustack_draw.errors import UsageError
from gpustack_draw.request.draw_request import DrawRequest
from gpustack_draw.request.options import CACHE
from gpustack_draw.request.step_cache import cache_parts


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("fast", "fast"),
        (" Spectrum ", "spectrum"),
        ("easycache", "easycache"),
        ("ucache", "ucache"),
        ("dbcache", "dbcache"),
        # The engine runs the same code for these.
        ("taylorseer", "dbcache"),
        ("cache-dit", "dbcache"),
        ("off", None),
        ("none", None),
        ("false", None),
        ("easycache:threshold=0.05", "easycache:threshold=0.05"),
        ("UCACHE:THRESHOLD=1.50", "ucache:threshold=1.5"),
        ("cache-dit:threshold=1e-1", "dbcache:threshold=0.1"),
        ("dbcache:threshold=100.0", "dbcache:threshold=100"),
    ],
)
def test_a_value(text: str, value: str | None) -> None:
    assert CACHE.parse(text) == value
    assert DrawRequest(prompt="a cat", cache=text).cache == value
    if value is not None:
        assert CACHE.parse(CACHE.text(value)) == value
        assert CACHE.describe(value) == f"cache {value}"


NO_CACHE = "is not fast, spectrum, easycache, ucache, dbcache or off"
EXAMPLE = "for example --cache easycache:threshold=0.1"


@pytest.mark.parametrize(
    ("value", "message", "hint"),
    [
        ("teacache", f"'teacache' {NO_CACHE}", "for example --cache fast"),
        ("", f"'' {NO_CACHE}", "for example --cache fast"),
        (":threshold=1", f"':threshold=1' {NO_CACHE}", "for example --cache fast"),
        (True, f"True {NO_CACHE}", "for example --cache fast"),
        (
            "easycache:",
            "'easycache:' has something else than a threshold after the colon",
            EXAMPLE,
        ),
        (
            "easycache:0.1",
            "'easycache:0.1' has something else than a threshold after the colon",
            EXAMPLE,
        ),
        (
            "dbcache:warmup=4",
            "'dbcache:warmup=4' has something else than a threshold after the colon",
            EXAMPLE,
        ),
        (
            "spectrum:threshold=0.1",
            "'spectrum:threshold=0.1' sets a threshold, and spectrum has none",
            "type --cache spectrum",
        ),
        (
            "fast:threshold=0.1",
            "'fast:threshold=0.1' sets a threshold, and fast has none",
            "type --cache fast",
        ),
        (
            "off:threshold=0.1",
            "'off:threshold=0.1' sets a threshold, and off has none",
            "type --cache off",
        ),
        *(
            (f"ucache:threshold={text}", f"'{text}' is not a threshold from 0.001 to 100", EXAMPLE)
            for text in ("x", "", "0", "-1", "101", "nan", "inf", "0.1,warmup=4")
        ),
    ],
)
def test_a_value_that_there_is_not(value: Any, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        DrawRequest(prompt="a cat", cache=value)
    error = caught.value
    assert (error.message, with_options(error.hint), error.argument) == (message, hint, "cache")


def test_the_parts_of_a_value() -> None:
    assert cache_parts("spectrum") == ("spectrum", None)
    assert cache_parts("easycache:threshold=0.05") == ("easycache", 0.05)
