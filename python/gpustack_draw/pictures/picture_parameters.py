"""The parameters of a picture that tell how its drawing used input pictures.

The names are those of AUTOMATIC1111's web UI (modules/processing.py) where it has them. Input
pictures are named by the start of their SHA-256 digest, never by a path, which is private.
"""

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from gpustack_draw.errors import UsageError
from gpustack_draw.phrases import Argument, phrase
from gpustack_draw.request.draw_settings import DrawSettings, PictureSettings
from gpustack_draw.request.options import CONTROL_STRENGTH, MASK_BLUR, STRENGTH
from gpustack_draw.request.picture_options import as_tuple
from gpustack_draw.request.picture_values import ALPHA, parse_expand, parse_fit, parse_padding

_IMAGE_HASH = "Init image hash"
_MASK_HASH = "Mask hash"
_REFERENCE_HASHES = "Reference hashes"
_CONTROL_HASH = "Control image hash"
# A list of pairs, as the web UI's extension for ControlNets writes it; the last weight is the real
# one, whatever the name of the file.
_CONTROL_NET = "ControlNet 0"
_CANNY, _NO_MODULE = "canny", "none"
_MODULE = re.compile(r"Module: (\w{1,40})")
_WEIGHT = re.compile(r", Weight: ([0-9.]{1,40})")
# For a control model, which has no ControlNet.
_CONTROL_MODULE = "Control module"
_MASK_MODE, _INVERTED = "Mask mode", "Inpaint not masked"
_AREA, _ONLY_MASKED = "Inpaint area", "Only masked"
_PADDING = "Masked area padding"
_EXPAND = "Expand"
_FIT = "Fit"


@dataclass(frozen=True, kw_only=True)
class InputParameters:
    """How a picture was drawn from others, according to its parameters.

    Attributes:
        options: Values of fields of :class:`PictureOptions` that are no pictures, by name. Those
            of another program's picture are used if a picture is named.
        image_hash: The picture that it was started from; empty for none.
        mask_hash: The picture of the mask; empty for none.
        reference_hashes: The pictures that the model looked at.
        control_hash: The control picture; empty for none.
        has_control_net: Whether a ControlNet followed it.
    """

    options: Mapping[str, Any]
    image_hash: str = ""
    mask_hash: str = ""
    reference_hashes: tuple[str, ...] = ()
    control_hash: str = ""
    has_control_net: bool = False

    def __bool__(self) -> bool:
        """Return True if there was any input picture."""
        return bool(self.image_hash or self.reference_hashes or self.control_hash)

    def completed(self, named: Mapping[str, Any], label: str) -> dict[str, Any]:
        """Return the fields of PictureOptions for drawing the picture again.

        Args:
            named: Those that the caller names, which replace those of the picture.
            label: Name of the picture in messages.

        Raises:
            UsageError: An input picture is not named.
        """
        if not self:
            return {**self.options, **named} if as_tuple(named.get("image")) else dict(named)
        named = self._with_control_image(named, label)
        images, references = (len(as_tuple(named.get(name))) for name in ("image", "ref_image"))
        used = 1 if self.image_hash else 0
        needed = len(self.reference_hashes)
        if images < used:
            raise _missing(label, "was drawn from another picture", "image")
        if images - used + references < needed:
            others = "another picture" if needed == 1 else f"{needed} other pictures"
            raise _missing(label, f"was drawn by looking at {others}", "image")
        options = dict(self.options)
        if self.image_hash and self.mask_hash == self.image_hash:
            options["mask"] = ALPHA
        elif self.mask_hash and named.get("mask") is None:
            raise _missing(label, "was drawn with a mask", "mask")
        return {**options, **named}

    def _with_control_image(self, named: Mapping[str, Any], label: str) -> Mapping[str, Any]:
        """Return the named fields with the control picture, which ``image`` may name.

        Models that were trained to follow a control picture take that of ``image``.
        """
        if not self.control_hash or named.get("control_image") is not None:
            return named
        images = as_tuple(named.get("image"))
        if not images or self.image_hash or self.has_control_net:
            raise _missing(label, "was drawn with a control picture", "control_image")
        return {**named, "control_image": images[0], "image": images[1:]}


