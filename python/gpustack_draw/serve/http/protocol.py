"""HTTP/1.1 connections with a time limit for requests that arrive slowly."""

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from gpustack_draw.serve.http.errors import HttpError, error_response
from gpustack_draw.serve.http.exchange import ACCESS_LOG

MAX_CONNECTIONS = 500
MAX_HEADER_BYTES = 32 * 1024
# From the connection, or from the end of a response, to the end of the next request's headers.
HEADER_SECONDS = 20.0
KEEP_ALIVE_SECONDS = 15
# Twice this time without reading anything of a response ends the connection.
READ_SECONDS = 30.0


class GuardedProtocol(H11Protocol):
    """A connection that ends if a client is too slow to send headers or to read a response.

    uvicorn limits how long a connection is idle, but not how long headers take: a client that sends
    a byte now and then would keep its connection for ever. And a client that reads nothing would
    keep its response in memory, even after the connection was closed.
    """

    _header_timer: asyncio.TimerHandle | None = None
    _read_timer: asyncio.TimerHandle | None = None
    _unread_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the time limits, or refuse one connection too many."""
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            self._refuse(HttpError(503, "too many connections", headers={"Retry-After": "5"}))
            return
        self._start_header_timer()
        self._check_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the time limits."""
        self._stop_header_timer()
        if self._read_timer is not None:
            self._read_timer.cancel()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Stop the time limit where a request's headers are complete."""
        super().handle_events()
        cycle: RequestResponseCycle | None = self.cycle  # None before the first request
        if cycle is not None and not cycle.response_complete:
            self._stop_header_timer()

    def on_response_complete(self) -> None:
        """Start the time limit for the next request."""
        super().on_response_complete()
        if not self.transport.is_closing() and self.cycle.response_complete:
            self._start_header_timer()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's text is not JSON
        """Answer to a request that is not HTTP, unless an answer to it has begun.

        uvicorn would write a second answer into the first one, which is an error of its own.
        """
        cycle: RequestResponseCycle | None = self.cycle  # None before the first request
        if cycle is not None:  # its request's body is invalid
            cycle.disconnected = True
            cycle.message_event.set()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self._refuse(HttpError(400, "the request is not valid HTTP/1.1"))
        else:
            self.transport.close()

    def _refuse(self, error: HttpError) -> None:
        response = error_response(error)
        headers = [*response.raw_headers, (b"connection", b"close")]
        start = h11.Response(status_code=error.status, headers=headers)
        for event in (start, h11.Data(data=bytes(response.body)), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
        address = self.client[0] if self.client else "-"
        ACCESS_LOG.info("%s - - %d: %s", address, error.status, error.message)

    def _check_reading(self) -> None:
        """End the connection if the client has read nothing since the last check."""
        unread = self.transport.get_write_buffer_size()
        if unread and unread == self._unread_bytes:
            self.transport.abort()
            return
        self._unread_bytes = unread
        self._read_timer = self.loop.call_later(READ_SECONDS, self._check_reading)

    def _start_header_timer(self) -> None:
        self._stop_header_timer()
        self._header_timer = self.loop.call_later(HEADER_SECONDS, self.transport.close)

    def _stop_header_timer(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None


# Without websockets, and without trust in headers that any client can send (X-Forwarded-For).
UVICORN_OPTIONS: dict[str, Any] = {
    "http": GuardedProtocol,
    "ws": "none",
    "lifespan": "off",
    "proxy_headers": False,
    "server_header": False,
    "access_log": False,
    "log_config": None,
    "timeout_keep_alive": KEEP_ALIVE_SECONDS,
    "h11_max_incomplete_event_size": MAX_HEADER_BYTES,
}
