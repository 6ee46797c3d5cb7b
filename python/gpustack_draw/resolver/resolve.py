"""A model reference becomes files, all of them read and checked as far as they are here."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from gpustack_draw.errors import (
    ModelNotFoundError,
    quoted,
)
from gpustack_draw.headers.diffusers_folder import is_model_folder, read_model_folder
from gpustack_draw.headers.header import ModelHeader, read_model_header
from gpustack_draw.request.model_reference import (
    DemoModel,
    HubModel,
    LocalModel,
    ModelReference,
)
from gpustack_draw.resolver.compatibility import check_parts, fit_family
from gpustack_draw.resolver.detect_family import Family, components_inside, defaults_of, variant_of
from gpustack_draw.resolver.families import Defaults
from gpustack_draw.resolver.requirements import (
    family_of,
    has_engine_names,
    notes_on_lacks,
    unused,
    with_stand_in,
)
from gpustack_draw.resolver.resolved_model import ModelFile, ResolvedModel
from gpustack_draw.resolver.user_components import FoundParts, Given, read_components

if TYPE_CHECKING:
    from gpustack_draw.hub import Hub, Repository, RepositoryFile

DEMO_DEFAULTS = Defaults(
    sample_steps=4, cfg_scale=1.0, native_size=(256, 256), smallest_size=(128, 128)
)


def resolve_model(
    reference: ModelReference, components: Mapping[str, str] | None = None
) -> ResolvedModel:
    """Find a model's files and check that they can draw together.

    Reads headers only: those of files of the hub over the network, where they are not here. Nothing
    is fetched: :func:`gpustack_draw.resolver.fetch.fetch_model` does that.

    Args:
        reference: What to draw with.
        components: Files named by the user, by component (``vae``, ``clip_l``, ...).

    Raises:
        UsageError: A component has no such name.
        ModelNotFoundError: A file is missing, or a component the model cannot draw without.
        ModelFileError: A file is damaged, or is not what it is used as.
        FetchError: The hub cannot be asked, or refuses.
        NotYetSupportedError: The model is of a kind that this version does not draw with.
    """
    given = read_components(components or {})
    if isinstance(reference, DemoModel):
        resolved = _resolve_demo(reference, given)
    elif isinstance(reference, LocalModel):
        resolved = _resolve_local(reference, given)
    elif isinstance(reference, HubModel):
        resolved = _resolve_hub(reference, given)
    else:
        raise ModelNotFoundError(
            f"{quoted(reference.text)} is neither a file here nor 'demo': only a server can have it"
        )
    return replace(resolved, user_components=tuple(given))


def _resolve_demo(reference: DemoModel, given: Mapping[str, Given]) -> ResolvedModel:
    from gpustack_draw.demo import DEMO_FILE

    if not DEMO_FILE.is_file():
        raise ModelNotFoundError(
            "the model 'demo' is missing in this installation", hint="install gpustack-draw again"
        )
    header = read_model_header(DEMO_FILE)
    family = fit_family(family_of(header, str(DEMO_FILE)), header, str(DEMO_FILE))
    return ResolvedModel(
        reference=reference,
        name="demo",
        source="demo",
        family=family,
        variant="",
        files=_files(ModelFile("model", DEMO_FILE, header.file_bytes), {"taesd"}, given),
        defaults=DEMO_DEFAULTS,
        notes=unused(family, given),
    )


def _resolve_local(reference: LocalModel, given: Mapping[str, Given]) -> ResolvedModel:
    path, shown = reference.path, reference.text
    is_folder = is_model_folder(path)
    header = read_model_folder(path, shown) if is_folder else read_model_header(path, shown=shown)
    name = path.resolve().name if is_folder else path.stem
    main = _Main(header, shown, name, path)
    found = _find_parts(main, given, None)
    return _join(reference, main, "local", {**found.parts, **given}, found.notes)


def _resolve_hub(reference: HubModel, given: "Mapping[str, Given]") -> ResolvedModel:
    from gpustack_draw.hub import Hub
    from gpustack_draw.hub.choose_file import choose_file

    hub = Hub()
    name = reference.repository
    repository = hub.repository(name, reference.revision, wanted=None)
    choice = choose_file(
        repository.paths, reference.tag, tag_given=reference.tag_given, repository=name
    )
    file = repository.file(choice.path)
    header = hub.read_header(file)
    main = _Main(header, file.shown, Path(file.path).stem, hub.cache.pointer(file), file)
    found = _find_parts(main, given, (hub, repository))
    notes = tuple(note for note in (repository.note, choice.note) if note)
    return _join(reference, main, "hub", {**found.parts, **given}, notes)


def _find_parts(
    main: "_Main", given: Mapping[str, Given], place: "tuple[Hub, Repository] | None"
) -> FoundParts:
    """Find the components that a model lacks, after a look at those that the user named.

    Args:
        main: The model's main file.
        given: The components that the user named.
        place: The hub and the model's repository; ``None`` for a model on this machine.
    """
    family, inside = _look_inside(main)
    _check_parts(family, main, given)
    there = with_stand_in(inside | set(given))
    if there.issuperset((*family.requires, *family.optional)):
        return FoundParts({}, ())
    from gpustack_draw.resolver.find_components import find_parts
    from gpustack_draw.resolver.local_components import files_beside

    if place is not None:
        hub, repository = place
        beside = [file for file in repository.files if file != main.file]
        return find_parts(family, there, main.header, main.shown, beside, hub=hub)
    neighbors = [] if main.path.is_dir() else files_beside(main.path, main.shown)
    return find_parts(family, there, main.header, main.shown, neighbors, fetch_optional=False)


def _check_parts(family: Family, main: "_Main", given: Mapping[str, Given]) -> None:
    parts = {component: (one.header, one.shown) for component, one in given.items()}
    check_parts(family, main.header, main.shown, parts)


@dataclass(frozen=True)
class _Main:
    """The main file of a model."""

    header: ModelHeader
    shown: str
    name: str
    path: Path
    file: "RepositoryFile | None" = None


def _look_inside(main: _Main) -> tuple[Family, set[str]]:
    """Tell a model's family, and which components its main file brings."""
    family = family_of(main.header, main.shown)
    # The engine gives every name of a file without its prefixes the denoiser's: it finds nothing
    # else in it.
    is_prefixed = has_engine_names(main.header) or family.unet
    return family, components_inside(main.header, family) if is_prefixed else set()


