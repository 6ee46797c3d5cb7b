"""Resolve a model reference to files whose headers are checked."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from gpustack_draw.errors import DrawError, ModelNotFoundError, quoted
from gpustack_draw.headers.diffusers_folder import is_model_folder, read_model_folder
from gpustack_draw.headers.header import ModelHeader, read_model_header
from gpustack_draw.request.embeddings import Embedding
from gpustack_draw.request.model_reference import (
    DemoModel,
    HubModel,
    LocalModel,
    ModelReference,
)
from gpustack_draw.resolver.compatibility import check_components, fit_family
from gpustack_draw.resolver.control_net import control_net_bytes
from gpustack_draw.resolver.detect_family import (
    can_encode_pictures,
    components_inside,
    defaults_of,
    edit_model_of,
    variant_of,
)
from gpustack_draw.resolver.embeddings import find_embeddings
from gpustack_draw.resolver.families import Defaults, Family
from gpustack_draw.resolver.requirements import (
    family_of,
    has_engine_names,
    notes_on_missing,
    notes_on_unused,
    treat_taesd_as_vae,
)
from gpustack_draw.resolver.resolved_model import ModelFile, ResolvedModel
from gpustack_draw.resolver.user_components import ComponentFile, OpenHub, open_hub, read_components
from gpustack_draw.resolver.vision_encoder import has_vision_encoder

if TYPE_CHECKING:
    from gpustack_draw.hub import RepositoryFile
    from gpustack_draw.resolver.find_components import CandidateFile

AUTO = "auto"  # as a tiny decoder: the known one of the model's family
DEMO_DEFAULTS = Defaults(
    sample_steps=4, cfg_scale=1.0, native_size=(256, 256), smallest_size=(128, 128)
)


def resolve_model(
    reference: ModelReference,
    components: Mapping[str, str] | None = None,
    embeddings: Sequence[Embedding] = (),
) -> ResolvedModel:
    """Find a model's files and check that they fit together.

    Reads only headers, over the network for files that are not cached. Downloads nothing; see
    :func:`gpustack_draw.resolver.fetch.fetch_model`.

    Args:
        reference: The model.
        components: Files chosen by the user, by component (``vae``, ``clip_l``, ...); ``auto`` for
            ``taesd`` stands for the known tiny decoder of the model's family.
        embeddings: Embeddings chosen by the user.

    Raises:
        UsageError: The name of a component is unknown, or the family has no known tiny decoder.
        ModelNotFoundError: A file or a required component is missing.
        ModelFileError: A file is damaged, or not the component that it is used as.
        FetchError: The hub is unavailable, or refuses the request.
        NotYetSupportedError: This version cannot draw with the model's family.
    """
    shared_hub = cache(open_hub)
    named = dict(components or {})
    is_tiny = named.get("taesd", "").strip().lower() == AUTO
    if is_tiny:
        del named["taesd"]
    chosen = _Chosen(_read_user_files(named, shared_hub), shared_hub, is_tiny=is_tiny)
    try:
        resolved = _resolve(reference, chosen)
    except DrawError as error:
        error.argument = error.argument or "model"
        raise
    found = find_embeddings(embeddings, resolved.family, shared_hub) if embeddings else ()
    notes = resolved.notes + tuple(dict.fromkeys(file.note for file in found if file.note))
    tiny = next((file for file in resolved.files if file.component == "taesd"), None)
    has_tiny_file = is_tiny and tiny is not None and tiny.path != resolved.files[0].path
    names = (*chosen.files, "taesd") if has_tiny_file else tuple(chosen.files)
    resolved = replace(resolved, user_components=names, embeddings=found, notes=notes)
    return replace(resolved, hub=shared_hub() if resolved.hub_files else None)


@dataclass(frozen=True)
class _Chosen:
    """The user's choice of components.

    Attributes:
        files: Component files, by component.
        open_hub: Returns the hub and its cache.
        is_tiny: Whether to find the known tiny decoder of the family.
    """

    files: Mapping[str, ComponentFile]
    open_hub: OpenHub
    is_tiny: bool


def _read_user_files(components: Mapping[str, str], open_hub: OpenHub) -> dict[str, ComponentFile]:
    named = dict(components)
    control_net = named.pop("control_net", None)
    files = read_components(named, open_hub)
    if control_net is not None:
        from gpustack_draw.resolver.find_control_net import find_control_net

        files["control_net"] = find_control_net(control_net, open_hub)
    return files


def _resolve(reference: ModelReference, chosen: _Chosen) -> ResolvedModel:
    if isinstance(reference, DemoModel):  # it has a tiny decoder
        return _resolve_demo(reference, chosen.files)
    if isinstance(reference, LocalModel):
        return _resolve_local(reference, chosen)
    if isinstance(reference, HubModel):
        return _resolve_hub(reference, chosen)
    raise ModelNotFoundError(f"no model named {quoted(reference.text)} on this machine")


def _resolve_demo(reference: DemoModel, user_files: Mapping[str, ComponentFile]) -> ResolvedModel:
    from gpustack_draw.demo import DEMO_FILE

    if not DEMO_FILE.is_file():
        raise ModelNotFoundError(
            "the model 'demo' is missing in this installation", hint="install gpustack-draw again"
        )
    header = read_model_header(DEMO_FILE)
    path = str(DEMO_FILE)
    family = fit_family(family_of(header, path, DEMO_FILE.name), header, path)
    return ResolvedModel(
        reference=reference,
        name="demo",
        source="demo",
        family=family,
        variant="",
        files=_files(
            ModelFile("model", DEMO_FILE, header.file_bytes, header=header), {"taesd"}, user_files
        ),
        defaults=DEMO_DEFAULTS,
        notes=notes_on_unused(family, user_files),
    )


def _resolve_local(reference: LocalModel, chosen: _Chosen) -> ResolvedModel:
    path, typed = reference.path, reference.text
    is_folder = is_model_folder(path)
    header = read_model_folder(path, typed) if is_folder else read_model_header(path, label=typed)
    name = path.resolve().name if is_folder else path.stem
    main = _MainFile(header, typed, (name,), path)

    def neighbors() -> "Sequence[CandidateFile]":
        from gpustack_draw.resolver.local_components import files_beside

        return [] if is_folder else files_beside(path, typed)

    return _completed(reference, main, "local", chosen, neighbors)


def _resolve_hub(reference: HubModel, chosen: _Chosen) -> ResolvedModel:
    from gpustack_draw.hub.choose_file import choose_file

    hub = chosen.open_hub()
    name = reference.repository
    repository = hub.repository(name, reference.revision, is_sufficient=None)
    choice = choose_file(
        repository.paths,
        reference.tag,
        has_explicit_tag=reference.has_explicit_tag,
        repository=name,
    )
    file = repository.model(choice.path)
    header = hub.read_header(file)
    names = (Path(file.path).stem, name.rpartition("/")[2])
    main = _MainFile(header, file.label, names, hub.cache.pointer(file), hub_file=file)
    notes = tuple(note for note in (repository.note, choice.note) if note)
    beside = [each for each in repository.files if each != file]
    return _completed(reference, main, "hub", chosen, lambda: beside, notes)


def _completed(
    reference: HubModel | LocalModel,
    main: "_MainFile",
    source: str,
    chosen: _Chosen,
    neighbors: "Callable[[], Sequence[CandidateFile]]",
    notes: tuple[str, ...] = (),
) -> ResolvedModel:
    """Build a model with the components that its main file lacks; ``neighbors`` are beside it."""
    family, present = _check_main_file(main, chosen.files)
    find_tiny = chosen.is_tiny and "taesd" not in present
    if _is_complete(family, present) and not find_tiny:
        return _assemble(reference, main, source, chosen.files, notes)
    from gpustack_draw.resolver.find_components import find_components
    from gpustack_draw.resolver.find_tiny_decoder import find_tiny_decoder

    files, beside = dict(chosen.files), neighbors()
    start = family, main.header, main.label, beside, chosen.open_hub
    if find_tiny:
        tiny = find_tiny_decoder(*start)
        files, present, notes = files | tiny.files, present | {"taesd", "vae"}, notes + tiny.notes
    found = find_components(
        *start, present=present, llm=files.get("llm"), fetch_optional=source == "hub"
    )
    return _assemble(reference, main, source, {**found.files, **files}, notes + found.notes)


@dataclass(frozen=True)
class _MainFile:
    """The main file of a model; ``names`` are its own, without folder, and its repository's."""

    header: ModelHeader
    label: str
    names: tuple[str, ...]
    path: Path
    hub_file: "RepositoryFile | None" = None


