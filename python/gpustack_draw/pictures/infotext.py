"""Write and parse infotext, the text form of parameters in Stable Diffusion web UIs.

It has the prompt, ``Negative prompt: ...`` if there is one, and a line of ``Name: value`` pairs,
like ``create_infotext`` in modules/processing.py of AUTOMATIC1111's web UI (as of 2026-11-22).
Other programs write all of it on one line, or use other separators.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_NEGATIVE = "Negative prompt:"
# Names of gpustack-draw for prompts that the form cannot hold. Readers skip unknown names.
_EXACT_PROMPT = "Exact prompt"
_EXACT_NEGATIVE = "Exact negative"

# Names that every program writes. A line with three of them is one of pairs, as in the web UI.
_USUAL_NAMES = {"Steps", "Sampler", "CFG scale", "Seed", "Size", "Model", "Version"}
_MIN_USUAL = 3
_SPELLINGS = {name.lower(): name for name in (*_USUAL_NAMES, "Schedule type", "Model hash")} | {
    "cfg": "CFG scale",
    "scheduler": "Schedule type",
}

# Separators of pairs. All but the comma also occur in values.
_MARKS = (",", ";", "|", "\t", "，", "；")
_MARK = re.compile(f"[{''.join(_MARKS)}]")
_MAX_ANCHORS = 10_000

# Names and blanks are bounded to keep matching time linear.
_NAME = re.compile(r"[^\S\n]{0,9}(\w[\w \-/]{0,60}?)[^\S\n]{0,9}:[^\S\n]{0,9}")
_ANCHOR = re.compile(rf"(?<!\w)({'|'.join(sorted(_USUAL_NAMES))})[^\S\n]{{0,9}}:", re.IGNORECASE)
_PLAIN_VALUE = re.compile(rf"[^{''.join(_MARKS)}\n]*")
_VALUE_END = r"[^\S\n]{0,9}(?=[,;|，；\n]|$)"
_QUOTED_VALUE = re.compile(rf'("(?:\\.|[^\\"])*"){_VALUE_END}', re.DOTALL)
_LIST_VALUE = re.compile(rf"(\[[^\[\]\n]*\]|\{{[^{{}}\n]*\}}|\([^()\n]*\)){_VALUE_END}")
_VALUE_START = re.compile(r":[^\S\n]{0,9}(?=[\[{(\"])")
_NESTED_START = re.compile(r"[\[{]\s{0,9}[\[{\"']")
_BRACKET = re.compile(r"[\[\]{}\"'\n]")
_STRINGS = {mark: re.compile(rf"(?:\\.|[^\\{mark}])*{mark}", re.DOTALL) for mark in "\"'"}
_REST_OF_LINE = re.compile(r"[^\n]*")
_NEGATIVE_AT_START = re.compile(rf"^[^\S\n]*{_NEGATIVE}", re.IGNORECASE | re.MULTILINE)
_NEGATIVE_WITHIN = re.compile(rf"(?<!\w){_NEGATIVE}", re.IGNORECASE)


@dataclass(frozen=True)
class ParametersText:
    """The contents of an infotext.

    Attributes:
        prompt: The prompt; may be empty.
        negative_prompt: The negative prompt; may be empty.
        pairs: Unquoted values by name.
    """

    prompt: str
    negative_prompt: str
    pairs: Mapping[str, str]


def write_text(prompt: str, negative_prompt: str, pairs: Mapping[str, str]) -> str:
    """Return an infotext.

    A prompt that the form cannot hold is repeated after the pairs, so that :func:`parse_text`
    returns it unchanged.

    Args:
        prompt: The prompt.
        negative_prompt: The negative prompt.
        pairs: Values by name, at least three of them with usual names.
    """
    lines = [prompt, f"{_NEGATIVE} {negative_prompt}"] if negative_prompt else [prompt]
    line = write_pairs(pairs)
    text = "\n".join([*lines, line]).strip()
    read = parse_text(text)
    if read and (read.prompt, read.negative_prompt) == (prompt, negative_prompt):
        return text
    # The prompt has outer blanks, or a line that looks like part of the form.
    again = {_EXACT_PROMPT: prompt, _EXACT_NEGATIVE: negative_prompt}
    return text + "".join(f", {name}: {_quote_whole(value)}" for name, value in again.items())


def write_pairs(pairs: Mapping[str, str]) -> str:
    """Return a line of pairs."""
    return ", ".join(f"{name}: {_quote(value)}" for name, value in pairs.items())


def parse_text(text: str) -> ParametersText | None:
    """Parse an infotext; return ``None`` if it has no line of pairs.

    Args:
        text: Any text; nothing in it is trusted.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n").removeprefix("\ufeff").strip()
    end = len(text)
    while end >= 0:
        start = text.rfind("\n", 0, end) + 1
        read = _parse_from_line(text, start, end) if _ANCHOR.search(text, start, end) else None
        if read is not None:
            return read
        end = start - 1
    return _parse_lines(text)


def _parse_from_line(text: str, start: int, end: int) -> ParametersText | None:
    """Parse the text if the line from start to end is, or ends in, the line of pairs."""
    first = _NAME.match(text, start, end)
    begin = start
    if not start or first is None or _spelled(first[1]) not in _USUAL_NAMES:
        begin = _start_of_pairs(text, start, end)
        if start and _are_pairs(text[start:begin]):
            begin = start
    pairs = _pairs_at(text, begin)
    if not _are_usual(pairs):
        return None
    before = text[:start] if begin == start else _without_mark(text[:begin])
    return _with_exact(*_split_prompts(before), pairs)


