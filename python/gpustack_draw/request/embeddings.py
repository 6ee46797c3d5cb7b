"""Textual inversions: embeddings whose names stand for trained vectors in prompts."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

from gpustack_draw.errors import UsageError, quoted
from gpustack_draw.phrases import phrase
from gpustack_draw.request.target import Reference

MAX_NAME_LENGTH = 64
_NAME = re.compile(r"[\w<>](?:[\w<>. -]*[\w<>])?")
_HINT = phrase("{embeddings} takes NAME=FILE, where NAME is the word that prompts use")
# The engine finds its word anywhere in a text, so it must not be a word that can be typed.
_MARK = "\x02"


@dataclass(frozen=True)
class Embedding:
    """An embedding to load with a model.

    Attributes:
        reference: Its file: a path or ``hf.co/OWNER/REPO[:FILE]``.
        name: The word that stands for it in prompts, in any case: letters, digits, ``_ . - < >``
            and blanks, up to 64; empty for the name of the file.

    Raises:
        UsageError: The name cannot be a word of a prompt.
    """

    reference: str
    name: str = ""

    def __post_init__(self) -> None:
        """Check the name."""
        if self.name:
            check_embedding_name(self.name)


class EmbeddingKeywords(TypedDict, total=False):
    """Keywords of the fields of :class:`Embeddings`."""

    embeddings: Sequence[Embedding | Reference]


@dataclass(frozen=True, kw_only=True)
class Embeddings:
    """The embeddings of a model.

    Attributes:
        embeddings: Embeddings of Stable Diffusion 1 and 2; each a path or hf.co reference, with
            ``NAME=`` before it for another word than its file name, or an :class:`Embedding`.

    Raises:
        UsageError: One is neither, or two have the same name.
    """

    embeddings: Sequence[Embedding | Reference] = ()

    def __post_init__(self) -> None:
        """Parse each."""
        if isinstance(self.embeddings, str | os.PathLike | Embedding):
            object.__setattr__(self, "embeddings", [self.embeddings])
        parsed = tuple(map(_parse, self.embeddings))
        object.__setattr__(self, "embeddings", parsed)  # a frozen dataclass has no other way

    @property
    def parsed(self) -> tuple[Embedding, ...]:
        """Return the embeddings as records."""
        return tuple(each for each in self.embeddings if isinstance(each, Embedding))


def check_embedding_name(name: str) -> None:
    """Check that a name can be a word of a prompt.

    Raises:
        UsageError: It cannot.
    """
    if len(name) > MAX_NAME_LENGTH or not _NAME.fullmatch(name):
        raise UsageError(
            f"{quoted(name)} cannot be the name of an embedding in a prompt",
            hint=_HINT,
            argument="embeddings",
        )


def engine_word(index: int) -> str:
    """Return the word that the engine knows an embedding by.

    Args:
        index: Index of the embedding among those of the model.
    """
    return f"{_MARK}{index}{_MARK}"


def name_pattern(names: Sequence[str]) -> "re.Pattern[str]":
    """Return a pattern that finds names as whole words in any case, longer ones first.

    ComfyUI's ``embedding:`` before a name belongs to it.
    """
    by_length = sorted(names, key=len, reverse=True)
    return re.compile(
        rf"(?<!\w)(?<!\w-)(?:embedding:)?({'|'.join(map(re.escape, by_length))})(?!\w|-\w)",
        re.IGNORECASE,
    )


def with_engine_words(text: str, names: Sequence[str]) -> str:
    """Return a text of a prompt with the names of embeddings replaced by the engine's words.

    Args:
        text: The text.
        names: Names of the model's embeddings, in their order.
    """
    if not names:
        return text
    indexes = {name.lower(): index for index, name in enumerate(names)}
    return name_pattern(names).sub(
        lambda found: engine_word(indexes[found[1].lower()]), text.replace(_MARK, " ")
    )


def names_in(text: str, names: Sequence[str]) -> set[str]:
    """Return the names that a text contains as whole words."""
    if not names:
        return set()
    found = {each.lower() for each in name_pattern(names).findall(text)}
    return {name for name in names if name.lower() in found}


def _parse(value: object) -> Embedding:
    if isinstance(value, Embedding):
        return value
    text = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(text, str):
        raise UsageError(
            f"an embedding is {type(value).__name__}, not text or a path: {quoted(value)}",
            hint=_HINT,
            argument="embeddings",
        )
    name, equals, reference = text.partition("=")
    # A path may have an equals sign, too.
    if not equals or re.search(r"[/\\:]", name) or os.path.lexists(text):
        name, reference = "", text
    if equals and not name.strip() and reference != text:
        check_embedding_name("")
    if not reference.strip():
        raise UsageError(
            f"an embedding lacks its file: {quoted(text)}", hint=_HINT, argument="embeddings"
        )
    return Embedding(reference, name.strip())
