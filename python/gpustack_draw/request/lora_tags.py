"""LoRA tags in prompts, ``<lora:NAME:WEIGHT>``, as web UIs read them.

As in AUTOMATIC1111's web UI (modules/extra_networks.py and its extension Lora), a tag is removed
from the prompt, ``lyco`` is another spelling of ``lora``, the weight is 1 by default, and weights
of text encoder and diffusion model may be written one by one. The engine has one weight for both.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from gpustack_draw.errors import UsageError, quoted
from gpustack_draw.phrases import phrase
from gpustack_draw.request.loras import LORA_WEIGHT

_TAG = re.compile(r"<(?:lora|lyco):(?P<body>[^<>]*)>", re.IGNORECASE)
_START = re.compile(r"<(?:lora|lyco):", re.IGNORECASE)
_NOT_IN_TAGS = re.compile(r"[<>:,\x00-\x1f\x7f]")
_HINT = "write <lora:NAME:WEIGHT>, for example <lora:style:0.8>"


@dataclass(frozen=True)
class LoraTag:
    """A tag of a prompt.

    Attributes:
        text: The tag as typed.
        name: Name of the LoRA.
        weight: Factor of its effect, -4 to 4.
    """

    text: str
    name: str
    weight: float


@dataclass(frozen=True)
class TaggedPrompt:
    """A prompt and the LoRAs that it names.

    Attributes:
        text: The prompt without the tags and the blanks before them.
        tags: The tags, in their order.
    """

    text: str
    tags: tuple[LoraTag, ...] = ()


def split_lora_tags(prompt: str) -> TaggedPrompt:
    """Separate the LoRA tags of a prompt from its text; a prompt without tags is unchanged.

    Raises:
        UsageError: A tag has no name, no end, or another weight than one number from -4 to 4.
    """
    tags = tuple(_parse(found[0], found["body"]) for found in _TAG.finditer(prompt))
    text = without_lora_tags(prompt)
    if found := _START.search(text):
        raise _error(text[found.start() :], "has no closing >")
    return TaggedPrompt(text, tags)


def without_lora_tags(prompt: str) -> str:
    """Return a prompt without its LoRA tags and the blanks before them."""
    pieces = _TAG.sub("\0", prompt).split("\0")  # no prompt contains NUL
    if len(pieces) == 1:
        return prompt
    return "".join([*(piece.rstrip(" \t") for piece in pieces[:-1]), pieces[-1]]).strip()


def check_negative_prompt(text: str) -> None:
    """Check that a negative prompt names no LoRA.

    A LoRA changes the model, with which both prompts are evaluated. Web UIs take such a tag for
    words.

    Raises:
        UsageError: It does.
    """
    if found := _TAG.search(text):
        raise UsageError(
            f"the negative prompt has the LoRA {quoted(found[0])}, but a LoRA changes the whole"
            " picture",
            hint="move it to the prompt; a negative weight turns its effect around",
            argument="negative_prompt",
        )


def recordable_name(name: str) -> str:
    """Return a name without characters that neither a tag nor a list of hashes can hold."""
    return _NOT_IN_TAGS.sub("", name).strip() or "lora"


def write_lora_tag(name: str, weight: float) -> str:
    """Return the tag of a LoRA."""
    return f"<lora:{name}:{weight:g}>"


def _parse(text: str, body: str) -> LoraTag:
    name, *values = (part.strip() for part in body.split(":"))
    if not name:
        raise _error(text, "has no name")
    weights = dict(_weights(text, values))
    of_encoder = weights.get("te", 1.0)
    weight = weights.get("unet", of_encoder)
    if weight != of_encoder:
        raise _error(text, "has two weights, but the engine applies one to the whole model")
    return LoraTag(text, name, weight)


def _weights(text: str, values: list[str]) -> Iterator[tuple[str, float]]:
    positions = iter(("te", "unet"))
    for value in values:
        name, equals, number = value.rpartition("=")
        part = name.strip().lower() if equals else next(positions, "")
        if part not in ("te", "unet"):
            raise _error(text, f"has {quoted(value)}, which this version does not read")
        try:
            yield part, LORA_WEIGHT.parse(number)
        except UsageError:
            raise _error(
                text, f"has the weight {quoted(number)}, not a number from -4 to 4"
            ) from None


def _error(tag: str, problem: str) -> UsageError:
    return UsageError(
        phrase("the LoRA {} of the prompt {}", quoted(tag, limit=60), problem),
        hint=_HINT,
        argument="prompt",
    )
