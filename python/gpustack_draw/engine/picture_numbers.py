"""Input pictures and a model become numbers of the engine."""

from gpustack_draw.engine.denoising_start import denoising_start
from gpustack_draw.errors import UsageError
from gpustack_draw.inputs.engine_pictures import EnginePictures
from gpustack_draw.request.draw_settings import DrawSettings
from gpustack_draw.resolver.families import Family

# Pixels; cpp/engine/input_pictures.h checks it for all families.
REFERENCE_MULTIPLE = 16


def check_pictures(pictures: EnginePictures, settings: DrawSettings, family: Family) -> None:
    """Check that pictures fit a drawing and a model, before the model is loaded.

    Raises:
        UsageError: They do not.
    """
    takes = family.pictures
    if pictures.image is not None and not takes.start:
        raise UsageError(f"{family.title} cannot start from a picture")
    if pictures.control is not None and "control" not in takes.concatenated:
        raise UsageError(f"{family.title} takes no control picture")
    if pictures.references and takes.references == "none" and "reference" not in takes.concatenated:
        raise UsageError(f"{family.title} takes no references")
    sized = {"image": pictures.image, "mask": pictures.mask, "control": pictures.control}
    for name, array in sized.items():
        if array is not None and array.shape[:2] != (settings.height, settings.width):
            height, width = array.shape[:2]
            raise UsageError(
                f"{name} is {width}x{height}, but the drawing is {settings.width}x{settings.height}"
            )
    multiple = max(takes.reference_multiple, REFERENCE_MULTIPLE)
    for number, array in enumerate(pictures.references, start=1):
        height, width = array.shape[:2]
        if height % multiple or width % multiple:
            raise UsageError(
                f"reference {number} is {width}x{height}, but its sides must be multiples of"
                f" {multiple}"
            )


def picture_numbers(
    pictures: EnginePictures, settings: DrawSettings, family: Family, strength: float | None
) -> dict[str, float]:
    """Return the numbers that the engine needs beside the pictures.

    Args:
        pictures: The pictures.
        settings: The drawing.
        family: The family of the model, with its default strength.
        strength: 0 to 1; ``None`` for that default.
    """
    numbers: dict[str, float] = {}
    if pictures.image is not None:
        if strength is None:
            strength = family.pictures.default_strength(masked=pictures.mask is not None)
        assert settings.sample_steps is not None
        assert settings.scheduler is not None
        start = denoising_start(strength, settings.sample_steps, settings.scheduler)
        numbers |= {"sample_steps": start.schedule_steps, "strength": start.engine_strength}
    if len(pictures.references) > 1 and family.pictures.increase_ref_index:
        numbers["increase_ref_index"] = 1
    return numbers