def _start_of_pairs(text: str, start: int, end: int) -> int:
    """Find the last run of pairs with enough usual names in a line that may have other text.

    The prompt and the values may contain some of these names, too.
    """
    line = _masked(text, start, end)
    anchors = list(_ANCHOR.finditer(line))[-_MAX_ANCHORS:]
    names: set[str] = set()
    for index in reversed(range(len(anchors))):
        anchor = anchors[index]
        names.add(anchor[1].lower())
        before = line[anchors[index - 1].start() : anchor.start()] if index else ""
        if before.rstrip(" ").endswith(_MARKS) and _are_pairs(before):
            continue
        if len(names) >= _MIN_USUAL:
            return start + anchor.start()
        names.clear()
    return start


def _masked(text: str, start: int, end: int) -> str:
    """Return a line with its quoted, listed and nested values masked by "x"."""
    parts = []
    for value in _VALUE_START.finditer(text, start, end):
        if value.end() >= start:  # not inside the previous value
            _, value_end = _value_at(text, value.end())
            parts += [text[start : value.end()], "x" * (min(value_end, end) - value.end())]
            start = min(value_end, end)
    return "".join([*parts, text[start:end]])


def _parse_lines(text: str) -> ParametersText | None:
    """Parse a text with one pair on each of its last lines."""
    end, begin = len(text), None
    while end > 0:
        start = text.rfind("\n", 0, end) + 1
        name = _NAME.match(text, start, end)
        if name is None or _NEGATIVE_AT_START.match(text, start, end):
            break
        if _spelled(name[1]) in _USUAL_NAMES:
            begin = start
        end = start - 1
    pairs = {} if begin is None else _pairs_at(text[begin:].replace("\n", ", "), 0)
    return _with_exact(*_split_prompts(text[:begin]), pairs) if _are_usual(pairs) else None


def _with_exact(prompt: str, negative_prompt: str, pairs: dict[str, str]) -> ParametersText:
    if _EXACT_PROMPT in pairs:
        prompt = pairs.pop(_EXACT_PROMPT)
        negative_prompt = pairs.pop(_EXACT_NEGATIVE, "")
    return ParametersText(prompt, negative_prompt, pairs)


def _are_usual(pairs: Mapping[str, str]) -> bool:
    return len(_USUAL_NAMES & set(pairs)) >= _MIN_USUAL


def _are_pairs(text: str) -> bool:
    """Return True if the start of a line has only pairs, without the negative prompt."""
    parts = _MARK.split(text.strip().rstrip("".join(_MARKS)))
    return not _NEGATIVE_AT_START.match(text) and all(map(_NAME.match, parts))


# --- pairs ----------------------------------------------------------------------------------------


def _pairs_at(text: str, position: int) -> dict[str, str]:
    """Return the pairs up to the end of the line; the first of equal names counts."""
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
            position += 1  # the separator


def _spelled(name: str) -> str:
    plain = name.replace("_", " ").lower()
    return _SPELLINGS.get(plain, name)


def _value_at(text: str, position: int) -> tuple[str, int]:
    """Return a value and the position after it."""
    for pattern in (_QUOTED_VALUE, _LIST_VALUE):
        found = pattern.match(text, position)
        if found is not None:
            return _unquote(found[1]), found.end()
    if _NESTED_START.match(text, position):
        end = _nested_end(text, position)
        return text[position:end], end
    end = _plain_end(text, position)
    return text[position:end].strip(), end


def _plain_end(text: str, position: int) -> int:
    """Find the end of a value: a comma, or another separator before a pair."""
    while True:
        found = _PLAIN_VALUE.match(text, position)
        assert found is not None  # matches the empty text
        position = found.end()
        is_other_mark = text[position : position + 1] in _MARKS[1:]
        if not is_other_mark or _NAME.match(text, position + 1):
            return position
        position += 1


def _nested_end(text: str, position: int) -> int:
    """Find the end of nested lists or objects, whose names are not names of pairs.

    If they are cut off, that is the end of the line.
    """
    depth = 0
    while (token := _BRACKET.search(text, position)) and token[0] != "\n":
        position = token.end()
        if token[0] in "\"'":
            closing = _STRINGS[token[0]].match(text, position)
            if closing is None:
                break
            position = closing.end()
            continue
        depth += 1 if token[0] in "[{" else -1
        if depth == 0:
            return position
    found = _REST_OF_LINE.match(text, position)
    assert found is not None  # matches the empty text
    return found.end()


def _quote(value: str) -> str:
    # The rule of the web UI (modules/infotext_utils.py, quote).
    if not any(mark in value for mark in ',:\n"'):
        return value
    return json.dumps(value, ensure_ascii=False)


def _quote_whole(value: str) -> str:
    # Keep readers that split at every comma and colon from finding pairs inside.
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
    """Split the text before the pairs into the prompt and the negative prompt."""
    text = text.removesuffix("\n")
    found = _NEGATIVE_AT_START.search(text)
    if found is not None:
        return text[: found.start()].removesuffix("\n"), text[found.end() :].strip()
    found = _NEGATIVE_WITHIN.search(text)
    if found is not None:
        return _without_mark(text[: found.start()]), text[found.end() :].strip()
    return text, ""


def _without_mark(text: str) -> str:
    """Remove a trailing separator, such as a full stop or a bar."""
    bare = text.rstrip()
    return bare[:-1].rstrip() if bare.endswith((*_MARKS, ".", "。")) else bare
