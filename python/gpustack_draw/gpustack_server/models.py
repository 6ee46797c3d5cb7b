"""The models of a GPUStack server: running models, deployed models and their instances."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gpustack_draw.errors import DrawError
from gpustack_draw.gpustack_server.cancellation import Cancellation, TransportError
from gpustack_draw.gpustack_server.release import FoundServer
from gpustack_draw.gpustack_server.request_json import request_object, try_request_object
from gpustack_draw.gpustack_server.responses import ResponseError
from gpustack_draw.gpustack_server.server_errors import (
    explain_response,
    explain_transport,
    not_an_image_model,
)
from gpustack_draw.request.draw_request import MAX_SIDE
from gpustack_draw.untrusted import clean

_MAX_NAME_LENGTH = 255
_MAX_TEXT_LENGTH = 1000
_MAX_MODELS = 1000
_MAX_NAMES = 1000
_HUB = "hf.co/"
OWN_MARK = "gpustack_draw"  # in the metadata of a model of this program's own server
OWN_META = {OWN_MARK: "", "streams": True}  # before the server has listed the model
# Models without a category may draw.
_DRAWING_CATEGORIES = ("image", "unknown", "")
# States of instances from the one that explains most.
_STATES = ("error", "unreachable", "pending")


@dataclass(frozen=True)
class RunningModel:
    """A model with a running instance.

    Attributes:
        name: Its name on the server.
        meta: Metadata of its backend: ``default_width``, ``sampling_steps``, ...
        listed: The name that the server lists it under; empty for the same one.
        is_listed: False if the server lists its models, and none of this name.
    """

    name: str
    meta: Mapping[str, Any] = field(default_factory=dict)
    listed: str = ""
    is_listed: bool = True

    @property
    def family(self) -> str:
        """Name of its family, such as ``flux1``; empty if the server does not report it."""
        value = self.meta.get("family")
        return clean(value) if isinstance(value, str) else ""

    def number(self, name: str, high: float = 1e9) -> float | None:
        """Return a number of the metadata above 0 and up to ``high``; ``None`` without one."""
        value = self.meta.get(name)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return value if is_number and 0 < value <= high else None  # type: ignore[operator]

    def integer(self, name: str, high: int) -> int | None:
        """Return a number of the metadata from 1 to ``high``, cut to a whole one, else ``None``."""
        return int(self.number(name, high) or 0) or None

    def size(self, kind: str) -> tuple[int, int] | None:
        """Return a size of the metadata, width and height in pixels; ``None`` without one.

        Args:
            kind: ``default``, ``native`` (what the model was trained for) or ``max``.
        """
        width, height = (self.integer(f"{kind}_{side}", MAX_SIDE) for side in ("width", "height"))
        return (width, height) if width and height else None

    def names(self, name: str) -> tuple[str, ...]:
        """Return a list of names of the metadata; empty without one."""
        value = self.meta.get(name)
        items = value[:_MAX_NAMES] if isinstance(value, list) else []
        return tuple(clean(item) for item in items if isinstance(item, str))

    def one_of(self, name: str, allowed: Collection[str]) -> str | None:
        """Return a text of the metadata if it is one of the allowed ones, else ``None``."""
        value = self.meta.get(name)
        return value if isinstance(value, str) and value in allowed else None


@dataclass(frozen=True)
class DeployedModel:
    """A model of the management API, running or not.

    Attributes:
        id: Its number on the server.
        name: Its name there; empty if invalid.
        repository: ``OWNER/REPO`` on Hugging Face; empty for other sources.
        file: File or pattern in the repository; empty for all files.
        is_stopped: Whether it is deployed with 0 replicas.
        is_ready: Whether an instance is running.
    """

    id: str
    name: str
    repository: str
    file: str
    is_stopped: bool
    is_ready: bool


@dataclass(frozen=True)
class Instance:
    """An instance of a model in the management API.

    Attributes:
        state: ``running``, ``downloading``, ``error``, ...; ``unknown`` if missing.
        message: The server's explanation; may be empty.
        percent: Share of the model downloaded, 0 to 100; ``None`` if missing or invalid.
    """

    state: str
    message: str
    percent: int | None

    @property
    def text(self) -> str:
        """State and message in one line."""
        return f"{self.state}: {self.message}" if self.message else self.state


def parse_deployed_model(item: Mapping[str, Any]) -> DeployedModel:
    """Parse a model of the management API."""
    is_hub_model = item.get("source") == "huggingface"
    return DeployedModel(
        id=clean(str(item.get("id"))),
        name=_parse_name(item.get("name")),
        repository=_parse_text(item.get("huggingface_repo_id")) if is_hub_model else "",
        file=_parse_text(item.get("huggingface_filename")),
        is_stopped=item.get("replicas") == 0,
        is_ready=bool(item.get("ready_replicas")),
    )


def parse_instance(item: Mapping[str, Any]) -> Instance:
    """Parse an instance of the management API."""
    percent = item.get("download_progress")
    is_percent = isinstance(percent, int | float) and 0 <= percent <= 100
    return Instance(
        state=clean(str(item.get("state") or "unknown")),
        message=clean(str(item.get("state_message") or "")),
        percent=int(percent) if is_percent else None,  # type: ignore[arg-type]
    )


def parse_items(response: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the objects in a list of the management API."""
    items = response.get("items")
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def list_models(
    server: FoundServer, cancellation: Cancellation, categories: Sequence[str] = ()
) -> list[RunningModel]:
    """Return the models that run on a server.

    Args:
        server: The server.
        cancellation: Ends the request from another thread.
        categories: Categories to include, with an empty string for models without one; empty for
            all models.

    Raises:
        DrawError: The server does not answer properly, or requires an API key.
    """
    connection, release = server.connection, server.release
    query = [("categories", each) for each in categories] + [("with_meta", "true")]
    if tuple(categories) == ("image",) and release.number < (0, 5):
        query.append(("image_only", "true"))
    try:
        response = request_object(connection, "GET", release.models_path, cancellation, query=query)
    except TransportError as error:
        raise explain_transport(error, connection.address) from error
    except ResponseError as error:
        raise explain_response(error, connection.address, release.title) from error
    data = response.get("data")
    models: list[RunningModel] = []
    for item in data[:_MAX_MODELS] if isinstance(data, list) else []:
        name = _parse_name(item.get("id")) if isinstance(item, dict) else ""
        if name:
            meta = item.get("meta")
            models.append(RunningModel(name, meta if isinstance(meta, dict) else {}))
    return models


