"""Input pictures and a model become numbers of the engine."""

from gpustack_draw.inputs.engine_pictures import EnginePictures
from gpustack_draw.request.draw_settings import DrawSettings
from gpustack_draw.resolver.denoising_start import DenoisingStart, denoising_start, last_steps
from gpustack_draw.resolver.families import Family


def picture_numbers(
    pictures: EnginePictures,
    settings: DrawSettings,
    family: Family,
    strength: float | None,
    start: DenoisingStart | None = None,
) -> dict[str, float]:
    """Return the numbers that the engine needs beside the pictures.

    Args:
        pictures: The pictures.
        settings: The drawing.
        family: The family of the model, with its default strength.
        strength: 0 to 1; ``None`` for that default.
        start: The steps to run; ``None`` for those that follow from the strength.
    """
    numbers: dict[str, float] = {}
    if pictures.image is not None:
        if strength is None:
            strength = family.pictures.default_strength(masked=pictures.mask is not None)
        if start is None:
            start = _start_of(strength, settings)
        numbers |= {"sample_steps": start.schedule_steps, "strength": start.engine_strength}
    if settings.control_strength is not None:
        numbers["control_strength"] = settings.control_strength
    if len(pictures.references) > 1 and family.pictures.increase_ref_index:
        numbers["increase_ref_index"] = 1
    return numbers


def _start_of(strength: float, settings: DrawSettings) -> DenoisingStart:
    assert settings.sample_steps is not None
    if settings.scheduler is None:  # beside noise levels
        return last_steps(strength, settings.sample_steps)
    return denoising_start(strength, settings.sample_steps, settings.scheduler)
