"""Choose the step cache of a drawing, or refuse one that the model cannot use."""

from gpustack_draw.errors import UsageError
from gpustack_draw.phrases import phrase
from gpustack_draw.request.draw_settings import DrawSettings
from gpustack_draw.request.step_cache import FAST, SPECTRUM, cache_parts
from gpustack_draw.resolver.denoising_start import start_of_strength
from gpustack_draw.resolver.families import Family

# In fewer steps, Spectrum skips three at most: it begins after four and ends before the last one.
FEWEST_STEPS = 12
# They evaluate the model twice per step, at noise levels that are no single series.
_TWO_EVALUATIONS = ("heun", "dpm2", "dpm++2s_a", "res_2s")


def choose_cache(settings: DrawSettings, family: Family) -> tuple[str | None, tuple[str, ...]]:
    """Choose the step cache of a drawing.

    Args:
        settings: The drawing, with ``cache`` as in the request.
        family: The family of its model.

    Returns:
        One of ``gpustack_draw.request.step_cache.STEP_CACHES``, with its threshold; ``None`` for
        no cache. And notes for the user.

    Raises:
        UsageError: The engine ignores this cache for the model, or draws something else with it.
    """
    if settings.cache is None:
        return None, ()
    mode, _ = cache_parts(settings.cache)
    if mode == FAST:
        return _fastest(settings)
    _check_kind(mode, family)
    if settings.skip_layers is not None and mode != SPECTRUM:
        raise UsageError(
            f"cache '{mode}' mixes the drawing up with the one of skip-layer guidance",
            hint=phrase("type {cache=}, or leave {skip_layers} out", cache=SPECTRUM),
            argument="cache",
        )
    return settings.cache, ()


def _fastest(settings: DrawSettings) -> tuple[str | None, tuple[str, ...]]:
    if settings.sampler in _TWO_EVALUATIONS:
        return None, (
            phrase(
                "{cache='fast'} is off: {sampler=} evaluates the model twice per step",
                sampler=settings.sampler,
            ),
        )
    steps = _run_steps(settings)
    if steps < FEWEST_STEPS:
        plural = "" if steps == 1 else "s"
        return None, (
            phrase(
                "{cache='fast'} is off: it needs {} steps, and the drawing has {}",
                str(FEWEST_STEPS),
                f"{steps} step{plural}",
            ),
        )
    return SPECTRUM, ()


def _run_steps(settings: DrawSettings) -> int:
    assert settings.sample_steps is not None
    if settings.strength is None:
        return settings.sample_steps
    start = start_of_strength(settings.strength, settings.sample_steps, settings.scheduler)
    return start.run_steps


def _check_kind(mode: str, family: Family) -> None:
    """Refuse a cache of the other kind of network, which the engine would leave out."""
    if mode == SPECTRUM or family.unet == (mode == "ucache"):
        return
    kinds = ("a UNet", "diffusion transformers") if family.unet else ("no UNet", "UNets")
    raise UsageError(
        f"cache '{mode}' is for {kinds[1]}, and {family.title} is {kinds[0]}",
        hint=phrase("type {cache=}", cache=SPECTRUM),
        argument="cache",
    )
