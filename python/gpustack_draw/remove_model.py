"""Remove a model of the hub from this machine."""

from contextlib import suppress
from dataclasses import dataclass

from gpustack_draw.errors import DrawError, ModelNotFoundError, UsageError, quoted
from gpustack_draw.hub import Hub, Removal, Repository, RepositoryFile
from gpustack_draw.hub.choose_file import choose_file, tag_of
from gpustack_draw.request.model_reference import (
    DemoModel,
    HubModel,
    LocalModel,
    parse_model_reference,
)
from gpustack_draw.resolver.find_components import ComponentFinder
from gpustack_draw.resolver.requirements import family_of
from gpustack_draw.units import format_bytes


@dataclass(frozen=True)
class ModelRemoval:
    """The removal of a model, before it is carried out.

    Attributes:
        model: The reference as typed.
        removal: The paths to delete.
        kept_parts: Files that the model draws with, and that stay because others may use them.
        notes: For the user.
    """

    model: str
    removal: Removal
    kept_parts: tuple[RepositoryFile, ...]
    notes: tuple[str, ...]


def plan_model_removal(text: str) -> ModelRemoval:
    """Find what removing a model deletes; nothing is deleted, and the network is not used.

    Args:
        text: ``hf.co/OWNER/REPO[@REVISION][:TAG]``; the tag may name any file of the repository.

    Raises:
        UsageError: The model is not one that was fetched from the hub.
        ModelNotFoundError: It is not on this machine.
        FetchError: The cache leads outside its folder there.
    """
    reference = parse_model_reference(text)
    if isinstance(reference, DemoModel):
        raise UsageError(
            "'demo' is part of gpustack-draw and cannot be removed alone",
            hint="uninstall gpustack-draw to remove both",
        )
    if isinstance(reference, LocalModel):
        raise UsageError(
            f"{quoted(text)} is a path, and gpustack-draw removes only models that it has fetched",
            hint="delete the file yourself, or write hf.co/OWNER/REPO[:TAG]",
        )
    if not isinstance(reference, HubModel):
        raise ModelNotFoundError(
            f"{quoted(text)} is not a model of Hugging Face",
            hint="write hf.co/OWNER/REPO:TAG, as 'gpustack-draw models' lists it; a model on a"
            " GPUStack server is removed there",
        )
    hub = Hub(offline=True)
    repository = hub.known_repository(reference.repository, reference.revision)
    if repository is None:
        at = f"@{reference.revision}" if reference.revision else ""
        raise _not_here(hub, f"hf.co/{reference.repository}{at}", reference.repository)
    file = _chosen_file(repository, reference)
    try:
        removal = hub.plan_removal(file)
    except ModelNotFoundError:
        name = f"hf.co/{repository.name}:{tag_of(file.path, repository.paths)}"
        raise _not_here(hub, name, reference.repository) from None
    parts = tuple(_parts_of(hub, repository, file))
    return ModelRemoval(text, removal, parts, tuple(_notes(removal, parts)))


def remove_model(removal: ModelRemoval) -> None:
    """Carry out the removal of a model.

    Raises:
        FetchError: Another process is fetching it, or the cache cannot be written to.
    """
    Hub(offline=True).remove(removal.removal)


def _chosen_file(repository: Repository, reference: HubModel) -> RepositoryFile:
    if reference.tag in repository.paths:
        return repository.file(reference.tag)
    choice = choose_file(
        repository.paths,
        reference.tag,
        tag_given=reference.tag_given,
        repository=repository.name,
    )
    return repository.file(choice.path)


def _not_here(hub: Hub, shown: str, name: str) -> ModelNotFoundError:
    here = [model for model in hub.cached_references() if model.startswith(f"hf.co/{name}:")]
    hint = "'gpustack-draw models' lists the models that are here"
    if here:
        hint = f"of this repository, {', '.join(here)} is here"
    return ModelNotFoundError(f"{shown} is not on this machine", hint=hint)


def _parts_of(hub: Hub, repository: Repository, file: RepositoryFile) -> list[RepositoryFile]:
    """Find the other files on this machine that a model draws with."""
    parts: list[RepositoryFile] = []
    with suppress(DrawError):  # a damaged file, or one that is no model, has no parts
        header = hub.read_header(file)
        family = family_of(header, file.shown)
        finder = ComponentFinder(hub, family, header, file.shown)
        for component in (*family.requires, *family.optional):
            with suppress(DrawError):
                part = finder.find_beside(repository.files, component, [file, *parts])
                part = part or finder.find_elsewhere(component, only_cached=True)
                found = part.file if part is not None else None
                if isinstance(found, RepositoryFile) and hub.path_of(found) is not None:
                    parts.append(found)
    return parts


def _notes(removal: Removal, parts: tuple[RepositoryFile, ...]) -> list[str]:
    file = removal.file
    notes = [
        f"its bytes stay, as commit {commit[:12]} of the repository uses them: to free them, remove"
        f" hf.co/{file.repository}@{commit}:{file.path} too"
        for commit in removal.used_by
    ]
    notes += [
        f"{part.shown} ({format_bytes(part.bytes)}) stays, as other models may use it"
        for part in parts
    ]
    return notes
