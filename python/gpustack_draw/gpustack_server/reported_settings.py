"""The settings that a server reports for a picture, checked before they are believed.

A reply of gpustack-draw's own server has them; other backends write a few into the picture's file.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from gpustack_draw.errors import UsageError
from gpustack_draw.request.draw_request import MAX_SIDE
from gpustack_draw.request.draw_settings import DrawSettings, HiresSettings
from gpustack_draw.request.lora_tags import split_lora_tags
from gpustack_draw.request.loras import LORA_WEIGHT, LoraSettings
from gpustack_draw.request.names import SAMPLERS, SCHEDULERS
from gpustack_draw.request.options import (
    CONTROL_STRENGTH,
    HIRES,
    HIRES_STEPS,
    HIRES_STRENGTH,
    SAMPLING_OPTIONS,
    SEED,
    STRENGTH,
)
from gpustack_draw.untrusted import clean

_MAX_LORAS = 100
_HUB = "hf.co/"


def reported_settings(values: Mapping[str, Any], settings: DrawSettings) -> dict[str, Any]:
    """Return the settings that a server reports, without those that are not valid.

    Args:
        values: The values by name, as the server sent them.
        settings: The settings that were requested.

    Returns:
        Values by field of :class:`DrawSettings`.
    """
    checked: dict[str, Any] = {
        option.name: _checked(option, values.get(option.name))
        for option in (*SAMPLING_OPTIONS, SEED)
    }
    checked["sampler"] = _one_of(SAMPLERS, values.get("sampler"))
    checked["scheduler"] = _one_of(SCHEDULERS, values.get("scheduler"))
    if settings.strength is not None or settings.mode in {"img2img", "inpaint"}:
        checked["strength"] = _checked(STRENGTH, values.get("strength"))
    checked["control_strength"] = _checked(CONTROL_STRENGTH, values.get("control_strength"))
    if loras := _loras(values.get("loras"), settings.prompt):
        checked["loras"] = loras
    if settings.hires is not None:
        checked["hires"] = _hires(values.get("hires"), settings.hires)
    return {name: value for name, value in checked.items() if value is not None}


def reported_size(values: Mapping[str, Any]) -> tuple[int, int] | None:
    """Return the width and height of the first pass that a server reports; ``None`` without."""
    return _size(values)


def _checked(option: Any, value: object) -> Any:
    try:
        return None if value is None else option.check(value)
    except (UsageError, OverflowError):
        return None


def _one_of(names: Sequence[str], value: object) -> str | None:
    return value if isinstance(value, str) and value in names else None


def _size(values: Mapping[str, Any]) -> tuple[int, int] | None:
    width, height = values.get("width"), values.get("height")
    is_size = all(
        isinstance(side, int) and not isinstance(side, bool) and 1 <= side <= MAX_SIDE
        for side in (width, height)
    )
    return (width, height) if is_size else None  # type: ignore[return-value]


def _hires(value: object, planned: HiresSettings) -> HiresSettings | None:
    """Return the second pass that a server reports; ``None`` if it reports none that is valid."""
    if not isinstance(value, dict):
        return None
    size = _size(value)
    scale = _checked(HIRES, value.get("scale"))
    steps, strength = (
        _checked(HIRES_STEPS, value.get("steps")),
        _checked(HIRES_STRENGTH, value.get("strength")),
    )
    if size is None or scale is None or steps is None or strength is None:
        return None
    upscaler, reference = value.get("upscaler"), value.get("reference")
    return HiresSettings(
        scale=scale,
        width=size[0],
        height=size[1],
        upscaler=clean(upscaler) if isinstance(upscaler, str) else planned.upscaler,
        steps=steps,
        strength=strength,
        reference=_hub_reference(reference),
    )


def _loras(value: object, prompt: str) -> tuple[LoraSettings, ...]:
    """Return the LoRAs that a server reports; a path on the server means nothing here."""
    loras = []
    for item in value[:_MAX_LORAS] if isinstance(value, list) else []:
        name = item.get("name") if isinstance(item, dict) else None
        weight = _checked(LORA_WEIGHT, item.get("weight")) if isinstance(item, dict) else None
        if not isinstance(name, str) or not name or weight is None:
            continue
        name = clean(name)
        words = item.get("trigger_words")
        loras.append(
            LoraSettings(
                name=name,
                reference=_hub_reference(item.get("reference")),
                weight=weight,
                tag_weight=_weight_of_tags(prompt, name),
                applied=_count(item.get("applied")),
                total=_count(item.get("total")),
                rank=_count(item.get("rank")) or None,
                base=_text(item.get("base")),
                trigger_words=tuple(map(_text, words[:20])) if isinstance(words, list) else (),
                license=_text(item.get("license")),
                hash=_text(item.get("hash")),
            )
        )
    return tuple(loras)


def _weight_of_tags(prompt: str, name: str) -> float:
    tags = split_lora_tags(prompt).tags
    return round(sum(tag.weight for tag in tags if tag.name.lower() == name.lower()), 6)


def _hub_reference(value: object) -> str:
    text = _text(value)
    return text if text.startswith(_HUB) else ""


def _text(value: object) -> str:
    return clean(value) if isinstance(value, str) else ""


def _count(value: object) -> int:
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**9
    return value if is_count else 0  # type: ignore[return-value]
