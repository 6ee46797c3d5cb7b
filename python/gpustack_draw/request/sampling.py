"""The numbers that decide how a picture is sampled, as a base of records and of keywords.

:data:`gpustack_draw.request.options.SAMPLING_OPTIONS` declares them; a test compares the names.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, TypedDict

from gpustack_draw.phrases import Argument, phrase
from gpustack_draw.request.options import SAMPLING_OPTIONS


class SamplingKeywords(TypedDict, total=False):
    """Keywords of the fields of :class:`SamplingOptions`."""

    sample_steps: int | None
    cfg_scale: float | None
    guidance: float | None
    img_cfg_scale: float | None
    clip_skip: int | None
    eta: float | None
    flow_shift: float | None


@dataclass(frozen=True, kw_only=True)
class SamplingOptions:
    """The numbers that decide how a picture is sampled; ``None`` for the model's own.

    They have the names and the ranges of the command's options: ``sample_steps`` is
    ``--sample-steps``.
    """

    sample_steps: int | None = None
    cfg_scale: float | None = None
    guidance: float | None = None
    img_cfg_scale: float | None = None
    clip_skip: int | None = None
    eta: float | None = None
    flow_shift: float | None = None


def chosen_numbers(options: SamplingOptions) -> dict[str, Any]:
    """Return the numbers by name, without those that are ``None``."""
    values = {option.name: getattr(options, option.name) for option in SAMPLING_OPTIONS}
    return {name: value for name, value in values.items() if value is not None}


def effective_numbers(
    options: SamplingOptions,
    drawer: str,
    names: Collection[str],
    sampler: str | None = None,
    scheduler: str | None = None,
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the chosen numbers that have an effect, and a note on each of the others.

    Args:
        options: The numbers.
        drawer: Name of the model or the server that draws, for the notes.
        names: Names of the options that it takes.
        sampler: The sampler that it uses; ``None`` if the server chooses it.
        scheduler: The scheduler, likewise.
    """
    effective, notes = {}, []
    for option in SAMPLING_OPTIONS:
        value = getattr(options, option.name)
        if value is None:
            continue
        if option.name not in names:
            obstacle: str = drawer
        elif sampler and option.samplers and sampler not in option.samplers:
            obstacle = phrase("{sampler=}", sampler=sampler)
        elif scheduler in option.fixed_schedulers:
            obstacle = phrase("{scheduler=}", scheduler=scheduler)
        else:
            effective[option.name] = value
            continue
        name = Argument(option.name)
        notes.append(phrase("{} has no effect: {} does not take it", name, obstacle))
    return effective, tuple(notes)
