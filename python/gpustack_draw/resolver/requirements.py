"""What a model's files must be to draw together, in words for when they are not."""

import re
from collections.abc import Collection

from gpustack_draw.errors import (
    ModelFileError,
    NotYetSupportedError,
    quoted,
)
from gpustack_draw.headers.header import ModelHeader
from gpustack_draw.request.names import COMPONENTS
from gpustack_draw.resolver.detect_family import (
    FAMILIES,
    Family,
    clip_width,
    detect_family,
    kind_of,
    variant_of,
)
from gpustack_draw.resolver.resolved_model import COMPONENT_TITLES, option_of, title_of

_MODEL_PREFIXES = ("model.diffusion_model.", "diffusion_model.", "unet.")


def family_of(header: ModelHeader, shown: str) -> Family:
    """Tell the family of a model, one that this version draws with.

    Raises:
        ModelFileError: It is no model, or of no family that is known here.
        NotYetSupportedError: Its family cannot be drawn with.
    """
    family = detect_family(header)
    if family is None:
        kind = kind_of(header)
        if kind in COMPONENTS:
            raise ModelFileError(
                f"{quoted(shown)} is {_title_of(kind, header)}, not a model that draws by itself",
                hint=f"name the model, and this file with {option_of(kind)}",
            )
        raise ModelFileError(
            f"{quoted(shown)} is {kind or 'not of a model family that is known here'}"
            + (", not a model that draws by itself" if kind else ""),
            hint=f"known families: {', '.join(_known_families())}",
        )
    variant = variant_of(family, re.split(r"[/:\\]", shown)[-1])
    why_not = family.why_not or family.why_not_variant.get(variant)
    if why_not:
        raise NotYetSupportedError(
            f"{quoted(shown)} is of the family {family.title}: {why_not}", hint=family.instead
        )
    return family


def _known_families() -> list[str]:
    """List the titles of the families that are drawn with, each with its variants once."""
    titles = [family.title for family in FAMILIES.values() if not family.why_not]
    return [
        title
        for title in titles
        if not any(title.startswith((f"{other} ", f"{other},")) for other in titles)
    ]


def _title_of(kind: str, header: ModelHeader) -> str:
    """Return what people call a component file; the first CLIP encoder is another one in SD 2."""
    family = FAMILIES["sd2"]
    is_of_sd2 = kind == "clip_l" and clip_width(header) == family.clip_width
    return family.clip_title if is_of_sd2 else COMPONENT_TITLES[kind]


def has_engine_names(header: ModelHeader) -> bool:
    """Tell whether a file's names have the prefixes of a file with all parts in it."""
    return any(name.startswith(_MODEL_PREFIXES) for name in header.tensors)


def with_stand_in(there: set[str]) -> set[str]:
    """Add the VAE to components with a tiny autoencoder, which does the same work."""
    return there | {"vae"} if "taesd" in there else there


def missing_parts(family: Family, there: Collection[str]) -> list[str]:
    """Give the components that a family needs and that are not there."""
    return [component for component in family.requires if component not in there]


def notes_on_lacks(family: Family, there: Collection[str]) -> tuple[str, ...]:
    """Return notes on components that a family draws worse without.

    Args:
        family: The model's family.
        there: Components in its file or beside it.
    """
    return tuple(
        f"without {title_of(component, family)} ({option_of(component)} FILE) the picture follows"
        " the prompt less closely"
        for component in family.optional
        if component not in there
    )


def unused(family: Family, given: Collection[str]) -> tuple[str, ...]:
    """Give notes on components that the family has no use for."""
    used = {"vae", "taesd", *family.requires, *family.optional}
    return tuple(
        f"{option_of(component)} has no effect: {family.title} has no use for it"
        for component in given
        if component not in used
    )


def check_kind(component: str, header: ModelHeader, shown: str) -> None:
    """Check that a file is the component that it is to be used as.

    Raises:
        ModelFileError: It is something else.
    """
    kind = kind_of(header)
    if component == "taesd" and any(name.startswith("tae.decoder.") for name in header.tensors):
        return
    family = detect_family(header)
    if family is None and kind == component:
        return
    if family is not None:
        what = f"a model ({family.title})"
    elif kind in COMPONENTS:
        what = _title_of(kind, header)
    else:
        what = kind or "of a kind that is not known here"
    raise ModelFileError(
        f"{quoted(shown)} is {what}, not {COMPONENT_TITLES[component]}",
        hint=f"name it with {option_of(kind)}"
        if kind in COMPONENTS and family is None
        else f"{option_of(component)} takes {COMPONENT_TITLES[component]}",
    )
