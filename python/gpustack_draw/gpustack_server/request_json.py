"""Requests whose response is a JSON object, for everything except pictures."""

from typing import Any

from gpustack_draw.errors import DrawError
from gpustack_draw.gpustack_server.cancellation import Cancellation, TransportError
from gpustack_draw.gpustack_server.connection import ServerConnection
from gpustack_draw.gpustack_server.responses import ResponseError, parse_error_body, parse_object

REQUEST_SECONDS = 30.0
MAX_JSON_BYTES = 8 * 1024 * 1024


def request_object(
    connection: ServerConnection, method: str, path: str, cancellation: Cancellation, **options: Any
) -> dict[str, Any]:
    """Send a request and return the JSON object of its response.

    Args:
        connection: The server.
        method: ``GET`` or ``POST``.
        path: Path below the server's address.
        cancellation: Ends the request from another thread.
        options: ``query`` and ``body``, as for :meth:`ServerConnection.request`.

    Raises:
        TransportError: No complete response arrived.
        ResponseError: The response is an error, is too long, or is not a JSON object.
    """
    with connection.request(
        method, path, seconds=REQUEST_SECONDS, cancellation=cancellation, **options
    ) as response:
        body = response.read(MAX_JSON_BYTES)
        if response.status >= 300:
            raise parse_error_body(body, response.content_type, response.status)
        if len(body) == MAX_JSON_BYTES:
            raise ResponseError("too long")
        return parse_object(body)


def try_request_object(
    connection: ServerConnection, method: str, path: str, cancellation: Cancellation, **options: Any
) -> dict[str, Any]:
    """Return the JSON object of a response, or an empty dict if the request fails.

    Raises:
        TransportError: The request was cancelled.
    """
    try:
        return request_object(connection, method, path, cancellation, **options)
    except (TransportError, ResponseError, DrawError):
        if cancellation.is_cancelled:
            raise
        return {}
