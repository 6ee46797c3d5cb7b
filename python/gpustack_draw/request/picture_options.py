"""The input pictures of a request, and how they are used. Nothing is read here."""

from dataclasses import dataclass
from typing import Any, TypeAlias, TypedDict

from gpustack_draw.errors import UsageError, quoted
from gpustack_draw.phrases import Argument, phrase
from gpustack_draw.request.options import CONTROL_STRENGTH, MASK_BLUR, STRENGTH
from gpustack_draw.request.picture_values import ALPHA, check_expand, check_fit, check_masked_only

# A path, the bytes of a file, a PIL image or a numpy array; their types take long to import.
PictureSource: TypeAlias = Any

# The options that need a picture to change.
_USES_OF_IMAGE = {
    "mask": "whose part it marks",
    "expand": "to expand",
    "strength": "to start from",
}
_OPTIONS_OF_MASK = ("mask_blur", "masked_only")


class PictureKeywords(TypedDict, total=False):
    """Keywords of the fields of :class:`PictureOptions`."""

    image: PictureSource
    ref_image: PictureSource
    control_image: PictureSource | None
    control_strength: float | None
    canny: bool
    strength: float | None
    mask: PictureSource | None
    mask_invert: bool
    mask_blur: int | None
    masked_only: int | bool | None
    expand: tuple[int, int, int, int] | int | str | None
    fit: str | None


@dataclass(frozen=True, kw_only=True, eq=False)
class PictureOptions:
    """The input pictures of a drawing, and how they are used.

    A picture is the path of a file, the bytes of a file, a PIL image, or a numpy array of shape
    (height, width, 3 or 4) and type uint8. Lists become tuples.

    Attributes:
        image: The picture to start from, or the pictures to edit with a model that was trained to
            edit; one, or a list.
        ref_image: Pictures that the model looks at; one, or a list.
        control_image: Picture that a ControlNet or a control model follows, such as edges or depth.
        control_strength: How closely the drawing follows it with a ControlNet, 0 (not at all) to 2;
            ``None`` for 1.
        canny: Follow the edges that are found in ``control_image``.
        strength: How much of ``image`` is redrawn, 0 to 1; ``None`` for the model's default. A
            model that was trained to edit then starts from the picture.
        mask: Picture of the area to redraw: white is redrawn and black is kept; in a picture with
            transparency, the opaque area is redrawn. ``"alpha"`` redraws the transparent area of
            ``image``, as image editors leave it where something was erased.
        mask_invert: Redraw the other area.
        mask_blur: Half the width, in pixels, of the blended border around the mask, 0 to 64;
            ``None`` for 4.
        masked_only: Draw only the masked area, with this many pixels around it, at the model's
            native size, and paste it into the picture; ``True`` for 32 pixels.
        expand: Pixels to add at the top, right, bottom and left, as numbers or as
            ``"128,0,128,0"``; one number for all sides.
        fit: How a picture of another shape is fitted to the size: ``crop``, ``pad`` or
            ``stretch``; ``None`` for ``crop``.

    Raises:
        UsageError: A value is not allowed, or lacks another that it needs.
    """

    image: PictureSource = ()
    ref_image: PictureSource = ()
    control_image: PictureSource | None = None
    control_strength: float | None = None
    canny: bool = False
    strength: float | None = None
    mask: PictureSource | None = None
    mask_invert: bool = False
    mask_blur: int | None = None
    masked_only: int | bool | None = None
    expand: tuple[int, int, int, int] | int | str | None = None
    fit: str | None = None

    def __post_init__(self) -> None:
        """Check every value but the pictures."""
        checked: dict[str, object] = {
            "image": as_tuple(self.image),
            "ref_image": as_tuple(self.ref_image),
            "masked_only": check_masked_only(self.masked_only),
        }
        for name in ("mask_invert", "canny"):
            value = getattr(self, name)
            if not isinstance(value, bool):
                raise UsageError(f"{quoted(value)} is not True or False", argument=name)
        if self.control_strength is not None:
            checked["control_strength"] = CONTROL_STRENGTH.check(self.control_strength)
        if self.strength is not None:
            checked["strength"] = STRENGTH.check(self.strength)
        if self.mask_blur is not None:
            checked["mask_blur"] = MASK_BLUR.check(self.mask_blur)
        if self.expand is not None:
            checked["expand"] = check_expand(self.expand)
        if self.fit is not None:
            checked["fit"] = check_fit(self.fit)
        for name, value in checked.items():
            object.__setattr__(self, name, value)
        self._check_needs()

    def __bool__(self) -> bool:
        """Return True if there is any input picture."""
        return bool(self.image or self.ref_image) or self.control_image is not None

    @property
    def mask_is_alpha(self) -> bool:
        """True if the mask is the transparency of the picture itself."""
        return isinstance(self.mask, str) and self.mask == ALPHA

    @property
    def sides(self) -> tuple[int, int, int, int]:
        """Pixels to add at the top, right, bottom and left."""
        return (0, 0, 0, 0) if self.expand is None else check_expand(self.expand)

    def _check_needs(self) -> None:
        """Check that no option lacks the picture or the mask that it is about.

        Raises:
            UsageError: One does.
        """
        names = [name for name in _OPTIONS_OF_MASK if getattr(self, name) is not None]
        has_area = self.mask is not None or self.expand is not None
        if self.mask_invert and self.mask is None:
            names, has_area = ["mask_invert"], False
        if names and not has_area:
            raise UsageError(
                phrase("{} needs a mask", Argument(names[0])),
                hint=phrase("name the area to redraw with {mask}"),
                argument=names[0],
            )
        if self.control_image is None:
            self._check_that_none_needs_control()
        elif self.masked_only is not None:
            raise UsageError(
                phrase("{masked_only} cannot be used together with {control_image}"),
                hint=phrase("leave {masked_only} out: the whole picture is then drawn"),
                argument="masked_only",
            )
        if self.fit is not None and not self:
            raise UsageError(
                phrase("{fit} needs a picture"),
                hint=phrase("name the picture with {image}"),
                argument="fit",
            )
        for name in _USES_OF_IMAGE:
            if getattr(self, name) is not None and not self.image:
                raise missing_image(name)

    def _check_that_none_needs_control(self) -> None:
        names = {"control_strength": self.control_strength is not None, "canny": self.canny}
        for name, is_named in names.items():
            if is_named:
                raise UsageError(
                    phrase("{} needs a control picture", Argument(name)),
                    hint=phrase("name the picture with {control_image}"),
                    argument=name,
                )


def missing_image(name: str) -> UsageError:
    """Build the error for ``mask``, ``expand`` or ``strength`` without a picture to change."""
    return UsageError(
        phrase("{} needs the picture {}", Argument(name), _USES_OF_IMAGE[name]),
        hint=phrase("name the picture with {image}"),
        argument=name,
    )


def as_tuple(pictures: object) -> tuple[object, ...]:
    """Return one picture, or a list of them, as a tuple; ``None`` is an empty one."""
    if pictures is None:
        return ()
    return tuple(pictures) if isinstance(pictures, list | tuple) else (pictures,)


NO_PICTURES = PictureOptions()
