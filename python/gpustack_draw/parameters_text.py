"""The text in which Stable Diffusion web UIs keep how a picture was drawn: written and read.

The prompt, then ``Negative prompt: ...`` if there is one, then a line of ``Name: value`` pairs, as
``create_infotext`` in modules/processing.py of AUTOMATIC1111's web UI writes it (read 2026-11-22).
Other programs write all of it on one line, or other marks between the pairs.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_NEGATIVE = "Negative prompt:"
# Ours: the web UI's form cannot hold every prompt. Readers pass over names that they do not know.
_EXACT_PROMPT = "Exact prompt"
_EXACT_NEGATIVE = "Exact negative"

# Names that a line of pairs has, in whatever program; the web UI, too, wants three.
_USUAL_NAMES = {"Steps", "Sampler", "CFG scale", "Seed", "Size", "Model", "Version"}
_FEWEST_USUAL = 3
_SPELLINGS = {name.lower(): name for name in (*_USUAL_NAMES, "Schedule type", "Model hash")} | {
    "cfg": "CFG scale",
    "scheduler": "Schedule type",
}

# Names and blanks are bounded here, so that no text takes long.
_NAME = re.compile(r"[^\S\n]{0,9}(\w[\w \-/]{0,60}?)[^\S\n]{0,9}:[^\S\n]{0,9}")
_PLAIN_VALUE = re.compile(r"[^,;|\n]*")
_VALUE_END = r"[^\S\n]{0,9}(?=[,;|\n]|$)"
_QUOTED_VALUE = re.compile(rf'("(?:\\.|[^\\"])*"){_VALUE_END}', re.DOTALL)
_LIST_VALUE = re.compile(rf"(\[[^\[\]\n]*\]|\{{[^{{}}\n]*\}}|\([^()\n]*\)){_VALUE_END}")
_JSON_START = re.compile(r"[\[{]\s{0,9}[\[{\"]")
_REST_OF_LINE = re.compile(r"[^\n]*")
_STEPS = re.compile(r"(?<!\w)Steps[^\S\n]{0,9}:", re.IGNORECASE)
_NEGATIVE_AT_START = re.compile(rf"^[^\S\n]*{_NEGATIVE}", re.IGNORECASE | re.MULTILINE)
_NEGATIVE_WITHIN = re.compile(rf"[\s.,;|]{_NEGATIVE}", re.IGNORECASE)


@dataclass(frozen=True)
class ParametersText:
    """The contents of such a text.

    Attributes:
        prompt: May be empty.
        negative_prompt: May be empty.
        pairs: The values by their names, unquoted.
    """

    prompt: str
    negative_prompt: str
    pairs: Mapping[str, str]


def write_text(prompt: str, negative_prompt: str, pairs: Mapping[str, str]) -> str:
    """Write the text.

    A prompt that the form cannot hold is repeated behind the pairs, so that :func:`parse_text`
    returns it as it is.

    Args:
        prompt: The prompt.
        negative_prompt: The negative prompt.
        pairs: At least three of the usual names, with their values.
    """
    lines = [prompt, f"{_NEGATIVE} {negative_prompt}"] if negative_prompt else [prompt]
    line = ", ".join(f"{name}: {_quote(value)}" for name, value in pairs.items())
    text = "\n".join([*lines, line]).strip()
    read = parse_text(text)
    if read and (read.prompt, read.negative_prompt) == (prompt, negative_prompt):
        return text
    # Blank ends, or a line in it that looks like one of the form's own.
    again = {_EXACT_PROMPT: prompt, _EXACT_NEGATIVE: negative_prompt}
    return text + "".join(f", {name}: {_quote_whole(value)}" for name, value in again.items())


def parse_text(text: str) -> ParametersText | None:
    """Read the text; return ``None`` where it has no line of pairs.

    Args:
        text: Of any program that writes this form, or of none.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n").removeprefix("\ufeff").strip()
    end = len(text)
    while end >= 0:
        start = text.rfind("\n", 0, end) + 1
        read = _parse_from_line(text, start, end) if ":" in text[start:end] else None
        if read is not None:
            return read
        end = start - 1
    return None


def _parse_from_line(text: str, start: int, end: int) -> ParametersText | None:
    """Read the text if the line from start to end is, or ends in, the line of pairs."""
    first = _NAME.match(text, start, end)
    if first is None or _spelled(first[1]) not in _USUAL_NAMES:
        steps = _STEPS.search(text, start, end)
        before = text[start : steps.start()] if steps else ""
        if steps and not (start and _are_pairs(before)):
            return _parse_one_line(text, steps.start())
    pairs = _pairs_at(text, start)
    if not _are_usual(pairs):
        return None
    return _with_exact(*_split_prompts(text[:start]), pairs)


