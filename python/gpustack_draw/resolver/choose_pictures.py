"""Decide what each picture of a request is for, by what the model was trained to do.

``--image`` does what the model is for: a model that was trained to edit looks at the picture, all
others start from it. What the engine would ignore, or crash on, is refused here.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from gpustack_draw.errors import UsageError
from gpustack_draw.phrases import Argument, phrase
from gpustack_draw.request.picture_options import missing_image
from gpustack_draw.resolver.families import FAMILIES, Family

Mode = Literal["txt2img", "img2img", "inpaint", "edit", "control"]
_Use = Literal["start", "reference", "control"]
PictureT = TypeVar("PictureT")

# FLUX.2 was trained with the most.
MAX_REFERENCES = 10


@dataclass(frozen=True, kw_only=True)
class NamedPictures(Generic[PictureT]):
    """The pictures that a request names, in any form.

    Attributes:
        images: Pictures of ``--image``.
        references: Pictures of ``--ref-image``.
        mask: The mask; ``None`` for none.
        control: The control picture; ``None`` for none.
        control_strength: 0 to 2; ``None`` if it is not named.
        strength: 0 to 1; ``None`` if it is not named.
        expands: Whether the picture is expanded, whose border is then a mask.
    """

    images: tuple[PictureT, ...] = ()
    references: tuple[PictureT, ...] = ()
    mask: PictureT | None = None
    control: PictureT | None = None
    control_strength: float | None = None
    strength: float | None = None
    expands: bool = False


@dataclass(frozen=True, kw_only=True)
class PictureRoles(Generic[PictureT]):
    """Purpose of each picture of a request.

    Attributes:
        mode: What the drawing is.
        start: The picture that the drawing starts from; ``None`` for none.
        references: The pictures that the model looks at, in order.
        mask: The mask of ``start``; ``None`` for none.
        control: The control picture; ``None`` for none.
        strength: Share of the steps that run from ``start``, 0 to 1; ``None`` without it.
        increase_ref_index: Whether the engine must be asked to number the references.
        explanation: How the pictures of ``--image`` are used, for a plan; may be empty.
        notes: Notes for the user.
    """

    mode: Mode
    start: PictureT | None = None
    references: tuple[PictureT, ...] = ()
    mask: PictureT | None = None
    control: PictureT | None = None
    strength: float | None = None
    increase_ref_index: bool = False
    explanation: str = ""
    notes: tuple[str, ...] = ()


def choose_pictures(family: Family, named: NamedPictures[PictureT]) -> PictureRoles[PictureT]:
    """Decide what each picture of a request is for.

    Args:
        family: The model's family, with the facts of this model.
        named: The pictures of the request.

    Raises:
        UsageError: The model needs a picture that is not named, or cannot use one that is.
    """
    _check_that_an_image_is_named(named)
    _check_that_the_family_takes_them(family, named)
    _check_what_the_family_requires(family, named)
    use = _use_of_images(family, named)
    _check_counts(family, named, use)
    references = named.references
    if use == "reference" or (not references and "reference" in family.pictures.required):
        references = (*named.images, *references)
    control = named.images[0] if use == "control" and named.images else named.control
    start = named.images[0] if use == "start" and named.images else None
    masked = named.mask is not None or named.expands
    default = family.pictures.default_strength(masked=masked)
    strength = default if named.strength is None else named.strength
    return PictureRoles(
        mode=_mode(start is not None, masked, bool(references), control is not None),
        start=start,
        references=references,
        mask=named.mask,
        control=control,
        strength=None if start is None else strength,
        increase_ref_index=family.pictures.increase_ref_index and len(references) > 1,
        explanation=_explanation(family, named, use),
        notes=tuple(_notes(family, named, len(references))),
    )


def _mode(starts: bool, masked: bool, looks: bool, follows: bool) -> Mode:
    if starts:
        return "inpaint" if masked else "img2img"
    if looks:
        return "edit"
    return "control" if follows else "txt2img"


def _use_of_images(family: Family, named: NamedPictures[PictureT]) -> _Use:
    """Return what ``--image`` is for."""
    if named.strength is not None or named.mask is not None or named.expands:
        return "start"
    if family.pictures.references == "trained":
        return "reference"
    if family.pictures.concatenated == ("control",) and named.control is None:
        return "control"
    return "start"


def _check_that_an_image_is_named(named: NamedPictures[PictureT]) -> None:
    if named.images:
        return
    if named.mask is not None:
        raise missing_image("mask")
    if named.expands:
        raise missing_image("expand")
    if named.strength is not None:
        raise missing_image("strength")


def _check_that_the_family_takes_them(family: Family, named: NamedPictures[PictureT]) -> None:
    pictures, title = family.pictures, family.title
    takes_any = pictures.start or pictures.concatenated
    if not takes_any and (named.images or named.references or named.control is not None):
        raise UsageError(
            f"{title} takes no pictures here: it draws from the prompt alone",
            hint=f"models that edit pictures: {_listed(families_that_edit())}",
            argument="image" if named.images else "ref_image",
        )
    if not pictures.start:
        _check_that_nothing_starts(family, named)
    if named.references and pictures.references == "none":
        start = phrase(", or name one picture with {image} to start from it")
        raise UsageError(
            f"{title} takes no reference pictures",
            hint=phrase("models that do: {}{}", _listed(families_that_edit()), start),
            argument="ref_image",
        )
    if named.control is not None and not pictures.control:
        raise _no_control_picture(family)


def _no_control_picture(family: Family) -> UsageError:
    if family.takes_control_net:
        return UsageError(
            f"{family.title} follows a control picture with a ControlNet, and none is named",
            hint=phrase("name it with {control_net}"),
            argument="control_image",
        )
    takers = [known.title for known in FAMILIES.values() if known.pictures.control]
    return UsageError(
        f"{family.title} takes no control picture",
        hint=phrase(
            "models that do: {}; and Stable Diffusion 1 and 2 with {control_net}", _listed(takers)
        ),
        argument="control_image",
    )


def _check_that_nothing_starts(family: Family, named: NamedPictures[PictureT]) -> None:
    starting = {
        "mask": named.mask is not None,
        "expand": named.expands,
        "strength": named.strength is not None,
    }
    for name, is_named in starting.items():
        if is_named:
            raise UsageError(
                f"{family.title} edits a whole picture and cannot start from it",
                hint=phrase("leave {} out", Argument(name)),
                argument=name,
            )


def _check_what_the_family_requires(family: Family, named: NamedPictures[PictureT]) -> None:
    required, title = family.pictures.required, family.title
    if "mask" in required and not named.images:
        raise UsageError(
            f"{title} redraws a part of a picture, and no picture is named",
            hint=phrase("name it with {image}, and the part with {mask}"),
            argument="image",
        )
    if "mask" in required and named.mask is None and not named.expands:
        raise UsageError(
            f"{title} redraws a part of a picture, and no mask is named",
            hint=phrase("name it with {mask}, or use {expand}"),
            argument="mask",
        )
    if "reference" in required and not named.images and not named.references:
        raise UsageError(
            f"{title} edits a picture, and none is named",
            hint=phrase("name it with {image}"),
            argument="image",
        )


def _check_counts(family: Family, named: NamedPictures[PictureT], use: _Use) -> None:
    images, references = len(named.images), len(named.references)
    if use == "control" and images > 1:
        raise UsageError(
            f"{family.title} takes one control picture, and {images} are named",
            hint=phrase("name one with {image}"),
            argument="image",
        )
    if use == "start" and images > 1:
        can_look = family.pictures.references == "trained"
        others = phrase(", and the others with {ref_image}") if can_look else ""
        raise UsageError(
            f"{family.title} starts from one picture, and {images} are named",
            hint=phrase("name it with {image}{}", others),
            argument="image",
        )
    if use == "reference":
        references += images
    most = 1 if "reference" in family.pictures.concatenated else MAX_REFERENCES
    if references > most:
        raise UsageError(
            f"{references} reference pictures are named, and {family.title} takes {most}",
            hint="name fewer of them",
            argument="ref_image",
        )


def _notes(family: Family, named: NamedPictures[PictureT], references: int) -> Iterator[str]:
    pictures, title = family.pictures, family.title
    masked = named.mask is not None or named.expands
    if named.strength == 1 and not masked and not family.unet:
        yield phrase("with {strength=1} nothing of the picture remains; lower values keep more")
    if not named.images and not pictures.draws_alone and not references and named.control is None:
        yield phrase(
            "{} was trained to work on a picture; without {image} it draws from the prompt", title
        )
    if pictures.control_net and named.control is None:
        yield phrase("{control_net} has no effect without {control_image}")
    if named.control_strength is not None and not pictures.control_net:
        strength = Argument("control_strength", f"{named.control_strength:g}")
        yield phrase("{} has no effect: {} does not take it", strength, title)
    if references and pictures.references == "untrained":
        yield (
            f"{title} was not trained with reference pictures, which can spoil the drawing;"
            f" trained with them: {_listed(families_that_edit())}"
        )
    if pictures.references == "trained" and references > pictures.most_references > 0:
        count = pictures.most_references
        most = "one reference picture" if count == 1 else f"up to {count} reference pictures"
        yield f"{title} was trained with {most}, and {references} are named"


def _explanation(family: Family, named: NamedPictures[PictureT], use: _Use) -> str:
    """Return how the pictures of ``--image`` are used; empty where there is no other use."""
    title = family.title
    if not named.images or use == "start" or not family.pictures.start:
        return ""
    if use == "control":
        return phrase(
            "{} follows the picture as a control picture; with {strength} it starts from it", title
        )
    if "reference" in family.pictures.concatenated:
        return phrase("{} edits the picture; with {strength} it also starts from it", title)
    if len(named.images) == 1:
        return phrase("{} edits the picture; with {strength} it starts from it instead", title)
    return phrase("{} edits the pictures; with {strength} it starts from one", title)


def families_that_edit() -> list[str]:
    """Return the titles of the models that were trained with reference pictures."""
    titles = []
    for family in FAMILIES.values():
        if family.why_not:
            continue
        if family.pictures.references == "trained":
            titles.append(family.title)
        titles += [model.title for model in family.edit_models]
    return [title for title in titles if not any(title.startswith(f"{other}-") for other in titles)]


def _listed(titles: Sequence[str]) -> str:
    return ", ".join(titles)
