"""Check which components a model requires, and that its files are what they are used as."""

from collections.abc import Collection

from gpustack_draw.errors import ModelFileError, NotYetSupportedError, quoted
from gpustack_draw.headers.header import ModelHeader
from gpustack_draw.phrases import Argument, phrase
from gpustack_draw.request.additions import LORA
from gpustack_draw.request.names import COMPONENTS
from gpustack_draw.resolver.control_net import adds_control, check_control_net
from gpustack_draw.resolver.detect_family import (
    clip_width,
    detect_family,
    identify_file,
    variant_of,
)
from gpustack_draw.resolver.families import FAMILIES, Family
from gpustack_draw.resolver.resolved_model import COMPONENT_TITLES, title_of

_MODEL_PREFIXES = ("model.diffusion_model.", "diffusion_model.", "unet.")


def family_of(header: ModelHeader, label: str, name: str) -> Family:
    """Return the family of a model.

    Args:
        header: Header of its file.
        label: Name of the file in messages.
        name: Name of the file or folder, without those that it is in; contains the variant.

    Raises:
        ModelFileError: The file is not a model, or not of a known family.
        NotYetSupportedError: This version cannot draw with the family or variant.
    """
    family = detect_family(header)
    if family is None:
        raise _not_a_model(header, label)
    variant = variant_of(family, name)
    why_not = family.why_not or family.why_not_variant.get(variant)
    if why_not:
        raise NotYetSupportedError(
            f"{quoted(label)} is of the family {family.title}: {why_not}",
            hint=family.instead,
        )
    return family


def _not_a_model(header: ModelHeader, label: str) -> ModelFileError:
    identity = identify_file(header)
    if identity in COMPONENTS:
        return ModelFileError(
            f"{quoted(label)} is {_title_of(identity, header)}, not a model that draws by itself",
            hint=phrase("name the model, and this file with {}", Argument(identity)),
        )
    if argument := {LORA.title: "loras", "an upscaler": "upscale"}.get(identity):
        return ModelFileError(
            f"{quoted(label)} is {identity}, not a model that draws by itself",
            hint=phrase("name the model, and this file with {}", Argument(argument)),
        )
    return ModelFileError(
        f"{quoted(label)} is {identity}, not a model that draws by itself"
        if identity
        else f"{quoted(label)} is not a model of a known family",
        hint=f"known families: {', '.join(_known_families())}",
    )


def _known_families() -> list[str]:
    """Return the titles of the usable families, without those that only extend another title."""
    titles = [family.title for family in FAMILIES.values() if not family.why_not]
    return [
        title
        for title in titles
        if not any(title.startswith((f"{other} ", f"{other},")) for other in titles)
    ]


def _title_of(component: str, header: ModelHeader) -> str:
    """Return the title of a component file; families differ in the first CLIP encoder."""
    titles = {family.clip_width: family.clip_title for family in FAMILIES.values()}
    title = titles.get(clip_width(header)) if component == "clip_l" else None
    return title or COMPONENT_TITLES[component]


def has_engine_names(header: ModelHeader) -> bool:
    """Return True if tensor names have the prefixes of an all-in-one file."""
    return any(name.startswith(_MODEL_PREFIXES) for name in header.tensors)


def treat_taesd_as_vae(components: set[str]) -> set[str]:
    """Add the VAE to components with a tiny autoencoder, which can replace it."""
    return components | {"vae"} if "taesd" in components else components


def missing_components(family: Family, present: Collection[str]) -> list[str]:
    """Return the components that a family requires and that are not present."""
    return [component for component in family.requires if component not in present]


def notes_on_missing(family: Family, present: Collection[str]) -> tuple[str, ...]:
    """Return notes on missing components that would improve the picture.

    Args:
        family: The model's family.
        present: Components in the main file or in files of their own.
    """
    return tuple(
        phrase(
            "without {} ({}) the picture follows the prompt less closely",
            title_of(component, family),
            Argument(component, "FILE"),
        )
        for component in family.optional
        if component not in present
    )


def notes_on_unused(family: Family, user_components: Collection[str]) -> tuple[str, ...]:
    """Return notes on components that the user chose and the family does not use."""
    edit_models = {name for model in family.edit_models for name in model.requires}
    used = {"vae", "taesd", "control_net", *family.requires, *family.optional, *edit_models}
    return tuple(
        phrase("{} has no effect: {} does not use it", Argument(component), family.title)
        for component in user_components
        if component not in used
    )


def check_component(component: str, header: ModelHeader, label: str) -> None:
    """Check that a file is the component that it is used as.

    Raises:
        ModelFileError: The file is something else.
    """
    if component == "taesd" and any(name.startswith("tae.decoder.") for name in header.tensors):
        return
    identity = identify_file(header)
    family = detect_family(header)
    if component == "control_net" and family is None and adds_control(header):
        check_control_net(header, label)
        return
    if family is None and identity == component:
        return
    hint = phrase("{} takes {}", Argument(component), COMPONENT_TITLES[component])
    if family is not None:
        actual = f"a model ({family.title})"
    elif identity in COMPONENTS:
        actual = _title_of(identity, header)
        hint = phrase("name it with {}", Argument(identity))
    else:
        actual = identity or "of an unknown type"
        if identity == LORA.title:
            hint = phrase("name it with {loras}")
    raise ModelFileError(
        f"{quoted(label)} is {actual}, not {COMPONENT_TITLES[component]}", hint=hint
    )