def try_list_models(
    server: FoundServer, cancellation: Cancellation, categories: Sequence[str] = ()
) -> list[RunningModel] | None:
    """Return the models that run on a server, or ``None`` if it refuses to list them.

    Takes the arguments of :func:`list_models`. A server that refuses may draw all the same.

    Raises:
        ServerError: The server does not answer, or rejects the API key.
    """
    try:
        return list_models(server, cancellation, categories)
    except DrawError as error:
        cause = error.__cause__
        if not isinstance(cause, ResponseError) or cause.status == 401:
            raise
        server.connection.log(f"the models cannot be listed: {error.message}")
        return None


def image_model_names(server: FoundServer, cancellation: Cancellation) -> list[str]:
    """Return the names of the running image models, as far as the server lists them.

    Raises:
        ServerError: The server does not answer, or rejects the API key.
    """
    models = try_list_models(server, cancellation, ("image",)) or []
    return [model.name for model in models]


def find_model(server: FoundServer, name: str, cancellation: Cancellation) -> RunningModel:
    """Find a model among the running ones.

    A model that is not listed may draw all the same; it is returned without metadata, unless they
    are known from the server.

    Raises:
        ServerError: The server does not answer, or rejects the API key.
        ModelNotFoundError: The model has another category.
    """
    candidates = try_list_models(server, cancellation, _DRAWING_CATEGORIES)
    running = candidates or []
    if name not in {model.name for model in running}:
        running = try_list_models(server, cancellation) or []
    found = next((model for model in running if model.name == name), None)
    if found is None:
        unlisted = _unlisted_model(server, name, running)
        return replace(unlisted, is_listed=candidates is None)
    if candidates is None or found in candidates:
        return found
    known = image_model_names(server, cancellation)
    raise not_an_image_model(name, server.connection.address, known)


def _unlisted_model(
    server: FoundServer, name: str, running: Sequence[RunningModel]
) -> RunningModel:
    """Return what is known of a model that a server does not list."""
    if not server.release.is_own:
        return RunningModel(name)
    if len(running) == 1 and not name.startswith(_HUB):
        # It draws with its only model, whatever the name.
        return RunningModel(name, running[0].meta, listed=running[0].name)
    return RunningModel(name, OWN_META)  # it may download the model


def find_state(server: FoundServer, name: str, cancellation: Cancellation) -> str:
    """Return the state of a model that does not run, for an error message.

    Args:
        server: The server.
        name: The model's name.
        cancellation: Ends the request from another thread.

    Returns:
        State and message in one line; empty if the API key may not read them.
    """
    connection, path = server.connection, server.release.management_path
    query = [("search", name), ("perPage", "100")]
    response = try_request_object(connection, "GET", f"{path}/models", cancellation, query=query)
    models = map(parse_deployed_model, parse_items(response))
    model = next((each for each in models if each.name == name), None)
    if model is None:
        return ""
    query = [("model_id", model.id), ("perPage", "100")]
    response = try_request_object(
        connection, "GET", f"{path}/model-instances", cancellation, query=query
    )
    instances = [parse_instance(item) for item in parse_items(response)]
    if not instances:
        return "it has no replicas" if model.is_stopped else "it has no instance yet"
    return min(
        instances,
        key=lambda each: _STATES.index(each.state) if each.state in _STATES else len(_STATES),
    ).text


def _parse_name(value: object) -> str:
    """Return a model's name, or an empty string if it is not a valid one."""
    is_valid = isinstance(value, str) and len(value) <= _MAX_NAME_LENGTH and value.isprintable()
    return value if is_valid else ""  # type: ignore[return-value]


def _parse_text(value: object) -> str:
    return str(value or "")[:_MAX_TEXT_LENGTH]
