"""Plan the second pass of a drawing, or refuse it with the reason."""

from collections.abc import Iterator

from gpustack_draw.errors import UsageError
from gpustack_draw.phrases import phrase
from gpustack_draw.request.draw_request import DrawRequest
from gpustack_draw.request.draw_settings import DrawSettings, HiresSettings
from gpustack_draw.request.hires_options import DEFAULT_HIRES_STRENGTH, DEFAULT_UPSCALER
from gpustack_draw.request.names import HIRES_UPSCALERS
from gpustack_draw.request.options import HIRES
from gpustack_draw.resolver.choose_sampling import check_scheduler
from gpustack_draw.resolver.denoising_start import (
    SCHEDULER_BESIDE_SIGMAS,
    denoising_start,
    start_of_run,
)
from gpustack_draw.resolver.resolved_model import ResolvedModel
from gpustack_draw.resolver.upscaler import Upscaler, find_upscaler
from gpustack_draw.units import round_up

_NOTHING_REMAINS = phrase(
    "with {hires_strength=1} nothing of the first pass remains; lower values keep more"
)


def find_hires_upscaler(request: DrawRequest) -> Upscaler | None:
    """Find the upscaling model of the second pass; ``None`` for an upscaler without one.

    Raises:
        DrawError: The model cannot be found or used; see :func:`find_upscaler`.
    """
    reference = request.hires_upscaler
    if reference is None or reference in HIRES_UPSCALERS:
        return None
    return find_upscaler(reference, argument="hires_upscaler")


def plan_hires(
    request: DrawRequest,
    first: DrawSettings,
    model: ResolvedModel,
    upscaler: Upscaler | None = None,
) -> tuple[HiresSettings, tuple[str, ...]]:
    """Choose the size, the steps and the strength of the second pass.

    Args:
        request: The request, with ``hires``.
        first: Settings of the first pass.
        model: The model.
        upscaler: The upscaling model; ``None`` for an upscaler without one.

    Returns:
        The settings of the second pass, and notes for the user.

    Raises:
        UsageError: The model cannot draw it, or a value does not fit.
    """
    assert request.hires is not None
    portable = upscaler.reference if upscaler and upscaler.hub_file else ""
    width, height = _size_of(request.hires, first, model)
    strength = request.hires_strength
    if strength is None:
        strength = DEFAULT_HIRES_STRENGTH
    hires = HiresSettings(
        scale=request.hires,
        width=width,
        height=height,
        upscaler=upscaler.name if upscaler else request.hires_upscaler or DEFAULT_UPSCALER,
        steps=_steps_of(request.hires_steps, strength, first, model),
        strength=strength,
        reference=portable,
    )
    _check_pictures(first, model)
    if hires.is_latent:
        _check_latent(first, model)
    notes: list[str] = [] if upscaler is None else list(upscaler.notes)
    notes += _notes_on_size(hires, first, model)
    if strength == 1 and not model.family.unet:
        notes.append(_NOTHING_REMAINS)
    return hires, tuple(notes)


def _size_of(scale: float, first: DrawSettings, model: ResolvedModel) -> tuple[int, int]:
    multiple, most = model.family.size_multiple, model.family.max_side
    before = f"{first.width}x{first.height}"
    width, height = (
        round_up(round(side * scale), multiple) for side in (first.width, first.height)
    )
    text = HIRES.describe(scale)
    if max(width, height) > most:
        raise UsageError(
            f"{text} times {before} is {width}x{height}: a side can have {most} pixels at most",
            hint=phrase("draw a smaller picture with {size}, or choose a smaller {hires}"),
            argument="hires",
        )
    if (width, height) == (first.width, first.height):
        raise UsageError(
            f"{text} times {before} is not larger: this model needs multiples of {multiple}",
            hint=phrase("choose a larger {hires}"),
            argument="hires",
        )
    return width, height


def _notes_on_size(
    hires: HiresSettings, first: DrawSettings, model: ResolvedModel
) -> Iterator[str]:
    width, height = (round(side * hires.scale) for side in (first.width, first.height))
    if (width, height) != (hires.width, hires.height):
        yield (
            f"{width}x{height} was rounded up to {hires.width}x{hires.height}: this model needs"
            f" multiples of {model.family.size_multiple}"
        )


def _steps_of(steps: int | None, strength: float, first: DrawSettings, model: ResolvedModel) -> int:
    """Return the number of steps that are run."""
    assert first.sample_steps is not None
    scheduler = first.scheduler or SCHEDULER_BESIDE_SIGMAS
    argument = "sample_steps" if steps is None else "hires_steps"
    if steps is None:
        steps = denoising_start(strength, first.sample_steps, scheduler).run_steps
    start = start_of_run(steps, strength, scheduler)
    check_scheduler(scheduler, start.schedule_steps, model, argument)
    return start.run_steps


def _check_pictures(first: DrawSettings, model: ResolvedModel) -> None:
    if not model.family.pictures.start:
        raise UsageError(
            f"{model.family.title} starts from no picture, and the second pass starts from one",
            hint=phrase("draw one pass: {hires=False}"),
            argument="hires",
        )
    if first.pictures is not None and first.pictures.masked_only is not None:
        raise UsageError(
            phrase("{hires} cannot enlarge a masked area that is drawn alone"),
            hint=phrase("leave {masked_only} out: then all of the picture is enlarged"),
            argument="hires",
        )


def _check_latent(first: DrawSettings, model: ResolvedModel) -> None:
    """Refuse pictures that keep the first size beside the latent; the engine would abort."""
    if first.mode == "inpaint":
        raise UsageError(
            "a latent upscaler cannot keep the picture outside of the mask",
            hint=phrase("type {hires_upscaler='lanczos'}"),
            argument="hires_upscaler",
        )
    if first.control_strength is not None:
        raise UsageError(
            "a latent upscaler cannot enlarge the control picture",
            hint=phrase("type {hires_upscaler='lanczos'}"),
            argument="hires_upscaler",
        )
    if model.family.pictures.concatenated:
        raise UsageError(
            f"{model.family.title} takes pictures of the latent's size, so its latent cannot be"
            " enlarged",
            hint=phrase("type {hires_upscaler='lanczos'}"),
            argument="hires_upscaler",
        )