def _look_inside(main: _MainFile) -> tuple[Family, set[str]]:
    """Return a model's family and the components in its main file."""
    family = family_of(main.header, main.label, main.names[0])
    edit_model = edit_model_of(family, *main.names, header=main.header)
    if edit_model is not None:
        family = family.as_edit_model(edit_model)
    # The engine adds the diffusion model's prefix to every name in a file without prefixes, so it
    # finds nothing else there.
    is_prefixed = has_engine_names(main.header) or family.unet
    return family, components_inside(main.header, family) if is_prefixed else set()


def _check_main_file(
    main: _MainFile, user_files: Mapping[str, ComponentFile]
) -> tuple[Family, set[str]]:
    """Check that the user's components fit a model, before any others are searched.

    Returns:
        The model's family, and the components that are present.
    """
    family, inside = _look_inside(main)
    _check_components(family, main, user_files)
    llm = user_files.get("llm")
    vision = {"llm_vision"} if llm is not None and has_vision_encoder(llm.header) else set()
    return family, treat_taesd_as_vae(inside | set(user_files) | vision)


def _is_complete(family: Family, present: set[str]) -> bool:
    return present.issuperset((*family.requires, *family.optional))


def _check_components(
    family: Family, main: _MainFile, component_files: Mapping[str, ComponentFile]
) -> None:
    components = {component: (one.header, one.label) for component, one in component_files.items()}
    check_components(family, main.header, main.label, components)


