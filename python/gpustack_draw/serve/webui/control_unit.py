"""The units of the web UI's extension ControlNet (Mikubill/sd-webui-controlnet), in a request.

``alwayson_scripts.controlnet.args`` lists them. One of them can be used here: a model follows one
picture, and has the ControlNet that the server was started with, if any.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gpustack_draw.errors import UsageError, quoted
from gpustack_draw.serve.webui.body import Body
from gpustack_draw.serve.webui.pictures_in import decode_picture

CONTROL_NET = "controlnet"  # name of the extension, in any case
MODULES = ("none", "canny")  # what can be done to the picture before
_FIELD = "alwayson_scripts"
_NAMES = ("image", "input_image")  # of the field with the picture
_HASH = re.compile(r"\s*\[[0-9a-fA-F]*\]$")  # after the name of a model
_FITS = {
    "0": "stretch",
    "just resize": "stretch",
    "resize": "stretch",
    "1": "crop",
    "crop and resize": "crop",
    "inner fit (scale to fit)": "crop",
    "2": "pad",
    "resize and fill": "pad",
    "outer fit (shrink to fit)": "pad",
}
# Fields that would change a picture, and the values that leave it as it is.
_WITHOUT_EFFECT: Mapping[str, tuple[object, ...]] = {
    "mask": ("",),
    "mask_image": ("",),
    "guidance_start": (0,),
    "guidance_end": (1,),
    "guidance": (1,),
    "guessmode": (False,),
    "control_mode": (0, "0", "Balanced"),
}


@dataclass(frozen=True, kw_only=True)
class ControlUnit:
    """A unit that a drawing follows.

    Attributes:
        model: Name of the ControlNet; empty for the model's own.
        pictures: Arguments of :class:`gpustack_draw.PictureOptions`.
        fit: How the picture is fitted to the size: ``crop``, ``pad`` or ``stretch``.
        ignored: Names of its fields that have no effect here.
    """

    model: str = ""
    pictures: Mapping[str, Any] = field(default_factory=dict)
    fit: str = "crop"
    ignored: tuple[str, ...] = ()


def read_control_unit(body: Body, start: object = None) -> ControlUnit | None:
    """Read the unit of a request; ``None`` without one that is enabled.

    Args:
        body: The request.
        start: The picture of img2img, which a unit without a picture follows.

    Raises:
        UsageError: A value is not allowed, or several units are enabled.
    """
    scripts = body.part(_FIELD).values
    name = next((each for each in scripts if each.lower() == CONTROL_NET), None)
    if name is None:
        return None
    try:
        return _read(Body(scripts).part(name), start)
    except UsageError as error:
        error.argument = _FIELD
        raise


def _read(script: Body, start: object) -> ControlUnit | None:
    units = [Body(unit) for unit in script.items("args") if isinstance(unit, dict)]
    enabled = [unit for unit in units if unit.flag("enabled", default=True)]
    if not enabled:
        return None
    if len(enabled) > 1:
        raise UsageError(
            f"{len(enabled)} ControlNet units are enabled",
            hint="enable one: a model follows one picture",
        )
    (unit,) = enabled
    return ControlUnit(
        model=_model(unit),
        pictures={
            "control_image": decode_picture(_picture(unit) or start, "image"),
            "control_strength": unit.number("weight"),
            "canny": _module(unit) == "canny",
        },
        fit=_fit(unit),
        ignored=tuple(
            f"controlnet.{name}"
            for name, values in _WITHOUT_EFFECT.items()
            if name in unit.values and unit.values[name] not in values
        ),
    )


def _model(unit: Body) -> str:
    name = _HASH.sub("", unit.text("model").strip())
    return "" if name.lower() == "none" else name


def _module(unit: Body) -> str:
    name = unit.text("module", "none").strip().lower() or "none"
    if name not in MODULES:
        raise UsageError(
            f"there is no preprocessor {quoted(name)} on this server",
            hint='send the picture that it makes with the module "none"; "canny" finds edges',
        )
    return name


def _picture(unit: Body) -> object:
    """Return the picture, which may be in an object beside its mask."""
    found = next((unit.values[name] for name in _NAMES if unit.values.get(name)), None)
    return found.get("image") if isinstance(found, dict) else found


def _fit(unit: Body) -> str:
    mode = unit.values.get("resize_mode", 1)
    name = str(mode).strip().lower()
    if name not in _FITS:
        raise UsageError(f"{quoted(mode)} is not a resize mode, 0 to 2")
    return _FITS[name]