def _parse_one_line(text: str, start: int) -> ParametersText | None:
    """Read a text in which the pairs follow a prompt on the same line.

    The prompt may have a "Steps:" in it, so the pairs begin at the last one that is not in a value.
    """
    begins = [start]
    for name, _ in _scan(text, start):
        if name[1].endswith(" Steps"):  # "Hires steps" and its like are names of their own
            begins.append(name.end(1) - len("Steps"))
    for begin in (begins[-1], start):
        pairs = _pairs_at(text, begin)
        if _are_usual(pairs):
            return _with_exact(*_split_prompts(_without_mark(text[:begin])), pairs)
    return None


def _with_exact(prompt: str, negative_prompt: str, pairs: dict[str, str]) -> ParametersText:
    if _EXACT_PROMPT in pairs:
        prompt = pairs.pop(_EXACT_PROMPT)
        negative_prompt = pairs.pop(_EXACT_NEGATIVE, "")
    return ParametersText(prompt, negative_prompt, pairs)


def _are_usual(pairs: Mapping[str, str]) -> bool:
    return len(_USUAL_NAMES & set(pairs)) >= _FEWEST_USUAL


def _are_pairs(text: str) -> bool:
    """Tell whether a beginning of a line consists of pairs, none of them the negative prompt."""
    parts = text.strip(" ,;|").split(",")
    return not _NEGATIVE_AT_START.match(text) and all(map(_NAME.match, parts))


# --- pairs ----------------------------------------------------------------------------------------


def _pairs_at(text: str, position: int) -> dict[str, str]:
    """Read pairs up to the end of the line; of two with the same name, the first counts."""
    pairs: dict[str, str] = {}
    for name, value in _scan(text, position):
        pairs.setdefault(_spelled(name[1]), value)
    return pairs


def _scan(text: str, position: int) -> Iterator[tuple["re.Match[str]", str]]:
    while position < len(text) and text[position] != "\n":
        name = _NAME.match(text, position)
        if name is None:
            position = _plain_end(text, position)
        else:
            value, position = _value_at(text, name.end())
            yield name, value
        if position < len(text) and text[position] != "\n":
            position += 1  # the mark between two pairs


def _spelled(name: str) -> str:
    plain = name.replace("_", " ").lower()
    return _SPELLINGS.get(plain, name)


def _value_at(text: str, position: int) -> tuple[str, int]:
    """Read a value, and return it with the position behind it."""
    for pattern in (_QUOTED_VALUE, _LIST_VALUE):
        found = pattern.match(text, position)
        if found is not None:
            return _unquote(found[1]), found.end()
    if _JSON_START.match(text, position):
        return _json_at(text, position)
    end = _plain_end(text, position)
    return text[position:end].strip(), end


def _plain_end(text: str, position: int) -> int:
    """Find the end of a value: a comma, or another mark that a pair follows."""
    while True:
        found = _PLAIN_VALUE.match(text, position)
        assert found is not None  # it matches nothing, too
        position = found.end()
        is_other_mark = position < len(text) and text[position] in ";|"
        if not is_other_mark or _NAME.match(text, position + 1):
            return position
        position += 1


def _json_at(text: str, position: int) -> tuple[str, int]:
    """Read a value of nested JSON whole: names in it are not names of pairs."""
    try:
        _, end = json.JSONDecoder().raw_decode(text, position)
    except (ValueError, RecursionError):
        # The rest of the line is all that is sure to hold the end of it.
        found = _REST_OF_LINE.match(text, position)
        assert found is not None  # it matches nothing, too
        end = found.end()
    return text[position:end].strip(), end


def _quote(value: str) -> str:
    # The web UI's own rule (modules/infotext_utils.py, quote).
    if not any(mark in value for mark in ',:\n"'):
        return value
    return json.dumps(value, ensure_ascii=False)


def _quote_whole(value: str) -> str:
    # Readers that split at every comma and colon must not find pairs inside.
    return json.dumps(value).replace(",", "\\u002c").replace(":", "\\u003a")


def _unquote(value: str) -> str:
    if not value.startswith('"'):
        return value
    try:
        return str(json.loads(value, strict=False))
    except ValueError:
        return value


# --- prompts --------------------------------------------------------------------------------------


def _split_prompts(text: str) -> tuple[str, str]:
    """Split what comes before the pairs into the prompt and the negative prompt."""
    text = text.removesuffix("\n")
    found = _NEGATIVE_AT_START.search(text)
    if found is not None:
        return text[: found.start()].removesuffix("\n"), text[found.end() :].strip()
    found = _NEGATIVE_WITHIN.search(text)
    if found is not None:
        return _without_mark(text[: found.start() + 1]), text[found.end() :].strip()
    return text, ""


def _without_mark(text: str) -> str:
    """Remove the mark, a full stop or a bar for example, that parts two texts on a line."""
    bare = text.rstrip()
    return bare[:-1].rstrip() if bare.endswith((".", ",", ";", "|")) else bare