def _assemble(
    reference: HubModel | LocalModel,
    main: _MainFile,
    source: str,
    component_files: Mapping[str, ComponentFile],
    notes: tuple[str, ...] = (),
) -> ResolvedModel:
    """Check that a main file and its components fit together, and build the model."""
    header = main.header
    family, inside = _look_inside(main)
    variant = variant_of(family, *main.names, header=header)
    slot = "model" if has_engine_names(header) or family.unet else "diffusion_model"
    family = fit_family(family, header, main.label)
    _check_components(family, main, component_files)
    if "control_net" in component_files:
        family = family.with_control_net()
    present = inside | set(component_files)
    notes += tuple(note for note in (family.variant_notes.get(variant),) if note)
    notes += notes_on_missing(family, present)
    # A tiny decoder in the main file replaces the VAE if there is no other.
    also = {"taesd"} if "taesd" in inside and "vae" not in present else set()
    main_file = ModelFile(
        slot,
        main.path,
        header.file_bytes,
        main.hub_file,
        loaded_bytes=header.loaded_bytes,
        header=header,
    )
    return ResolvedModel(
        reference=reference,
        name=main.names[0],
        source=source,
        family=family,
        variant=variant,
        files=_files(main_file, also, component_files),
        defaults=defaults_of(family, variant, header),
        notes=notes + notes_on_unused(family, component_files),
        decoder_only=_decoder_only(family, main, component_files),
    )


def _decoder_only(
    family: Family, main: _MainFile, component_files: Mapping[str, ComponentFile]
) -> str:
    """Return the label of the VAE's file if that has no encoder; empty if it has or is unread."""
    vae = component_files.get("taesd") or component_files.get("vae")
    header = main.header if vae is None else vae.header
    has_no_vae = not {"vae", "taesd"} & set(family.requires)  # it draws pixels, not latents
    if has_no_vae or header is None or can_encode_pictures(header, is_vae=vae is not None):
        return ""
    return main.label if vae is None else vae.label


def _loaded_bytes(component: str, header: ModelHeader | None) -> int:
    if header is None:
        return 0
    return control_net_bytes(header) if component == "control_net" else header.loaded_bytes


def _files(
    main: ModelFile, also: set[str], component_files: Mapping[str, ComponentFile]
) -> tuple[ModelFile, ...]:
    """Return the files to load; ``also`` has components that are in the main file."""
    files = {main.component: main}
    for component in also:
        files[component] = replace(main, component=component)
    for component, one in component_files.items():
        loaded = _loaded_bytes(component, one.header)
        files[component] = replace(one.file, loaded_bytes=loaded, header=one.header)
    if "vae" in component_files and "taesd" not in component_files:
        files.pop("taesd", None)  # a VAE in a file of its own goes before a tiny decoder
    return tuple(files.values())
