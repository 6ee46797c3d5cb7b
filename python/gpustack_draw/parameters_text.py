"""The text in which Stable Diffusion web UIs keep how a picture was drawn: written and read.

The prompt, then ``Negative prompt: ...`` if there is one, then a line of ``Name: value`` pairs, as
``create_infotext`` in modules/processing.py of AUTOMATIC1111's web UI puts it (read 2026-11-22).
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

_NEGATIVE = "Negative prompt:"
# Ours: the web UI's form cannot hold every prompt. Readers pass over names that they do not know.
_EXACT_PROMPT = "Exact prompt"
_EXACT_NEGATIVE = "Exact negative"

# As modules/infotext_utils.py has it; names are bounded here, so that no text takes long.
_PAIR = re.compile(r'(\w[\w \-/]{1,60}):\s*("(?:\\.|[^\\"])*"|[^,]*)(?:,|$)')
# Names that a line of pairs has, in whatever program; the web UI, too, wants three.
_USUAL_NAMES = {"Steps", "Sampler", "CFG scale", "Seed", "Size", "Model", "Version"}
_FEWEST_USUAL = 3


@dataclass(frozen=True)
class ParametersText:
    """What such a text holds.

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
        prompt: What was drawn.
        negative_prompt: What was to be avoided.
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
    """Read the text; ``None`` where it has no line of pairs.

    Args:
        text: Of any program that writes this form, or of none.
    """
    lines = text.strip().split("\n")
    for index in reversed(range(len(lines))):
        found = _PAIR.findall(lines[index])
        pairs = {name.strip(): _unquote(value.strip()) for name, value in found}
        if len(_USUAL_NAMES & set(pairs)) >= _FEWEST_USUAL:
            prompt, negative_prompt = _split_prompts(lines[:index])
            if _EXACT_PROMPT in pairs:
                prompt = pairs.pop(_EXACT_PROMPT)
                negative_prompt = pairs.pop(_EXACT_NEGATIVE, "")
            return ParametersText(prompt, negative_prompt, pairs)
    return None


def _split_prompts(lines: list[str]) -> tuple[str, str]:
    for index, line in enumerate(lines):
        if line.strip().startswith(_NEGATIVE):
            first = line.strip().removeprefix(_NEGATIVE)
            return "\n".join(lines[:index]), "\n".join([first, *lines[index + 1 :]]).strip()
    return "\n".join(lines), ""


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
        return str(json.loads(value))
    except ValueError:
        return value
