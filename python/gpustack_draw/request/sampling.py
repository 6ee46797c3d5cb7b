"""The numbers that decide how a picture is sampled, as a base of records and of keywords.

:data:`gpustack_draw.request.options.SAMPLING_OPTIONS` declares them; a test compares the names.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

from gpustack_draw.phrases import Argument, phrase
from gpustack_draw.request.options import SAMPLING_OPTIONS, SamplingOption


class SamplingKeywords(TypedDict, total=False):
    """Keywords of the fields of :class:`SamplingOptions`."""

    sample_steps: int | None
    cfg_scale: float | None
    guidance: float | None
    img_cfg_scale: float | None
    clip_skip: int | None
    eta: float | None
    flow_shift: float | None
    sigmas: Sequence[float] | str | None
    skip_layers: Sequence[int] | str | None
    slg_scale: float | None
    skip_layer_start: float | None
    skip_layer_end: float | None
    cache: str | None
    rng: str | None
    tile: str | None


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
    sigmas: Sequence[float] | str | None = None
    skip_layers: Sequence[int] | str | None = None
    slg_scale: float | None = None
    skip_layer_start: float | None = None
    skip_layer_end: float | None = None
    cache: str | None = None
    rng: str | None = None
    tile: str | None = None


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
    """Return the chosen values that have an effect, and a note on each of the others.

    Args:
        options: The values.
        drawer: Name of the model or the server that draws, for the notes.
        names: Names of the options that it takes.
        sampler: The sampler that it uses; ``None`` if the server chooses it.
        scheduler: The scheduler, likewise.
    """

    def obstacle(option: SamplingOption) -> str:
        if option.name not in names:
            return phrase("{} does not take it", drawer)
        if sampler and option.samplers and sampler not in option.samplers:
            return phrase("{sampler=} does not take it", sampler=sampler)
        if scheduler in option.fixed_schedulers:
            return phrase("{scheduler=} does not take it", scheduler=scheduler)
        if option.fixed_schedulers and options.sigmas is not None:
            return phrase("{sigmas} sets the noise levels")
        if option.needs and getattr(options, option.needs) is None:
            return phrase("it needs {}", Argument(option.needs))
        return ""

    effective, notes = {}, []
    for option in SAMPLING_OPTIONS:
        value = getattr(options, option.name)
        if value is None:
            continue
        reason = obstacle(option)
        if reason:
            notes.append(phrase("{} has no effect: {}", Argument(option.name), reason))
        else:
            effective[option.name] = value
    return effective, tuple(notes)
