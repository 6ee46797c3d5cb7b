"""How a picture was drawn, in the words of Stable Diffusion web UIs."""

from functools import cache
from typing import Protocol

from gpustack_draw.pictures.infotext import write_text
from gpustack_draw.request.draw_settings import DrawSettings
from gpustack_draw.request.options import SAMPLE_STEPS, SAMPLING_OPTIONS, SEED
from gpustack_draw.request.web_ui_names import SAMPLER_TITLES, SCHEDULER_TITLES
from gpustack_draw.resolver.families import takes_guidance

PROGRAM = "gpustack-draw"  # as the value of Version begins
# Pairs that web UIs do not have: the reference of the model, where theirs is a name, and the
# components that the user chose. Paths stay out of the picture: they are private.
REFERENCE = "Model reference"
USER_COMPONENTS = "User components"


class Drawn(Protocol):
    """A drawn picture, as far as its parameters tell about it; see :class:`Picture`."""

    settings: DrawSettings
    model: str
    reference: str
    user_components: tuple[str, ...]
    family: str

    @property
    def width(self) -> int:
        """Width in pixels."""

    @property
    def height(self) -> int:
        """Height in pixels."""


def parameters_text(picture: Drawn) -> str:
    """Write how a picture was drawn in the form Stable Diffusion web UIs write and read."""
    settings = picture.settings
    return write_text(settings.prompt, settings.negative_prompt, _pairs(picture))


def _pairs(picture: Drawn) -> dict[str, str]:
    settings = picture.settings
    numbers = {
        option.parameter: number_text(getattr(settings, option.name)) for option in SAMPLING_OPTIONS
    }
    pairs: dict[str, object] = {
        SAMPLE_STEPS.parameter: settings.sample_steps,
        "Sampler": settings.sampler and SAMPLER_TITLES.get(settings.sampler, settings.sampler),
        "Schedule type": (
            settings.scheduler and SCHEDULER_TITLES.get(settings.scheduler, settings.scheduler)
        ),
        **numbers,
        "Distilled CFG Scale": number_text(settings.guidance),
        SEED.parameter: settings.seed,
        "Size": f"{picture.width}x{picture.height}",
        "Model": picture.model,
        REFERENCE: picture.reference or None,
        USER_COMPONENTS: " ".join(picture.user_components) or None,
        "Version": f"{PROGRAM} {package_version()}",
    }
    if not takes_guidance(picture.family):
        del pairs["Distilled CFG Scale"]
    return {name: str(value) for name, value in pairs.items() if value is not None}


def number_text(value: float | None) -> str | None:
    """Write a number as people do: 7, 4.5."""
    if value is None:
        return None
    return str(int(value)) if value == int(value) else repr(value)


@cache
def package_version() -> str:
    """Give this package's version, as installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("gpustack-draw")
    except PackageNotFoundError:  # run from a source tree that was never installed
        return "unknown"
