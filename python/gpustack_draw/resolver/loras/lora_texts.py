"""The texts of a LoRA file's metadata, which anyone may have written: title, trigger words, base.

The keys are those of kohya's scripts (``ss_``), of the Stability AI model specification
(``modelspec.``), of ai-toolkit, and of GGUF (``general.``).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gpustack_draw.untrusted import clean, parse_json

_TITLES = ("modelspec.title", "ss_output_name", "name", "general.name")
_BASES = (
    "ss_base_model_version",
    "modelspec.architecture",
    "base_model",
    "ss_sd_model_name",
    "general.base_model.0.name",
)
_LICENSES = ("modelspec.license", "license", "general.license")
_TRIGGER_WORDS = ("modelspec.trigger_phrase", "trigger_words", "trigger_word", "instance_prompt")
_TAG_COUNTS = "ss_tag_frequency"
# Statistics of tags take megabytes for large sets of pictures; the words are in the first ones.
_MAX_TAG_COUNTS_LENGTH = 4 * 1024 * 1024
_MAX_LENGTH = 100
_MOST_TRIGGER_WORDS = 8
_NONE = frozenset(("", "none", "null", "unknown", "{}", "[]"))


@dataclass(frozen=True)
class LoraTexts:
    """Texts of a file's metadata, each a printable line of limited length; empty for none."""

    title: str
    stated_base: str
    license: str
    trigger_words: tuple[str, ...]


def read_texts(metadata: Mapping[str, object]) -> LoraTexts:
    """Read the texts that are worth printing from the metadata of a file."""
    return LoraTexts(
        title=_first(metadata, _TITLES),
        stated_base=_first(metadata, _BASES),
        license=_first(metadata, _LICENSES),
        trigger_words=_trigger_words(metadata),
    )


def _first(metadata: Mapping[str, object], keys: Iterable[str]) -> str:
    return next(filter(None, (_text(metadata.get(key)) for key in keys)), "")


def _text(value: object) -> str:
    text = clean(value, _MAX_LENGTH) if isinstance(value, str) else ""
    return "" if text.lower() in _NONE else text


def _trigger_words(metadata: Mapping[str, object]) -> tuple[str, ...]:
    stated = _first(metadata, _TRIGGER_WORDS)
    if stated:
        return tuple(filter(None, (word.strip() for word in stated.split(","))))[
            :_MOST_TRIGGER_WORDS
        ]
    words = (word for tags in _tag_counts(metadata) for word in _frequent(tags))
    return tuple(dict.fromkeys(words))[:_MOST_TRIGGER_WORDS]


def _frequent(counts: Mapping[str, int]) -> Sequence[str]:
    """Return the tags of most pictures of a folder; none if no tag is more frequent than others."""
    least = max(counts.values(), default=0) / 2
    frequent = [tag for tag in counts if counts[tag] >= least]
    if len(frequent) > _MOST_TRIGGER_WORDS:
        return ()
    return sorted(frequent, key=lambda tag: -counts[tag])


def _tag_counts(metadata: Mapping[str, object]) -> Iterator[dict[str, int]]:
    """Yield how many pictures had each tag, by folder of the training; nothing if unreadable."""
    text = metadata.get(_TAG_COUNTS)
    if not isinstance(text, str) or len(text) > _MAX_TAG_COUNTS_LENGTH:
        return
    try:
        folders: Any = parse_json(text.encode())
    except ValueError:
        return
    for tags in folders.values() if isinstance(folders, dict) else ():
        counts = tags.items() if isinstance(tags, dict) else ()
        words = {_text(tag): count for tag, count in counts if isinstance(count, int)}
        yield {word: count for word, count in words.items() if word}
