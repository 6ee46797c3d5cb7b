"""How a model uses pictures, found by planning drawings of it."""

from dataclasses import dataclass
from typing import Any

from gpustack_draw import DrawError, DrawRequest, DrawSettings, Model, PictureOptions, Raster

_SIDE = 64  # pixels of the pictures in the plans
# How one picture is used, by the mode of the drawing that it makes.
_IMAGE_USES = {"img2img": "start", "edit": "reference", "control": "control"}


@dataclass(frozen=True)
class PictureUses:
    """How a model uses pictures.

    Attributes:
        modes: Modes that it can draw in, such as ``txt2img`` and ``inpaint``.
        image_use: How it uses one picture: ``start``, ``reference``, ``control`` or ``none``.
        strength: Its default strength for one picture; ``None`` if it has none.
        size_multiple: Sides of its pictures are multiples of this, in pixels; ``None`` if it draws
            nothing without a picture.
    """

    modes: tuple[str, ...]
    image_use: str
    strength: float | None
    size_multiple: int | None


def find_uses(model: Model) -> PictureUses:
    """Find out how a model uses pictures. Takes a part of a second, without the engine."""
    picture, mask = _square(b"\x80"), _square(b"\xff")
    alone = _plan(model, DrawRequest(prompt="", size=(1, 1)))
    one = _plan(model, _request(image=picture))
    started = _plan(model, _request(image=picture, strength=0.5))
    masked = _plan(model, _request(image=picture, mask=mask))
    found = [each for each in (alone, one, started, masked) if each is not None]
    return PictureUses(
        modes=tuple(dict.fromkeys(each.mode for each in found)),
        image_use="none" if one is None else _IMAGE_USES.get(one.mode, "none"),
        strength=None if one is None else one.strength,
        size_multiple=None if alone is None else alone.width,
    )


def _plan(model: Model, request: DrawRequest) -> DrawSettings | None:
    """Return the settings of a drawing; ``None`` for one that the model cannot draw."""
    try:
        return model.settings(request)[0]
    except DrawError:
        return None


def _square(value: bytes) -> Raster:
    return Raster(value * 3 * _SIDE * _SIDE, _SIDE, _SIDE)


def _request(**pictures: Any) -> DrawRequest:
    return DrawRequest(prompt="", pictures=PictureOptions(**pictures))
