"""The parameters of a picture that tell how its drawing used input pictures.

The names are those of AUTOMATIC1111's web UI (modules/processing.py) where it has them. Input
pictures are named by the start of their SHA-256 digest, never by a path, which is private.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gpustack_draw.errors import UsageError
from gpustack_draw.phrases import Argument, phrase
from gpustack_draw.request.draw_settings import DrawSettings, PictureSettings
from gpustack_draw.request.options import MASK_BLUR, STRENGTH
from gpustack_draw.request.picture_options import as_tuple
from gpustack_draw.request.picture_values import ALPHA, parse_expand, parse_fit, parse_padding

_IMAGE_HASH = "Init image hash"
_MASK_HASH = "Mask hash"
_REFERENCE_HASHES = "Reference hashes"
_CONTROL_HASH = "Control image hash"
_MASK_MODE, _INVERTED = "Mask mode", "Inpaint not masked"
_AREA, _ONLY_MASKED = "Inpaint area", "Only masked"
_PADDING = "Masked area padding"
_EXPAND = "Expand"
_FIT = "Fit"


@dataclass(frozen=True, kw_only=True)
class InputParameters:
    """How a picture was drawn from others, according to its parameters.

    Attributes:
        options: Values of fields of :class:`PictureOptions` that are no pictures, by name.
        image_hash: The picture that it was started from; empty for none.
        mask_hash: The picture of the mask; empty for none.
        reference_hashes: The pictures that the model looked at.
        control_hash: The control picture; empty for none.
    """

    options: Mapping[str, Any]
    image_hash: str = ""
    mask_hash: str = ""
    reference_hashes: tuple[str, ...] = ()
    control_hash: str = ""

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
            return dict(named)
        images, references = (len(as_tuple(named.get(name))) for name in ("image", "ref_image"))
        used = 1 if self.image_hash or self.control_hash else 0
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
        _CONTROL_HASH: pictures.control_hash or None,
    }


def read_inputs(pairs: Mapping[str, str]) -> InputParameters:
    """Read how a picture was drawn from others; values that cannot be used are left out.

    Args:
        pairs: The parameters of a picture of this program, by name.
    """
    options: dict[str, Any] = {}

    def take(argument: str, name: str, parse: Callable[[str], object]) -> None:
        try:
            options[argument] = parse(pairs[name])
        except (KeyError, UsageError):
            return

    take("strength", STRENGTH.parameter, STRENGTH.parse)
    take("mask_blur", MASK_BLUR.parameter, MASK_BLUR.parse)
    take("expand", _EXPAND, parse_expand)
    take("fit", _FIT, parse_fit)
    if pairs.get(_AREA) == _ONLY_MASKED:
        take("masked_only", _PADDING, parse_padding)
    if pairs.get(_MASK_MODE) == _INVERTED:
        options["mask_invert"] = True
    return InputParameters(
        options=options,
        image_hash=pairs.get(_IMAGE_HASH, ""),
        mask_hash=pairs.get(_MASK_HASH, ""),
        reference_hashes=tuple(pairs.get(_REFERENCE_HASHES, "").split()),
        control_hash=pairs.get(_CONTROL_HASH, ""),
    )
