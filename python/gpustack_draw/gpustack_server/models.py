"""The models of a GPUStack server: those that run, and why one does not."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gpustack_draw.gpustack_server.advice import explain_reply, explain_transport
from gpustack_draw.gpustack_server.asking import ask_object, try_json
from gpustack_draw.gpustack_server.cancellation import Cancellation, TransportError
from gpustack_draw.gpustack_server.connection import ServerConnection
from gpustack_draw.gpustack_server.release import Release
from gpustack_draw.gpustack_server.replies import ReplyError, clean


@dataclass(frozen=True)
class RunningModel:
    """A model that runs on a server.

    Attributes:
        name: Its name there.
        meta: What its backend tells of it: ``default_width``, ``sampling_steps``, ...
    """

    name: str
    meta: Mapping[str, Any] = field(default_factory=dict)

    def number(self, name: str) -> float | None:
        """Give a number of the meta data, if it is there and is one above 0."""
        value = self.meta.get(name)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return value if is_number and 0 < value < 1e9 else None  # type: ignore[operator]


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
    models = []
    for item in data if isinstance(data, list) else []:
        name = item.get("id") if isinstance(item, dict) else None
        if isinstance(name, str) and name.isprintable():
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
    query = [("model_id", str(model.get("id"))), ("perPage", "100")]
    found = try_json(connection, "GET", f"{path}/model-instances", cancellation, query=query)
    instances = items_of(found)
    if not instances:
        return "it has no replicas" if model.get("replicas") == 0 else "it has no instance yet"
    # The one whose trouble says most.
    order = ("error", "unreachable", "pending")
    states = [str(instance.get("state")) for instance in instances]
    first = min(states, key=lambda state: order.index(state) if state in order else len(order))
    return state_text(instances[states.index(first)])


def items_of(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Give the objects of a list of the management API."""
    items = answer.get("items")
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def state_text(instance: Mapping[str, Any]) -> str:
    """Put an instance's state and message into a line."""
    message = clean(str(instance.get("state_message") or ""))
    state = clean(str(instance.get("state") or "unknown"))
    return f"{state}: {message}" if message else state
