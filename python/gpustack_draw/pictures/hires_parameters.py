"""The parameters of a picture that tell how its second pass was drawn.

The names are those of AUTOMATIC1111's web UI (modules/processing.py). There, "Denoising strength"
is that of the second pass. Where a drawing also starts from an input picture, it is that picture's
here, and that of the second pass has a name of its own.

The web UI writes "Hires resize" instead of "Hires upscale" where the user has typed a size, and no
"Hires steps" where the second pass has as many as the first one.
"""

from collections.abc import Callable, Mapping
from typing import Any

from gpustack_draw.errors import UsageError
from gpustack_draw.request.draw_settings import DrawSettings
from gpustack_draw.request.hires_options import DEFAULT_UPSCALER
from gpustack_draw.request.model_reference import HubModel, parse_model_reference
from gpustack_draw.request.options import HIRES, HIRES_STEPS, HIRES_STRENGTH, STRENGTH
from gpustack_draw.request.web_ui_names import HIRES_UPSCALER_TITLES, hires_upscaler_named

HIRES_UPSCALER = "Hires upscaler"
_RESIZE = "Hires resize"
# The web UI's upscaler that leaves the scaling to Lanczos' method.
_NO_UPSCALER = "none"
HIRES_NAMES = (
    *(HIRES.parameter, _RESIZE, HIRES_STEPS.parameter, HIRES_UPSCALER),
    STRENGTH.parameter,
)
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


def read_web_ui_hires(
    pairs: Mapping[str, str], size: tuple[int, int] | None, steps: int | None
) -> dict[str, Any]:
    """Read the options of a second pass as web UIs write them; empty without one.

    Args:
        pairs: The parameters of the picture, by name.
        size: Width and height of the first pass.
        steps: Steps of the first pass.

    Returns:
        As :func:`read_hires` does.
    """
    if HIRES.parameter not in pairs and _RESIZE in pairs and size is not None:
        pairs = {**pairs, HIRES.parameter: _scale_of(pairs[_RESIZE], size)}
    options = read_hires(pairs)
    if options and steps is not None:
        options.setdefault("hires_steps", steps)
    return options


def _scale_of(resized: str, size: tuple[int, int]) -> str:
    """Return the factor from a size to a larger one of the same shape; empty if there is none.

    Args:
        resized: ``WIDTHxHEIGHT``; one side may be 0 and then follows from the other.
        size: Width and height of the first pass.
    """
    sides = resized.split("x")
    if len(sides) != 2 or not all(side.isdecimal() and len(side) < 6 for side in sides):
        return ""
    factors = [int(side) / before for side, before in zip(sides, size, strict=True) if int(side)]
    # Both sides were rounded to whole pixels, or to what the model needs.
    if not factors or max(factors) > 1.02 * min(factors):
        return ""
    return f"{max(factors):g}"


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
    if title.lower() == _NO_UPSCALER:
        name = DEFAULT_UPSCALER
    if not name:
        raise UsageError("an upscaling model, whose file the picture does not name")
    return name


def _hub_reference(text: str) -> str:
    # gpustack-draw never writes a path into a picture; opening one from a stranger is unsafe.
    if not isinstance(parse_model_reference(text), HubModel):
        raise UsageError("no address of a file on the hub")
    return text