def _missing(label: str, how: str, argument: str) -> UsageError:
    return UsageError(
        f"{label} {how}, whose file it does not name",
        hint=phrase("name it again with {}", Argument(argument)),
        argument=argument,
    )


def input_pairs(settings: DrawSettings) -> dict[str, object]:
    """Return the parameters of a drawing with input pictures by name, ``None`` for unused ones."""
    pictures = settings.pictures or PictureSettings()
    is_masked_only = pictures.masked_only is not None
    expand = None if pictures.expand is None else ",".join(map(str, pictures.expand))
    strength = settings.strength
    return {
        STRENGTH.parameter: None if strength is None else f"{strength:g}",
        _MASK_MODE: _INVERTED if pictures.mask_invert else None,
        MASK_BLUR.parameter: pictures.mask_blur,
        _AREA: _ONLY_MASKED if is_masked_only else None,
        _PADDING: pictures.masked_only,
        _EXPAND: expand,
        _FIT: pictures.fit,
        _IMAGE_HASH: pictures.image_hash or None,
        _MASK_HASH: pictures.mask_hash or None,
        _REFERENCE_HASHES: " ".join(pictures.reference_hashes) or None,
        _CONTROL_NET: _control_net_pairs(settings, pictures) if pictures.control_net else None,
        _CONTROL_MODULE: _CANNY if pictures.canny and not pictures.control_net else None,
        _CONTROL_HASH: pictures.control_hash or None,
    }


def _control_net_pairs(settings: DrawSettings, pictures: PictureSettings) -> str:
    pairs = {
        "Module": _CANNY if pictures.canny else _NO_MODULE,
        "Model": pictures.control_net,
        "Weight": f"{settings.control_strength:g}",
        "Guidance Start": 0,
        "Guidance End": 1,
        "Control Mode": "Balanced",
    }
    return ", ".join(f"{name}: {value}" for name, value in pairs.items())


def read_strength(pairs: Mapping[str, str]) -> dict[str, float]:
    """Read the strength of another program's drawing from a picture; empty if there is none.

    Args:
        pairs: The parameters of the picture, by name.
    """
    with suppress(KeyError, UsageError):
        return {"strength": STRENGTH.parse(pairs[STRENGTH.parameter])}
    return {}


def read_inputs(pairs: Mapping[str, str]) -> InputParameters:
    """Read how a picture was drawn from others; values that cannot be used are left out.

    Args:
        pairs: The parameters of a picture of this program, by name.
    """
    if not pairs.keys() & {_IMAGE_HASH, _REFERENCE_HASHES, _CONTROL_HASH}:
        return InputParameters(options={})
    options: dict[str, Any] = {}

    def take_text(argument: str, text: str, parse: Callable[[str], object]) -> None:
        with suppress(UsageError):
            options[argument] = parse(text)

    def take(argument: str, name: str, parse: Callable[[str], object]) -> None:
        if name in pairs:
            take_text(argument, pairs[name], parse)

    take("strength", STRENGTH.parameter, STRENGTH.parse)
    take("mask_blur", MASK_BLUR.parameter, MASK_BLUR.parse)
    take("expand", _EXPAND, parse_expand)
    take("fit", _FIT, parse_fit)
    if pairs.get(_AREA) == _ONLY_MASKED:
        take("masked_only", _PADDING, parse_padding)
    if pairs.get(_MASK_MODE) == _INVERTED:
        options["mask_invert"] = True
    net = pairs.get(_CONTROL_NET, "")
    if weights := _WEIGHT.findall(net):
        take_text("control_strength", weights[-1], CONTROL_STRENGTH.parse)
    module = _MODULE.match(net)
    if _CANNY in (pairs.get(_CONTROL_MODULE), module and module[1]):
        options["canny"] = True
    return InputParameters(
        options=options,
        image_hash=pairs.get(_IMAGE_HASH, ""),
        mask_hash=pairs.get(_MASK_HASH, ""),
        reference_hashes=tuple(pairs.get(_REFERENCE_HASHES, "").split()),
        control_hash=pairs.get(_CONTROL_HASH, ""),
        has_control_net=_CONTROL_NET in pairs,
    )
