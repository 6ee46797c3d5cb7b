"""List the models that are available without a download."""

from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from gpustack_draw.demo import DEMO_FILE
from gpustack_draw.display import Listing
from gpustack_draw.errors import DrawError
from gpustack_draw.headers.header import read_model_header
from gpustack_draw.hub import Hub
from gpustack_draw.request.known_models import KNOWN_MODELS, KnownModel
from gpustack_draw.resolver.detect_family import variant_of
from gpustack_draw.resolver.requirements import family_of
from gpustack_draw.units import format_bytes


@dataclass(frozen=True)
class AvailableModel:
    """A model whose main file is cached, built in, or on a server.

    Attributes:
        model: Reference to type.
        source: Where it comes from: ``demo``, ``hub`` or ``server``.
        family: Model family; empty for a model on a server that does not report it.
        variant: ``turbo``, ``schnell``, ...; empty if its name contains none.
        bytes: Size of the main file; ``None`` for a model on a server.
        path: Path of the main file; ``None`` for a model on a server.
        server: URL of its server; empty for this machine.
        max_size: Width and height of the largest pictures, in pixels, that its server draws;
            ``None`` if it does not report them, and on this machine.
    """

    model: str
    source: str
    family: str
    variant: str
    bytes: int | None
    path: Path | None
    server: str = ""
    max_size: tuple[int, int] | None = None


class _Models(Listing[AvailableModel]):
    columns = MappingProxyType(
        {
            "model": lambda model: model.model,
            "family": lambda model: " ".join(filter(None, [model.family, model.variant])),
            "size": lambda model: "" if model.bytes is None else format_bytes(model.bytes),
            "where": lambda model: model.server or str(model.path or ""),
        }
    )


class _KnownModels(Listing[KnownModel]):
    columns = MappingProxyType(
        {
            "name": lambda model: model.name,
            "title": lambda model: model.title,
            "tasks": lambda model: ", ".join(model.tasks),
            "license": lambda model: model.license,
            "model": lambda model: model.reference,
        }
    )


def known_models() -> list[KnownModel]:
    """List models of Hugging Face that have a short name; never uses the network."""
    return _KnownModels(KNOWN_MODELS)


def models() -> list[AvailableModel]:
    """List the demo model of the package and the models in the Hugging Face cache.

    Reads the headers of the cached GGUF files, and omits files that are not supported image models.
    Never uses the network.
    """
    found = _Models()
    if DEMO_FILE.is_file():
        size = DEMO_FILE.stat().st_size
        family = family_of(read_model_header(DEMO_FILE), str(DEMO_FILE), DEMO_FILE.name)
        found.append(AvailableModel("demo", "demo", family.name, "", size, DEMO_FILE))
    hub = Hub()
    for repository in hub.cached_repositories():
        for file in repository.files:
            path = hub.path_of(file)
            if path is None or not file.path.lower().endswith(".gguf"):
                continue
            label, stem = repository.model(file.path).label, Path(file.path).stem
            try:
                family = family_of(read_model_header(path, label=label), label, stem)
            except DrawError:
                continue
            variant, size = variant_of(family, stem), path.stat().st_size
            found.append(AvailableModel(label, "hub", family.name, variant, size, path))
    return found


def server_models(server: str | None = None) -> list[AvailableModel]:
    """List the image models that run on the GPUStack server.

    Args:
        server: URL of the server; ``None`` for ``GPUSTACK_SERVER_URL``, or no server if that is
            not set.

    Raises:
        DrawError: The URL is invalid, or the server cannot be reached.
    """
    from gpustack_draw.gpustack_server.address import find_server

    address = find_server(server)
    if not address.is_configured:
        return _Models()
    from gpustack_draw.gpustack_server.server import GpustackServer

    found = GpustackServer(address)
    return _Models(
        AvailableModel(
            model.name,
            "server",
            model.family,
            "",
            None,
            None,
            server=found.address.url,
            max_size=model.size("max"),
        )
        for model in found.image_models()
    )
