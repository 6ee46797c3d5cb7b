"""Components of a model that the user named, or that were found."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gpustack_draw.errors import ModelNotFoundError, UsageError, quoted
from gpustack_draw.headers.header import ModelHeader, read_model_header
from gpustack_draw.request.model_reference import (
    DemoModel,
    HubModel,
    LocalModel,
    ServerModel,
    parse_model_reference,
)
from gpustack_draw.request.names import COMPONENTS
from gpustack_draw.resolver.requirements import check_kind
from gpustack_draw.resolver.resolved_model import ModelFile, option_of

if TYPE_CHECKING:
    from gpustack_draw.hub import Hub, Repository, RepositoryFile


@dataclass(frozen=True)
class Given:
    """A component file. One of the hub may be unread yet."""

    file: ModelFile
    header: ModelHeader | None
    shown: str


@dataclass(frozen=True)
class FoundParts:
    """The components that a model lacked.

    Attributes:
        parts: Found files, by component.
        notes: Where they were found, and what lies beside the model and does not fit.
    """

    parts: dict[str, Given]
    notes: tuple[str, ...]


def component_of_hub(
    component: str,
    file: "RepositoryFile",
    header: ModelHeader | None,
    hub: "Hub",
    origin: str = "named",
) -> Given:
    """Use a file of the hub as a component. An unread header is read once the file is fetched."""
    size = header.file_bytes if header is not None else max(file.bytes, 0)
    part = ModelFile(component, hub.cache.pointer(file), size, file, origin)
    return Given(part, header, file.shown)


def read_components(components: Mapping[str, str]) -> dict[str, Given]:
    """Read the components that the user named.

    Args:
        components: Paths and hf.co references, by component (``vae``, ``clip_l``, ...).

    Raises:
        UsageError: A component has no such name, or no file is named.
        ModelNotFoundError: There is no such file.
        ModelFileError: A file is damaged, or is not what it is used as.
        FetchError: The hub cannot be asked, or refuses.
    """
    given = {}
    for component, text in components.items():
        if component not in COMPONENTS:
            raise UsageError(
                f"{quoted(component)} is not a component",
                hint=f"components: {', '.join(COMPONENTS)}",
            )
        given[component] = _read_component(component, text)
    return given


def _read_component(component: str, text: str) -> Given:
    if not text.strip():
        raise UsageError(
            f"{option_of(component)} names no file: {text!r}",
            hint=f"type {option_of(component)} FILE",
        )
    reference = parse_model_reference(text)
    if isinstance(reference, HubModel):
        return _read_hub_component(component, reference)
    if isinstance(reference, DemoModel | ServerModel):
        reference = LocalModel(Path(reference.text), reference.text)
    path, shown = reference.path, reference.text
    header = read_model_header(path, shown=shown)
    check_kind(component, header, shown)
    return Given(ModelFile(component, path, header.file_bytes), header, shown)


def _read_hub_component(component: str, reference: HubModel) -> Given:
    from gpustack_draw.hub import Hub
    from gpustack_draw.hub.choose_file import choose_file
    from gpustack_draw.resolver.component_sources import beside

    hub = Hub()

    def chosen(repository: "Repository") -> "RepositoryFile":
        choice = choose_file(
            repository.paths,
            reference.tag,
            tag_given=reference.tag_given,
            repository=repository.name,
            parts=beside(repository.paths, component),
        )
        return repository.file(choice.path)

    def is_here(repository: "Repository") -> bool:
        try:
            return hub.path_of(chosen(repository)) is not None
        except ModelNotFoundError:
            return False

    file = chosen(hub.repository(reference.repository, reference.revision, wanted=is_here))
    header = hub.read_header(file)
    check_kind(component, header, file.shown)
    return component_of_hub(component, file, header, hub)
