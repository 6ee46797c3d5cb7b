"""The parameters of a picture, in the form of Stable Diffusion web UIs."""

from collections.abc import Mapping
from functools import cache
from typing import Protocol

from gpustack_draw.pictures.hires_parameters import hires_pairs
from gpustack_draw.pictures.infotext import write_text
from gpustack_draw.pictures.lora_parameters import lora_pairs, prompt_with_tags
from gpustack_draw.pictures.picture_parameters import input_pairs
from gpustack_draw.pictures.upscaled_text import Upscaled
from gpustack_draw.request.draw_settings import DrawSettings
from gpustack_draw.request.options import SAMPLE_STEPS, SAMPLING_OPTIONS, SEED, text_of
from gpustack_draw.request.web_ui_names import SAMPLER_TITLES, SCHEDULER_TITLES

PROGRAM = "gpustack-draw"  # start of the value of Version
# Pairs that web UIs do not have: the reference of the model, where theirs is a name, and the
# components that the user chose. Paths stay out of the picture: they are private.
REFERENCE = "Model reference"
USER_COMPONENTS = "User components"
EMBEDDING_HASHES = "TI hashes"  # as web UIs name textual inversions


class Drawn(Protocol):
    """The attributes of a :class:`Picture` that its parameters hold."""

    settings: DrawSettings
    model: str
    reference: str
    user_components: tuple[str, ...]
    embeddings: Mapping[str, str] | None
    upscaled: Upscaled | None


def parameters_text(picture: Drawn) -> str:
    """Return the parameters of a picture in the form of Stable Diffusion web UIs."""
    settings = picture.settings
    prompt = prompt_with_tags(settings.prompt, settings.loras)
    return write_text(prompt, settings.negative_prompt, _pairs(picture))


def _pairs(picture: Drawn) -> dict[str, str]:
    settings = picture.settings
    embeddings = (picture.embeddings or {}).items()
    numbers = {option.parameter: text_of(option, settings) for option in SAMPLING_OPTIONS}
    pairs: dict[str, object] = {
        SAMPLE_STEPS.parameter: settings.sample_steps,
        "Sampler": settings.sampler and SAMPLER_TITLES.get(settings.sampler, settings.sampler),
        "Schedule type": (
            settings.scheduler and SCHEDULER_TITLES.get(settings.scheduler, settings.scheduler)
        ),
        **numbers,
        **input_pairs(settings),
        **hires_pairs(settings),
        SEED.parameter: settings.seed,
        # Web UIs write the size of the first pass, and for a masked area that was drawn alone the
        # size that it was drawn in.
        "Size": f"{settings.width}x{settings.height}",
        "Model": picture.model,
        **lora_pairs(settings.loras),
        REFERENCE: picture.reference or None,
        EMBEDDING_HASHES: ", ".join(f"{name}: {digest}" for name, digest in embeddings) or None,
        USER_COMPONENTS: " ".join(picture.user_components) or None,
        **(picture.upscaled.pairs if picture.upscaled is not None else {}),
        "Version": f"{PROGRAM} {package_version()}",
    }
    return {name: str(value) for name, value in pairs.items() if value is not None}


@cache
def package_version() -> str:
    """Return the installed version of this package."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("gpustack-draw")
    except PackageNotFoundError:  # run from a source tree that was never installed
        return "unknown"
