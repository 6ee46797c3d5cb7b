"""Fit the prompts of a request to a family: check their syntax, and parse them for the engine."""

import re
from collections.abc import Iterator, Sequence
from typing import Protocol

from gpustack_draw.errors import quoted
from gpustack_draw.phrases import phrase
from gpustack_draw.request.embeddings import name_pattern, names_in, with_engine_words
from gpustack_draw.request.lora_tags import without_lora_tags
from gpustack_draw.request.prompt_syntax import (
    PromptPiece,
    find_weight,
    has_break,
    parse_prompt,
)
from gpustack_draw.resolver.families import Family

# Additions to a model, as web UIs and ComfyUI name them in prompts.
_ADDITION = re.compile(r"<(?:locon|loha|hypernet):[^<>]{1,200}>", re.IGNORECASE)
_EMBEDDING = re.compile(
    r"<(?:embedding|embed|ti):[^<>]{1,200}>|\bembedding:[\w./-]{1,200}", re.IGNORECASE
)
_MAX_NAMES = 3


class Prompts(Protocol):
    """The prompts of a request or of settings."""

    @property
    def prompt(self) -> str:
        """The prompt."""

    @property
    def negative_prompt(self) -> str:
        """The negative prompt; may be empty."""


def parsed_prompts(
    prompts: Prompts, family: Family, embeddings: Sequence[str] = ()
) -> dict[str, tuple[PromptPiece, ...]]:
    """Return the pieces of both prompts as the engine takes them, by argument.

    Args:
        prompts: The prompts.
        family: The family of the model that draws them.
        embeddings: Names of the model's embeddings, which the engine's words replace.

    Raises:
        UsageError: A weight is wrong.
    """
    texts = {
        "prompt": without_lora_tags(prompts.prompt),
        "negative_prompt": prompts.negative_prompt,
    }
    return {
        argument: tuple(
            piece._replace(text=with_engine_words(piece.text, embeddings))
            for piece in parse_prompt(text, family.prompt_syntax, argument)
        )
        for argument, text in texts.items()
    }


def notes_on_prompts(
    prompts: Prompts, family: Family, *, is_guided: bool, embeddings: Sequence[str] = ()
) -> Iterator[str]:
    """Check the prompts; yield notes on what has no effect in them.

    Args:
        prompts: The prompts.
        family: The family of the model that draws them.
        is_guided: Whether classifier-free guidance is on, so that the negative prompt is used.
        embeddings: Names of the model's embeddings.

    Raises:
        UsageError: A weight is wrong.
    """
    parsed_prompts(prompts, family)
    used = without_lora_tags(prompts.prompt)
    if prompts.negative_prompt and not is_guided:
        yield phrase("{negative_prompt} has no effect with {cfg_scale=1}")
    elif prompts.negative_prompt:
        used += f" {prompts.negative_prompt}"
    weighted = find_weight(used)
    if weighted and family.prompt_syntax == "plain":
        yield f"{quoted(weighted)} is read as plain text: prompts of {family.title} have no weights"
    if family.prompt_syntax != "chunks" and has_break(used):
        yield f"BREAK is read as a word: prompts of {family.title} have no chunks"
    named = names_in(used, embeddings)
    for name in embeddings:
        if name not in named:
            yield f"embedding {quoted(name)} has no effect: no prompt in use has its name"
    if embeddings:
        used = name_pattern(embeddings).sub("", used)
    yield from _notes_on_additions(used)


def _notes_on_additions(prompts: str) -> Iterator[str]:
    """Yield a note on the additions that prompts name, which the engine does not know.

    Its tokenizers take the names for words, brackets included.
    """
    embeddings = list(dict.fromkeys(_EMBEDDING.findall(prompts)))
    if embeddings:
        verb, pronoun = ("is", "it") if len(embeddings) == 1 else ("are", "them")
        yield phrase(
            "{} {} drawn as plain words: load {} with {embeddings}",
            _listed(embeddings),
            verb,
            pronoun,
        )
    named = list(dict.fromkeys(_ADDITION.findall(prompts)))
    if named:
        verb, pronoun = ("is", "it") if len(named) == 1 else ("are", "them")
        yield (
            f"{_listed(named)} {verb} drawn as plain words: this version loads no"
            f" hypernetworks; leave {pronoun} out"
        )


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
    return ", ".join(quoted(name) for name in names[:_MAX_NAMES]) + more
