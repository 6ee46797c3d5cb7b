"""Remove a cached model."""

from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from gpustack_draw.errors import DrawError, ModelNotFoundError, UsageError, quoted
from gpustack_draw.hub import Hub, Removal, Repository, RepositoryFile
from gpustack_draw.hub.choose_file import choose_file
from gpustack_draw.request.known_models import parse_local_reference
from gpustack_draw.request.model_reference import DemoModel, HubModel, LocalModel
from gpustack_draw.resolver.find_components import ComponentFinder
from gpustack_draw.resolver.requirements import family_of
from gpustack_draw.units import format_bytes


@dataclass(frozen=True)
class ModelRemoval:
    """The removal of a model, before it is carried out.

    Attributes:
        model: The reference as typed.
        removal: Paths to delete.
        kept_components: Component files of the model, which stay because other models may use them.
        notes: Messages for the user.
        hub: The hub whose cache has the model.
    """

    model: str
    removal: Removal
    kept_components: tuple[RepositoryFile, ...]
    notes: tuple[str, ...]
    hub: Hub = field(repr=False, compare=False)


def plan_model_removal(text: str) -> ModelRemoval:
    """Find the paths that removing a model deletes, without deleting them or using the network.

    Args:
        text: ``hf.co/OWNER/REPO[@REVISION][:TAG]``; the tag may name any file of the repository.

    Raises:
        UsageError: The model is built in, or a local file.
        ModelNotFoundError: The model is not cached, or not from Hugging Face.
        FetchError: The cache leads outside its folder there.
    """
    reference = parse_local_reference(text)
    if isinstance(reference, DemoModel):
        raise UsageError(
            "'demo' is built into gpustack-draw and cannot be removed",
            hint="uninstall gpustack-draw to remove it",
        )
    if isinstance(reference, LocalModel):
        raise UsageError(
            f"{quoted(text)} is a path, and only cached models can be removed",
            hint="delete the file yourself, or write hf.co/OWNER/REPO[:TAG]",
        )
    if not isinstance(reference, HubModel):
        raise ModelNotFoundError(
            f"{quoted(text)} is not a Hugging Face model",
            hint="write hf.co/OWNER/REPO:TAG as listed by 'gpustack-draw models'; remove a model of"
            " a GPUStack server there",
        )
    hub = Hub(offline=True)
    repository = hub.known_repository(reference.repository, reference.revision)
    if repository is None:
        at = f"@{reference.revision}" if reference.revision else ""
        raise _not_cached(hub, f"hf.co/{reference.repository}{at}", reference.repository)
    file = _chosen_file(repository, reference)
    try:
        removal = hub.plan_removal(file)
    except ModelNotFoundError:
        raise _not_cached(hub, file.label, reference.repository) from None
    components = tuple(_components_of(hub, repository, file))
    return ModelRemoval(text, removal, components, tuple(_notes(removal, components)), hub)


def remove_model(removal: ModelRemoval) -> None:
    """Carry out the removal of a model.

    Raises:
        FetchError: Another process is downloading the model, or the cache is not writable.
    """
    removal.hub.remove(removal.removal)


def _chosen_file(repository: Repository, reference: HubModel) -> RepositoryFile:
    if reference.tag in repository.paths:
        return repository.model(reference.tag)
    choice = choose_file(
        repository.paths,
        reference.tag,
        has_explicit_tag=reference.has_explicit_tag,
        repository=repository.name,
    )
    return repository.model(choice.path)


def _not_cached(hub: Hub, reference: str, name: str) -> ModelNotFoundError:
    starts = (f"hf.co/{name}:", f"hf.co/{name}@")
    cached = [model for model in hub.cached_references() if model.startswith(starts)]
    hint = "list the cached models with 'gpustack-draw models'"
    if cached:
        hint = f"cached from this repository: {', '.join(cached)}"
    return ModelNotFoundError(f"{reference} is not cached", hint=hint)


def _components_of(hub: Hub, repository: Repository, file: RepositoryFile) -> list[RepositoryFile]:
    """Find the cached component files of a model."""
    components: list[RepositoryFile] = []
    with suppress(DrawError):  # a damaged file, or one that is not a model, has no components
        header = hub.read_header(file)
        family = family_of(header, file.label, Path(file.path).stem)
        finder = ComponentFinder(lambda: hub, family, header, file.label)
        for component in (*family.requires, *family.optional):
            with suppress(DrawError):
                part = finder.find_beside(repository.files, component, [file, *components])
                part = part or finder.find_elsewhere(component, only_cached=True)
                found = part.file if part is not None else None
                if isinstance(found, RepositoryFile) and hub.path_of(found) is not None:
                    components.append(found)
    return components


def _notes(removal: Removal, components: tuple[RepositoryFile, ...]) -> list[str]:
    file = removal.file
    notes = [
        f"no space is freed while commit {commit[:12]} of the repository uses the same content;"
        f" to free it, also remove hf.co/{file.repository}@{commit}:{file.path}"
        for commit in removal.used_by
    ]
    notes += [
        f"{component.label} ({format_bytes(component.bytes)}) stays, as other models may use it"
        for component in components
    ]
    return notes
