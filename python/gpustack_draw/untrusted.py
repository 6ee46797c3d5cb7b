"""Text, JSON and headers of untrusted machines: made printable, and parsed within limits."""

import itertools
import json
import math
import re
import time
from typing import Any, NoReturn

MAX_TEXT_LENGTH = 300
MAX_JSON_DEPTH = 64
MAX_JSON_VALUES = 1_000_000
MAX_RETRY_AFTER = 86_400.0  # seconds
_MAX_DIGITS = 40
_MAX_DATE_LENGTH = 64

_STRING = re.compile(rb'"[^"]*"')
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def printable(text: str) -> str:
    """Replace every control character with a space."""
    return "".join(c if c.isprintable() else " " for c in text)


def clean(text: str, limit: int = MAX_TEXT_LENGTH) -> str:
    """Return text as one printable line of limited length.

    Args:
        text: Text from a hub, a server or a proxy.
        limit: Maximum length; longer text ends in ``...``.
    """
    # Ignore far more than the limit: a server may send megabytes.
    line = " ".join(printable(text[: 10 * limit]).split())
    return line if len(line) <= limit else line[: limit - 3] + "..."


def parse_json(data: bytes, *, max_values: int = MAX_JSON_VALUES) -> Any:
    """Parse JSON with limits on memory, nesting and numbers.

    Args:
        data: UTF-8 text; the caller limits its length.
        max_values: Maximum number of values in it.

    Raises:
        ValueError: The text is not JSON, nested too deeply, or has too many values or escapes; or
            it contains NaN, infinity or an integer of more than 40 digits.
    """
    # An upper bound: each value but the first of a container needs a comma.
    if sum(map(data.count, (b",", b"[", b"{"))) > max_values:
        raise ValueError("too many values")
    if data.count(b"\\") > 20 * max_values:
        raise ValueError("too many escapes")
    # Without escapes, every second quote ends a string, which is a name or a value.
    unescaped = data.replace(rb"\\", b"").replace(rb"\"", b"")
    if unescaped.count(b'"') > 4 * max_values + 4:
        raise ValueError("too many values")
    if _depth(unescaped) > MAX_JSON_DEPTH:
        raise ValueError("nested too deeply")
    return json.loads(
        data.decode(), parse_float=_finite, parse_int=_integer, parse_constant=_refuse_constant
    )


def parse_retry_after(text: str) -> float | None:
    """Parse a ``Retry-After`` header (RFC 9110, section 10.2.3).

    Args:
        text: A number of seconds, or a date.

    Returns:
        Seconds from now, 0 to :data:`MAX_RETRY_AFTER`; ``None`` if the header is empty or invalid.
    """
    from email.utils import parsedate_to_datetime

    text = text.strip()
    if text.isascii() and text.isdecimal():
        return min(float(text[:_MAX_DIGITS]), MAX_RETRY_AFTER)
    try:
        date = parsedate_to_datetime(text[:_MAX_DATE_LENGTH])
        seconds = math.ceil(date.timestamp() - time.time())
    except (ValueError, TypeError, IndexError, OverflowError, OSError):
        return None
    return min(max(float(seconds), 0.0), MAX_RETRY_AFTER)


def _depth(unescaped: bytes) -> int:
    # Outside strings, only brackets remain.
    brackets = _STRING.sub(b"", unescaped).translate(None, _NOT_BRACKETS)
    return max(itertools.accumulate(1 if each in b"[{" else -1 for each in brackets), default=0)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("not a finite number")
    return number


def _integer(text: str) -> int:
    # int() takes quadratic time, or raises, for thousands of digits.
    if len(text) > _MAX_DIGITS:
        raise ValueError("too many digits")
    return int(text)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
