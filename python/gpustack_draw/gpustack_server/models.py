"""The models of a GPUStack server: those that run, and why one does not."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from gpustack_draw.gpustack_server.advice import explain_reply, explain_transport
from gpustack_draw.gpustack_server.asking import ask_object, try_json
from gpustack_draw.gpustack_server.cancellation import Cancellation, TransportError
from gpustack_draw.gpustack_server.connection import ServerConnection
from gpustack_draw.gpustack_server.release import Release
from gpustack_draw.gpustack_server.replies import ReplyError
from gpustack_draw.untrusted import clean

_MAX_NAME_LENGTH = 255
_MAX_MODELS = 1000


@dataclass(frozen=True)
class RunningModel:
    """A model that runs on a server.

    Attributes:
        name: Its name there.
        meta: What its backend tells of it: ``default_width``, ``sampling_steps``, ...
    """

    name: str
    meta: Mapping[str, Any] = field(default_factory=dict)

    def number(self, name: str, high: float = 1e9) -> float | None:
        """Return a number of the meta data, if it is there, above 0 and not above ``high``."""
        value = self.meta.get(name)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return value if is_number and 0 < value <= high else None  # type: ignore[operator]


@dataclass(frozen=True)
class Instance:
    """An instance of a model, as the management API describes it.

    Attributes:
        state: ``running``, ``downloading``, ``error``, ...; ``unknown`` where it has none.
        message: Why, in the server's words; may be empty.
        percent: How much of the model it has downloaded, 0 to 100; ``None`` where it does not say.
    """

    state: str
    message: str
    percent: int | None

    @property
    def text(self) -> str:
        """State and message in a line."""
        return f"{self.state}: {self.message}" if self.message else self.state


def read_instance(item: Mapping[str, Any]) -> Instance:
    """Read an instance from the object that the server sent."""
    percent = item.get("download_progress")
    is_percent = isinstance(percent, int | float) and 0 <= percent <= 100
    return Instance(
        state=clean(str(item.get("state") or "unknown")),
        message=clean(str(item.get("state_message") or "")),
        percent=int(percent) if is_percent else None,  # type: ignore[arg-type]
    )


def list_models(
    connection: ServerConnection,
    release: Release,
    cancellation: Cancellation,
    categories: tuple[str, ...] = (),
) -> list[RunningModel]:
    """List the models that run on a server.

    Args:
        connection: The server.
        release: Its release.
        cancellation: What may end it.
        categories: Those wanted, where empty text means those of no category; none for all.

    Raises:
        DrawError: The server does not answer as it should, or wants a key.
    """
    query = [("categories", each) for each in categories] + [("with_meta", "true")]
    if categories == ("image",) and release.number < (0, 5):
        query.append(("image_only", "true"))
    try:
        answer = ask_object(connection, "GET", release.models_path, cancellation, query=query)
    except TransportError as error:
        raise explain_transport(error, connection.address) from error
    except ReplyError as error:
        raise explain_reply(error, connection.address, release.title) from error
    data = answer.get("data")
    models: list[RunningModel] = []
    for item in data[:_MAX_MODELS] if isinstance(data, list) else []:
        name = item.get("id") if isinstance(item, dict) else None
        if is_name(name):
            meta = item.get("meta")
            models.append(RunningModel(name, meta if isinstance(meta, dict) else {}))
    return models


def state_of_model(
    connection: ServerConnection, release: Release, name: str, cancellation: Cancellation
) -> str | None:
    """Tell the state of a model that does not run.

    Asked only after a drawing has failed, and good to have: a key that may draw need not be allowed
    to ask this.

    Args:
        connection: The server.
        release: Its release.
        name: The model's name.
        cancellation: What may end it.

    Returns:
        Its state and message, in a line; ``None`` where it cannot be had.
    """
    path = release.management_path
    query = [("search", name), ("perPage", "100")]
    found = try_json(connection, "GET", f"{path}/models", cancellation, query=query)
    model = next((each for each in items_of(found) if each.get("name") == name), None)
    if model is None:
        return None
    query = [("model_id", clean(str(model.get("id")))), ("perPage", "100")]
    found = try_json(connection, "GET", f"{path}/model-instances", cancellation, query=query)
    instances = [read_instance(item) for item in items_of(found)]
    if not instances:
        return "it has no replicas" if model.get("replicas") == 0 else "it has no instance yet"
    # The one whose trouble says most.
    order = ("error", "unreachable", "pending")
    return min(
        instances,
        key=lambda each: order.index(each.state) if each.state in order else len(order),
    ).text


def is_name(value: object) -> TypeGuard[str]:
    """Tell whether a value of a server can be the name of a model."""
    return isinstance(value, str) and 0 < len(value) <= _MAX_NAME_LENGTH and value.isprintable()


def items_of(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Give the objects of a list of the management API."""
    items = answer.get("items")
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
