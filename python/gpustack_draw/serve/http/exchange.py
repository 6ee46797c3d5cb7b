"""One line of the log and one count for each request; headers of each response."""

import time

import anyio
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gpustack_draw.errors import DrawError
from gpustack_draw.serve.http.errors import (
    CLIENT_GONE,
    answer_for,
    error_response,
    is_disconnect,
)
from gpustack_draw.serve.http.request_counts import RequestCounts, RequestKind
from gpustack_draw.serve.log import LOGGER
from gpustack_draw.untrusted import clean

ACCESS_LOG = LOGGER.getChild("access")
UNKNOWN_ROUTE = "other"

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_MAX_PATH_LENGTH = 100
_BYTES_TO_DISCARD = 64 * 1024 * 1024
_SECONDS_TO_DISCARD = 5.0
# The page has one script and one style sheet of its own, and displays pictures from memory.
_SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self';"
    " img-src 'self' blob: data:; connect-src 'self'; manifest-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}


class ExchangeLog:
    """The outermost middleware: it logs and counts requests, and answers to their errors.

    A line contains neither the prompt nor headers nor the query: the address, the method, the path,
    the status, the bytes and the seconds.
    """

    def __init__(self, app: ASGIApp, counts: RequestCounts) -> None:
        """Wrap an application."""
        self._app = app
        self._counts = counts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, answer to its error, log and count it."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        request = _Request(scope, receive)
        response = _Response(request, send)
        try:
            await self._app(scope, request.receive, response.send)
        except Exception as error:
            await self._answer(error, response, scope, receive)
        finally:
            self._log(scope, response, time.perf_counter() - started)

    async def _answer(
        self, error: Exception, response: "_Response", scope: Scope, receive: Receive
    ) -> None:
        if is_disconnect(error):
            return
        if not isinstance(error, DrawError):
            LOGGER.error("internal error", exc_info=error)
        if not response.status:
            await error_response(error)(scope, receive, response.send)
        elif isinstance(error, DrawError):
            LOGGER.warning("a response ended early: %s", clean(answer_for(error).message))

    def _log(self, scope: Scope, response: "_Response", seconds: float) -> None:
        route = getattr(scope.get("route"), "path", UNKNOWN_ROUTE)
        method = scope["method"] if scope["method"] in _METHODS else "other"
        status = response.status or CLIENT_GONE
        self._counts.add(RequestKind(route, method, status))
        ACCESS_LOG.info(
            "%s %s %s %d %d bytes %.3f s%s",
            (scope.get("client") or ("-",))[0],
            method,
            # A route's own path, because names in it could be prompts.
            _typed_path(scope) if route == UNKNOWN_ROUTE else route,
            status,
            response.count,
            seconds,
            "" if response.is_complete else ", incomplete",
        )


def _typed_path(scope: Scope) -> str:
    return clean(scope.get("raw_path", b"").decode("latin-1"), _MAX_PATH_LENGTH)


class _Request:
    """The body of a request while it arrives."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        headers = Headers(scope=scope)
        has_body = "transfer-encoding" in headers or headers.get("content-length", "0") != "0"
        # Who waits for "100 Continue" sends nothing without it.
        self._is_complete = not has_body or "expect" in headers
        self._receive = receive

    async def receive(self) -> Message:
        """Return the next message."""
        message = await self._receive()
        self._is_complete = not message.get("more_body", False)
        return message

    async def discard(self) -> None:
        """Read the rest of the body and forget it, within limits.

        A client that still sends when its connection ends loses the response.
        """
        left = _BYTES_TO_DISCARD
        with anyio.move_on_after(_SECONDS_TO_DISCARD):
            while not self._is_complete and left > 0:
                message = await self.receive()
                left -= len(message.get("body", b""))


class _Response:
    """A response while it is sent.

    Attributes:
        status: Its status; 0 before it starts.
        count: Bytes of its body.
        is_complete: Whether all of it was sent.
    """

    def __init__(self, request: _Request, send: Send) -> None:
        self._request = request
        self._send = send
        self.status = 0
        self.count = 0
        self.is_complete = False

    async def send(self, message: Message) -> None:
        """Send a message, with the headers that every response has."""
        if message["type"] == "http.response.start":
            await self._request.discard()
            headers = MutableHeaders(scope=message)
            for name, value in _SECURITY_HEADERS.items():
                headers.setdefault(name, value)
            self.status = message["status"]
        await self._send(message)
        if message["type"] == "http.response.body":
            self.count += len(message.get("body", b""))
            self.is_complete = not message.get("more_body", False)
