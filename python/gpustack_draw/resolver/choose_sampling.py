"""Fit the sampling options of a request to a model."""

from collections.abc import Sequence
from typing import Any

from gpustack_draw.errors import UsageError
from gpustack_draw.phrases import Argument, phrase
from gpustack_draw.request.draw_request import DrawRequest
from gpustack_draw.request.options import DEFAULT_SLG_SCALE, SKIP_LAYER_SHARES, SKIP_OPTIONS
from gpustack_draw.request.sampling import chosen_numbers, effective_numbers
from gpustack_draw.resolver.resolved_model import ResolvedModel


def choose_sampling(
    request: DrawRequest, model: ResolvedModel, sampler: str
) -> tuple[str | None, dict[str, Any], tuple[str, ...]]:
    """Fill in the sampling options that a request leaves to the model.

    Args:
        request: What to draw.
        model: The model, with its defaults.
        sampler: The sampler.

    Returns:
        The scheduler, which is ``None`` if the request has noise levels; the values of the fields
        of :class:`SamplingOptions`; and notes for the user on options without effect.

    Raises:
        UsageError: The scheduler or the noise levels do not fit the model or the steps, or the
            model lacks a layer to skip, or it cannot draw seamless pictures.
    """
    family, defaults = model.family, model.defaults
    scheduler = None if request.sigmas is not None else request.scheduler or defaults.scheduler
    is_titled = not model.variant or model.variant in family.title.lower()
    drawer = family.title if is_titled else f"{family.title} ({model.variant})"
    chosen, notes = effective_numbers(request, drawer, family.options, sampler, scheduler)
    own = chosen_numbers(defaults).items()
    sampling = {name: value for name, value in own if name in family.options} | chosen
    if scheduler is None:
        sampling["sample_steps"] = len(sampling["sigmas"]) - 1
        _check_sigmas(sampling["sigmas"], model)
    else:
        check_scheduler(scheduler, sampling["sample_steps"], model)
    if request.tile is not None:
        notes += _notes_on_tile(model)
    if "skip_layers" in sampling:
        notes += _choose_guided_steps(sampling, model)
    return scheduler, sampling, notes


def _notes_on_tile(model: ResolvedModel) -> tuple[str, ...]:
    """Refuse a seamless picture of a model whose picture would have seams."""
    if "tile" not in model.family.options:
        raise UsageError(
            f"{model.family.title} cannot draw seamless pictures: only its VAE joins the edges",
            hint=phrase("leave {tile} out, or use another model"),
            argument="tile",
        )
    if model.source != "demo":
        return ()
    return (phrase("with {tile}, the demo model can deform what it draws, or leave it out"),)


def _choose_guided_steps(sampling: dict[str, Any], model: ResolvedModel) -> tuple[str, ...]:
    """Fill in the scale of skip-layer guidance, or leave out all of it where no step has it."""
    layers, last = model.family.layers, max(sampling["skip_layers"])
    if layers and last >= layers:
        raise UsageError(
            f"layer {last} does not exist: this model has the layers 0 to {layers - 1}",
            hint=phrase("name others with {skip_layers}"),
            argument="skip_layers",
        )
    sampling.setdefault("slg_scale", DEFAULT_SLG_SCALE)
    start, end = (sampling.get(name, share) for name, share in SKIP_LAYER_SHARES.items())
    steps = sampling["sample_steps"]
    # The steps from 1 on that the engine guides, as it computes them.
    first, behind = int(start * (steps + 1)) + 1, int(end * (steps + 1))
    if first < behind:
        return ()
    for name in SKIP_OPTIONS:
        sampling.pop(name, None)
    plural = "" if steps == 1 else "s"
    return (
        phrase(
            "{skip_layers} has no effect: it guides none of {} step{} with {skip_layer_start=} and"
            " {skip_layer_end=}",
            str(steps),
            plural,
            skip_layer_start=start,
            skip_layer_end=end,
        ),
    )


def check_scheduler(
    scheduler: str, steps: int, model: ResolvedModel, argument: str = "sample_steps"
) -> None:
    """Refuse what the engine draws noise with, or crashes on.

    It has noise levels of ``ays`` for two families, and takes one step less than it is asked for as
    an index or divisor in three schedulers (``src/denoiser.hpp``; seen with 0.4.7's source).

    Args:
        scheduler: The scheduler.
        steps: Steps of the whole schedule.
        model: The model.
        argument: The argument that chooses them.

    Raises:
        UsageError: The scheduler does not fit the model or the steps.
    """
    if scheduler == "ays" and not model.family.has_ays:
        raise UsageError(
            f"scheduler 'ays' does not fit this model, which is {model.family.title}:"
            " it is for Stable Diffusion 1 and XL",
            hint=phrase(
                "leave {scheduler} out, or type {scheduler=}", scheduler=model.defaults.scheduler
            ),
            argument="scheduler",
        )
    if scheduler in {"gits", "karras", "exponential"} and steps == 1:
        raise UsageError(
            f"scheduler '{scheduler}' cannot draw in one step",
            hint=phrase("type {} or more, or another {scheduler}", Argument(argument, "2")),
            argument=argument,
        )


def _check_sigmas(sigmas: Sequence[float], model: ResolvedModel) -> None:
    """Refuse noise levels that a flow model does not have."""
    if not model.family.unet and sigmas[0] > 1:
        raise UsageError(
            f"the noise levels start at {sigmas[0]:g}, and those of {model.family.title} are at"
            " most 1, which is all noise",
            hint=phrase("for example {sigmas='1,0.75,0.5,0.25,0'}"),
            argument="sigmas",
        )
