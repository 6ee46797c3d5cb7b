"""Find the file of an addition to a model, on this machine or on the hub, and read its header."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gpustack_draw.errors import DrawError, ModelNotFoundError
from gpustack_draw.headers.header import ModelHeader, read_model_header
from gpustack_draw.request.additions import Addition
from gpustack_draw.request.model_reference import HubModel, LocalModel, parse_model_reference
from gpustack_draw.resolver.user_components import OpenHub

if TYPE_CHECKING:
    from gpustack_draw.hub import Hub, Repository, RepositoryFile


@dataclass(frozen=True)
class AdditionFile:
    """The file of an addition.

    Attributes:
        reference: Its reference as typed.
        path: The file; that of a file on the hub may still be missing.
        header: Its header.
        label: Name of the file in messages.
        hub_file: The file on the hub; ``None`` for a file of the user.
        note: Note for the user if the hub could not be reached; empty otherwise.
    """

    reference: str
    path: Path
    header: ModelHeader
    label: str
    hub_file: "RepositoryFile | None" = None
    note: str = ""


def find_addition(
    reference: str | os.PathLike[str], addition: Addition, open_hub: OpenHub, *, argument: str
) -> AdditionFile:
    """Find the file of an addition and read its header; downloads nothing.

    Args:
        reference: A path, or ``hf.co/OWNER/REPO[@REVISION][:TAG]`` with the tags of
            :func:`~gpustack_draw.hub.choose_addition.choose_addition`.
        addition: The type of addition.
        open_hub: Returns the hub and its cache.
        argument: Name of the argument that the errors are about.

    Raises:
        UsageError: The reference is empty, or an address of another site.
        ModelNotFoundError: There is no such file.
        ModelFileError: The file is damaged, or no file of weights.
        FetchError: The hub is unavailable, or refuses the request.
    """
    try:
        parsed = parse_model_reference(reference)
        if isinstance(parsed, HubModel):
            return _find_on_hub(parsed, addition, open_hub())
        text = parsed.text
        path = parsed.path if isinstance(parsed, LocalModel) else Path(text)
        return AdditionFile(text, path, read_model_header(path, label=text), text)
    except DrawError as error:
        error.argument = argument
        raise


def _find_on_hub(reference: HubModel, addition: Addition, hub: "Hub") -> AdditionFile:
    from gpustack_draw.hub.choose_addition import choose_addition

    tag = reference.tag if reference.has_explicit_tag else ""
    revision = f"@{reference.revision}" if reference.revision else ""

    def choose(repository: "Repository") -> "RepositoryFile":
        path = choose_addition(
            repository.paths, tag, addition, repository=f"{repository.name}{revision}"
        )
        return repository.file(path)

    def is_cached(repository: "Repository") -> bool:
        try:
            return hub.path_of(choose(repository)) is not None
        except ModelNotFoundError:
            return False

    repository = hub.repository(reference.repository, reference.revision, is_sufficient=is_cached)
    file = choose(repository)
    header = hub.read_header(file)
    path = hub.cache.pointer(file)
    return AdditionFile(reference.text, path, header, file.label, file, repository.note)
