"""The parameters of a picture that tell how its second pass was drawn.

The names are those of AUTOMATIC1111's web UI (modules/processing.py). There, "Denoising strength"
is that of the second pass. Where a drawing also starts from an input picture, it is that picture's
here, and that of the second pass has a name of its own.
"""

from collections.abc import Callable, Mapping
from typing import Any

from gpustack_draw.errors import UsageError
from gpustack_draw.request.draw_settings import DrawSettings
from gpustack_draw.request.model_reference import HubModel, parse_model_reference
from gpustack_draw.request.options import HIRES, HIRES_STEPS, HIRES_STRENGTH, STRENGTH
from gpustack_draw.request.web_ui_names import HIRES_UPSCALER_TITLES, hires_upscaler_named

HIRES_UPSCALER = "Hires upscaler"
# A name of this program: the reference of an upscaling model on the hub. Paths are private.
_REFERENCE = "Hires upscaler reference"


def hires_pairs(settings: DrawSettings) -> dict[str, object]:
    """Return the parameters of the second pass by name; empty without one."""
    hires = settings.hires
    if hires is None:
        return {}
    strength = STRENGTH if settings.strength is None else HIRES_STRENGTH
    return {
        strength.parameter: f"{hires.strength:g}",
        HIRES.parameter: f"{hires.scale:g}",
        HIRES_STEPS.parameter: hires.steps,
        HIRES_UPSCALER: HIRES_UPSCALER_TITLES.get(hires.upscaler, hires.upscaler),
        _REFERENCE: hires.reference or None,
    }


def read_hires(pairs: Mapping[str, str]) -> dict[str, Any]:
    """Read the options of a second pass; empty without one.

    Args:
        pairs: The parameters of a picture of this program, by name.

    Returns:
        Values of fields of :class:`HiresOptions`; those that cannot be used are left out.
    """
    options: dict[str, Any] = {}

    def take(argument: str, name: str, parse: Callable[[str], object]) -> None:
        try:
            options[argument] = parse(pairs[name])
        except (KeyError, UsageError):
            return

    take("hires", HIRES.parameter, HIRES.parse)
    if not options:
        return {}
    take("hires_upscaler", HIRES_UPSCALER, _known_upscaler)
    take("hires_upscaler", _REFERENCE, _hub_reference)
    take("hires_steps", HIRES_STEPS.parameter, HIRES_STEPS.parse)
    own = HIRES_STRENGTH.parameter in pairs
    strength = HIRES_STRENGTH.parameter if own else STRENGTH.parameter
    take("hires_strength", strength, HIRES_STRENGTH.parse)
    return options


def _known_upscaler(title: str) -> str:
    name = hires_upscaler_named(title)
    if not name:
        raise UsageError("an upscaling model, whose file the picture does not name")
    return name


def _hub_reference(text: str) -> str:
    # gpustack-draw never writes a path into a picture; opening one from a stranger is unsafe.
    if not isinstance(parse_model_reference(text), HubModel):
        raise UsageError("no address of a file on the hub")
    return text
