"""Component files that the user chose."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gpustack_draw.errors import DrawError, ModelNotFoundError, UsageError, quoted
from gpustack_draw.headers.header import ModelHeader, read_model_header
from gpustack_draw.phrases import Argument, phrase
from gpustack_draw.request.model_reference import (
    DemoModel,
    HubModel,
    LocalModel,
    ServerModel,
    parse_model_reference,
)
from gpustack_draw.request.names import COMPONENTS
from gpustack_draw.resolver.requirements import check_component
from gpustack_draw.resolver.resolved_model import ModelFile

if TYPE_CHECKING:
    from gpustack_draw.hub import Hub, Repository, RepositoryFile

# Returns the hub that all files of a model share, and creates it on the first call: many local
# models need none, and its import is slow.
OpenHub = Callable[[], "Hub"]


def open_hub() -> "Hub":
    """Return a hub and its cache; its import is slow."""
    from gpustack_draw.hub import Hub

    return Hub()


@dataclass(frozen=True)
class ComponentFile:
    """A file used as a component.

    Attributes:
        file: The file.
        header: Header of the file; ``None`` if it is on the hub and has not been read.
        label: Name of the file in messages.
    """

    file: ModelFile
    header: ModelHeader | None
    label: str


def hub_component(
    component: str,
    file: "RepositoryFile",
    header: ModelHeader | None,
    hub: "Hub",
    origin: str = "named",
) -> ComponentFile:
    """Return a file of the hub as a component.

    Args:
        component: One of :data:`gpustack_draw.request.names.COMPONENTS`.
        file: The file.
        header: Its header; ``None`` to read it after the download.
        hub: The hub and its cache.
        origin: How it was found; see :class:`ModelFile`.
    """
    size = header.file_bytes if header is not None else max(file.bytes, 0)
    model_file = ModelFile(component, hub.cache.pointer(file), size, file, origin)
    return ComponentFile(model_file, header, file.label)


def read_components(components: Mapping[str, str], open_hub: OpenHub) -> dict[str, ComponentFile]:
    """Read the headers of the components that the user chose.

    Args:
        components: Paths and hf.co references, by component (``vae``, ``clip_l``, ...).
        open_hub: Returns the hub and its cache.

    Raises:
        UsageError: The name of a component is unknown, or a reference is empty.
        ModelNotFoundError: A file does not exist.
        ModelFileError: A file is damaged, or another component than it is used as.
        FetchError: The hub is unavailable, or refuses the request.
    """
    files = {}
    for component, text in components.items():
        if component not in COMPONENTS:
            raise UsageError(
                f"{quoted(component)} is not a component",
                hint=f"components: {', '.join(COMPONENTS)}",
            )
        try:
            files[component] = _read_component(component, text, open_hub)
        except DrawError as error:
            error.argument = component
            raise
    return files


def _read_component(component: str, text: str, open_hub: OpenHub) -> ComponentFile:
    if not text.strip():
        raise UsageError(
            phrase("missing file after {}: {}", Argument(component), repr(text)),
            hint=phrase("type {}", Argument(component, "FILE")),
        )
    reference = parse_model_reference(text)
    if isinstance(reference, HubModel):
        return _read_hub_component(component, reference, open_hub())
    if isinstance(reference, DemoModel | ServerModel):
        reference = LocalModel(Path(reference.text), reference.text)
    path, label = reference.path, reference.text
    header = read_model_header(path, label=label)
    check_component(component, header, label)
    return ComponentFile(ModelFile(component, path, header.file_bytes), header, label)


def _read_hub_component(component: str, reference: HubModel, hub: "Hub") -> ComponentFile:
    from gpustack_draw.hub.choose_file import choose_file
    from gpustack_draw.resolver.candidate_files import files_named_like

    def choose(repository: "Repository") -> "RepositoryFile":
        choice = choose_file(
            repository.paths,
            reference.tag,
            has_explicit_tag=reference.has_explicit_tag,
            repository=repository.name,
            component_paths=files_named_like(component, repository.paths),
        )
        return repository.file(choice.path)

    def is_cached(repository: "Repository") -> bool:
        try:
            return hub.path_of(choose(repository)) is not None
        except ModelNotFoundError:
            return False

    file = choose(hub.repository(reference.repository, reference.revision, is_sufficient=is_cached))
    header = hub.read_header(file)
    check_component(component, header, file.label)
    return hub_component(component, file, header, hub)
