"""The LoRAs of a request: references and weights. Nothing is read here."""

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypedDict

from gpustack_draw.errors import UsageError, quoted
from gpustack_draw.phrases import phrase
from gpustack_draw.request.option_types import DecimalOption
from gpustack_draw.request.target import Reference

LORA_WEIGHT = DecimalOption(
    "loras",
    title="LoRA weight",
    minimum=-4,
    maximum=4,
    example="0.8; 1 is the full effect, and a negative weight is the opposite",
    help="",
)
_HINT = phrase("for example {}", "hf.co/OWNER/REPO:FILE or style.safetensors:0.8")
_WEIGHT = re.compile(r"(?P<reference>.*):(?P<weight>[+-]?(?:[0-9.][0-9.eE+-]*|nan|inf))", re.DOTALL)


@dataclass(frozen=True)
class Lora:
    """A LoRA: a small addition to a model that changes its style or teaches it a subject.

    Attributes:
        reference: A path, or ``hf.co/OWNER/REPO[@REVISION][:FILE]``, where FILE is a file's name,
            its name without the ending, or a part of it that no other file has.
        weight: Factor of its effect, -4 to 4. ``None`` for 1, or for the weight that a tag
            ``<lora:NAME:WEIGHT>`` in the prompt sets.

    Raises:
        UsageError: The reference is empty, or the weight is out of its range.
    """

    reference: str
    weight: float | None = None

    def __post_init__(self) -> None:
        """Check both values; a path becomes text."""
        reference: object = self.reference
        text = os.fspath(reference) if isinstance(reference, os.PathLike) else reference
        if not isinstance(text, str):
            raise UsageError(
                f"{quoted(text)} is not a LoRA: it is {type(text).__name__}, not text or a path",
                hint=_HINT,
                argument="loras",
            )
        if not text.strip():
            raise UsageError(
                f"the reference of a LoRA is empty: {text!r}", hint=_HINT, argument="loras"
            )
        object.__setattr__(self, "reference", text)
        if self.weight is not None:
            object.__setattr__(self, "weight", LORA_WEIGHT.check(self.weight))


LoraSource: TypeAlias = Lora | Reference | tuple[Reference, float]


@dataclass(frozen=True, kw_only=True)
class LoraSettings:
    """A LoRA of a drawing, as its settings record it.

    Attributes:
        name: The name in the prompt, or that of the file or its repository.
        reference: The path, or the file on the hub as ``hf.co/OWNER/REPO[@REVISION]:FILE``.
        weight: Factor of its effect.
        tag_weight: Share of the weight that tags in the prompt set.
        applied: Tensors of the file that fit the model.
        total: Tensors of the file.
        rank: Largest rank of its matrices; ``None`` for those without one.
        base: Model that it was made for; empty if the file does not tell.
        trigger_words: Words that it was trained with.
        license: License; empty if the file does not tell.
        hash: First 12 digits of the SHA-256 of its weights, as web UIs write it; empty before the
            drawing.
    """

    name: str
    reference: str
    weight: float
    tag_weight: float
    applied: int
    total: int
    rank: int | None
    base: str
    trigger_words: tuple[str, ...]
    license: str
    hash: str = ""


class LoraKeywords(TypedDict, total=False):
    """Keywords of the fields of :class:`LoraOptions`."""

    loras: LoraSource | Sequence[LoraSource] | None
    lora_dir: Reference | None


@dataclass(frozen=True, kw_only=True)
class LoraOptions:
    """The LoRAs that a drawing uses.

    Attributes:
        loras: LoRAs, each as a :class:`Lora`, as ``"REFERENCE[:WEIGHT]"`` or as a pair
            ``(reference, weight)``; becomes a tuple of :class:`Lora`. ``None`` for those that the
            model was loaded with.
        lora_dir: Folder of the LoRAs that tags ``<lora:NAME:WEIGHT>`` in the prompt name; ``None``
            for the one that the model was loaded with, else that of the environment variable
            ``GPUSTACK_DRAW_LORA_DIR``.

    Raises:
        UsageError: A reference is empty, or a weight is out of its range.
    """

    loras: Any = None
    lora_dir: Any = None

    def __post_init__(self) -> None:
        """Check every LoRA, and the type of the folder."""
        if self.loras is not None:
            object.__setattr__(self, "loras", read_loras(self.loras))
        folder = self.lora_dir
        if isinstance(folder, os.PathLike):
            object.__setattr__(self, "lora_dir", os.fspath(folder))
        elif folder is not None and not isinstance(folder, str):
            raise UsageError(
                f"lora_dir is {type(folder).__name__}, not text or a path: {quoted(folder)}",
                argument="lora_dir",
            )


def describe_loras(settings: Iterable[LoraSettings]) -> list[str]:
    """Return LoRAs as a summary shows them, such as ``LoRA style 0.8``."""
    return [f"LoRA {each.name} {each.weight:g}" for each in settings]


def parse_lora(text: str) -> Lora:
    """Parse ``REFERENCE[:WEIGHT]``, split at the last colon if a number follows it.

    Raises:
        UsageError: The reference is empty, or the weight is out of its range.
    """
    found = _WEIGHT.fullmatch(text.strip())
    if found is None:
        return Lora(text)
    return Lora(found["reference"], LORA_WEIGHT.parse(found["weight"]))


def read_loras(value: object) -> tuple[Lora, ...]:
    """Return one LoRA, or a list of them, as records.

    Raises:
        UsageError: A value is no LoRA.
    """
    if isinstance(value, list | tuple) and not _is_pair(value):
        return tuple(map(_read_lora, value))
    return (_read_lora(value),)


def _read_lora(value: object) -> Lora:
    if isinstance(value, Lora):
        return value
    if isinstance(value, str):
        return parse_lora(value)
    if isinstance(value, list | tuple):
        if len(value) != 2:
            raise UsageError(
                f"{quoted(value)} is not a pair of a reference and a weight",
                hint=_HINT,
                argument="loras",
            )
        return Lora(*value)
    return Lora(value)  # type: ignore[arg-type]  # a path, or an error


def _is_pair(value: object) -> bool:
    """Return whether a value is one pair of a reference and a weight, not a list of two LoRAs."""
    return (
        isinstance(value, tuple)
        and len(value) == 2
        and not isinstance(value[1], str | os.PathLike | Lora | list | tuple)
    )


NO_LORAS = LoraOptions()