def _join(
    reference: HubModel | LocalModel,
    main: _Main,
    source: str,
    given: "Mapping[str, Given]",
    notes: tuple[str, ...] = (),
) -> ResolvedModel:
    """Check that a main file and its components can draw together."""
    header, shown = main.header, main.shown
    family, inside = _look_inside(main)
    names = [main.name]
    if isinstance(reference, HubModel):
        names.append(reference.repository.rpartition("/")[2])
    variant = variant_of(family, *names, header=header)
    slot = "model" if has_engine_names(header) or family.unet else "diffusion_model"
    family = fit_family(family, header, shown)
    _check_parts(family, main, given)
    notes += tuple(note for note in (family.note, family.variant_notes.get(variant)) if note)
    notes += notes_on_lacks(family, inside | set(given))
    # A tiny decoder in the file does the VAE's work where there is no other.
    also = {"taesd"} if "taesd" in inside and not {"vae"} & (inside | set(given)) else set()
    return ResolvedModel(
        reference=reference,
        name=main.name,
        source=source,
        family=family,
        variant=variant,
        files=_files(
            ModelFile(
                slot,
                main.path,
                header.file_bytes,
                main.file,
                loaded_bytes=header.loaded_bytes,
            ),
            also,
            given,
        ),
        defaults=defaults_of(family, variant, header),
        notes=notes + unused(family, given),
    )


def _files(main: ModelFile, also: set[str], given: Mapping[str, Given]) -> tuple[ModelFile, ...]:
    files = {main.component: main}
    for component in also:
        files[component] = replace(main, component=component)
    for component, one in given.items():
        loaded = one.header.loaded_bytes if one.header is not None else 0
        files[component] = replace(one.file, loaded_bytes=loaded)
    if "vae" in given and "taesd" not in given:
        files.pop("taesd", None)  # the VAE that the user named is the one to use
    return tuple(files.values())
