"""How much a client may send, and how long requests and responses may take."""

from dataclasses import dataclass

import anyio
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gpustack_draw.serve.http.errors import HttpError
from gpustack_draw.serve.studio.busy import BusyError
from gpustack_draw.units import format_bytes

_CLOSE = {"Connection": "close"}


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits of requests.

    Attributes:
        body_bytes: Maximum size of a request's body.
        held_bytes: Maximum size of all bodies of requests that are not answered yet.
        body_seconds: Time for a body to arrive, in addition to its bytes at ``body_rate``.
        body_rate: Minimum bytes a second of a large body.
        send_seconds: Time for a client to read the next piece of a response.
    """

    body_bytes: int = 64 * 1024 * 1024
    held_bytes: int = 256 * 1024 * 1024
    body_seconds: float = 20.0
    body_rate: float = 64_000.0
    send_seconds: float = 60.0


class BodyLimits:
    """Middleware that limits the size and the duration of requests and responses."""

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        """Wrap an application."""
        self._app = app
        self._limits = limits
        self._held_bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, within the limits.

        Raises:
            HttpError: 408 or 413, the client is too slow or sends too much.
            BusyError: The bodies of all requests are too large together.
            ConnectionError: The client does not read its response.
        """
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = _Body(self, Headers(scope=scope), receive, self._limits)
        try:
            body.check_announced_length()
            await self._app(scope, body.receive, self._limited(send))
        finally:
            self._held_bytes -= body.received

    def hold(self, count: int) -> bool:
        """Add to the bytes of all bodies, and return whether they are few enough."""
        if self._held_bytes + count > self._limits.held_bytes:
            return False
        self._held_bytes += count
        return True

    def _limited(self, send: Send) -> Send:
        async def limited_send(message: Message) -> None:
            with anyio.move_on_after(self._limits.send_seconds) as duration:
                await send(message)
            if duration.cancelled_caught:
                raise ConnectionError("the client does not read its response")

        return limited_send


class _Body:
    """The body of a request, which arrives in pieces.

    Attributes:
        received: Number of bytes.
    """

    def __init__(
        self, owner: BodyLimits, headers: Headers, receive: Receive, limits: Limits
    ) -> None:
        self._owner = owner
        self._headers = headers
        self._receive = receive
        self._limits = limits
        self._started = anyio.current_time()
        self._complete = False
        self.received = 0

    def check_announced_length(self) -> None:
        """Refuse a body whose announced length is too large, before it is read."""
        length = self._headers.get("content-length", "")
        if length.isascii() and length.isdecimal() and float(length) > self._limits.body_bytes:
            raise self._too_large()

    async def receive(self) -> Message:
        """Return the next piece, or the event that the client is gone."""
        if self._complete:
            return await self._receive()
        deadline = self._started + self._limits.body_seconds
        deadline += self.received / self._limits.body_rate
        message: Message = {}
        with anyio.move_on_after(deadline - anyio.current_time()) as duration:
            message = await self._receive()
        if duration.cancelled_caught:
            raise HttpError(408, "the request arrives too slowly", code="timeout", headers=_CLOSE)
        if message["type"] == "http.request":
            self._count(len(message.get("body", b"")))
            self._complete = not message.get("more_body", False)
        return message

    def _count(self, count: int) -> None:
        if self.received + count > self._limits.body_bytes:
            raise self._too_large()
        if not self._owner.hold(count):
            raise BusyError("the server holds too many large requests", retry_after=5)
        self.received += count

    def _too_large(self) -> HttpError:
        return HttpError(
            413,
            f"the request has more than {format_bytes(self._limits.body_bytes)}",
            hint="send smaller pictures",
            code="request_too_large",
            headers=_CLOSE,
        )
