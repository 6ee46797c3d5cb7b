"""Requests to an application in the same process, with the body in pieces."""

import asyncio
import json
from collections.abc import AsyncIterable, Iterable
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp, Message


@dataclass
class Reply:
    """The response to a request.

    Attributes:
        status: HTTP status; 0 if none was sent.
        headers: By lower-case name.
        body: All that was sent.
        is_complete: Whether the end was sent.
    """

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    is_complete: bool = False

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """The error in the body."""
        content = self.json["error"]
        assert set(content) == {"message", "type", "param", "code"}
        return content


def call(app: ASGIApp, method: str = "GET", path: str = "/", **request: Any) -> Reply:
    """Send a request as :func:`call_async` does, in an event loop of its own."""
    return asyncio.run(call_async(app, method, path, **request))


async def call_async(
    app: ASGIApp,
    method: str = "GET",
    path: str = "/",
    *,
    headers: Iterable[tuple[str, str]] = (),
    pieces: Iterable[bytes] | AsyncIterable[bytes] = (),
    is_gone: bool = False,
) -> Reply:
    """Send a request to an application, and return its response.

    Args:
        app: The application.
        method: HTTP method.
        path: Path, decoded, without a query.
        headers: Names and values; Host is 127.0.0.1 unless it is among them.
        pieces: The body. An asynchronous one may wait, and its end counts as the body's end.
        is_gone: Disconnect after the body.
    """
    named = {"host": "127.0.0.1", **{name.lower(): value for name, value in headers}}
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(n.encode("latin-1"), v.encode("latin-1")) for n, v in named.items()],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 1234),
        "state": {},
    }
    messages: asyncio.Queue[Message] = asyncio.Queue(maxsize=1)
    sending = asyncio.ensure_future(_send_pieces(messages, pieces))
    finished = asyncio.Event()
    reply = Reply()

    async def receive() -> Message:
        if not (sending.done() and messages.empty()):
            return await messages.get()
        await sending  # raises its error
        if not is_gone:
            await finished.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            reply.status = message["status"]
            reply.headers = {n.decode().lower(): v.decode("latin-1") for n, v in message["headers"]}
            return
        reply.body += message.get("body", b"")
        if not message.get("more_body", False):
            reply.is_complete = True
            finished.set()

    try:
        await app(scope, receive, send)
    finally:
        sending.cancel()
    return reply


async def _send_pieces(
    messages: "asyncio.Queue[Message]", pieces: Iterable[bytes] | AsyncIterable[bytes]
) -> None:
    if isinstance(pieces, AsyncIterable):
        async for piece in pieces:
            await messages.put({"type": "http.request", "body": piece, "more_body": True})
    else:
        for piece in pieces:
            await messages.put({"type": "http.request", "body": piece, "more_body": True})
    await messages.put({"type": "http.request", "body": b"", "more_body": False})
