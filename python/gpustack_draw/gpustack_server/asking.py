"""Questions that a server answers with a JSON object, and how patiently they are asked."""

from typing import Any

from gpustack_draw.errors import DrawError
from gpustack_draw.gpustack_server.cancellation import Cancellation, TransportError
from gpustack_draw.gpustack_server.connection import ServerConnection
from gpustack_draw.gpustack_server.replies import ReplyError, parse_object, refusal_of

ASK_SECONDS = 30.0
MAX_LIST_BYTES = 8 * 1024 * 1024
# Before a server, or a proxy in front of it, listens again after a restart, in seconds.
REFUSED_WAITS: tuple[float, ...] = (0.5, 1.0, 2.0)
# When a server with too much to do does not say when it wants to be asked again, in seconds.
BUSY_WAITS: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0)


def ask_object(
    connection: ServerConnection, method: str, path: str, cancellation: Cancellation, **options: Any
) -> dict[str, Any]:
    """Ask for a JSON object.

    Args:
        connection: The server.
        method: ``GET`` or ``POST``.
        path: On the server.
        cancellation: What may end it.
        options: ``query`` and ``body``, as for :meth:`ServerConnection.ask`.

    Raises:
        TransportError: No answer came.
        ReplyError: The answer is an error, or no JSON object.
    """
    with connection.ask(
        method, path, seconds=ASK_SECONDS, cancellation=cancellation, **options
    ) as reply:
        body = reply.read(MAX_LIST_BYTES)
        if reply.status >= 300:
            raise refusal_of(body, reply.content_type, reply.status)
        if len(body) == MAX_LIST_BYTES:
            raise ReplyError("too long")
        return parse_object(body)


def try_json(
    connection: ServerConnection, method: str, path: str, cancellation: Cancellation, **options: Any
) -> dict[str, Any]:
    """Ask for a JSON object that is good to have; an empty one where it cannot be had."""
    try:
        return ask_object(connection, method, path, cancellation, **options)
    except (TransportError, ReplyError, DrawError):
        if cancellation.is_cancelled:
            raise
        return {}
