"""Models with a short name, and what an unknown name may be meant for."""

import os
from dataclasses import dataclass

from gpustack_draw.request.model_reference import (
    HubModel,
    ModelReference,
    ServerModel,
    parse_model_reference,
)
from gpustack_draw.request.short_names import SHORT_NAMES

_MOST_NEAR_NAMES = 3
_SHORTEST_START = 3


@dataclass(frozen=True)
class KnownModel:
    """A model with a short name.

    Attributes:
        name: The short name, such as ``sdxl-turbo``.
        title: Its full name.
        reference: ``hf.co/OWNER/REPO:TAG``.
        tasks: What it was trained for: ``draw``, ``edit`` (changes a picture as the prompt says)
            and ``inpaint`` (redraws the area of a mask).
        license: Name of its license.
    """

    name: str
    title: str
    reference: str
    tasks: tuple[str, ...]
    license: str


KNOWN_MODELS = tuple(KnownModel(*entry) for entry in SHORT_NAMES)
_BY_NAME = {model.name: model for model in KNOWN_MODELS}


def known_model(reference: ModelReference) -> HubModel | None:
    """Return the model that a short name stands for; ``None`` for all other references.

    Args:
        reference: The model as typed; the case of a short name does not matter.
    """
    if not isinstance(reference, ServerModel) or reference.name.lower() not in _BY_NAME:
        return None
    model = parse_model_reference(_BY_NAME[reference.name.lower()].reference)
    assert isinstance(model, HubModel)
    return model


def parse_local_reference(text: str | os.PathLike[str]) -> ModelReference:
    """Parse a MODEL argument where no server is used: a short name stands for its model.

    Args:
        text: As for :func:`parse_model_reference`.

    Raises:
        UsageError: See :func:`parse_model_reference`.
    """
    reference = parse_model_reference(text)
    return known_model(reference) or reference


def near_names(name: str) -> list[str]:
    """Return up to three short names, or ``demo``, that an unknown name may be meant for."""
    from difflib import get_close_matches

    typed = name.strip().lower()[:60]
    names = ["demo", *_BY_NAME]
    same = [each for each in names if _without_marks(each) == _without_marks(typed)]
    starts = [each for each in names if each.startswith(typed) and len(typed) >= _SHORTEST_START]
    if same or starts:
        return (same or starts)[:_MOST_NEAR_NAMES]
    return get_close_matches(typed, names, n=_MOST_NEAR_NAMES, cutoff=0.75)


def near_names_hint(name: str) -> str:
    """Return a hint with the short names that are near an unknown one; empty without any."""
    *others, last = near_names(name) or [""]
    either = f"{', '.join(others)} or " if others else ""
    return f"did you mean {either}{last}?" if last else ""


def _without_marks(name: str) -> str:
    return "".join(mark for mark in name if mark.isalnum())
