"""Input pictures and a model become numbers of the engine."""

from gpustack_draw.inputs.engine_pictures import EnginePictures
from gpustack_draw.request.draw_settings import DrawSettings
from gpustack_draw.resolver.denoising_start import DenoisingStart, start_of_strength
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
            assert settings.sample_steps is not None
            start = start_of_strength(strength, settings.sample_steps, settings.scheduler)
        numbers |= {"sample_steps": start.schedule_steps, "strength": start.engine_strength}
    if settings.control_strength is not None:
        numbers["control_strength"] = settings.control_strength
    if len(pictures.references) > 1 and family.pictures.increase_ref_index:
        numbers["increase_ref_index"] = 1
    return numbers
