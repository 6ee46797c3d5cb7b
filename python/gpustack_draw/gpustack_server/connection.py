"""Requests to a GPUStack server. The only user of an HTTP client for it.

The client is the standard library's. The one that huggingface_hub brings is requests, httpx or
httpx2, by its version, and none of them lets another thread end a request that waits; here a socket
is shut down, and whatever waits on it returns. Proxies are those of the environment, certificates
those that OpenSSL finds (SSL_CERT_FILE, SSL_CERT_DIR, else the system's).
"""

import http.client
import json
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import SplitResult, quote, urlencode, urlsplit

from gpustack_draw.gpustack_server.address import ServerAddress
from gpustack_draw.gpustack_server.cancellation import Cancellation, TransportError
from gpustack_draw.gpustack_server.deadline import Deadline
from gpustack_draw.gpustack_server.proxy import proxy_for
from gpustack_draw.untrusted import clean, printable

CONNECT_SECONDS = 10.0
_PIECE = 65_536
_LONGEST_DATE = 64  # characters
_KEEPALIVE = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 4}

LogFunction = Callable[[str, str], None]


class Reply:
    """An answer, whose body is still to be read.

    Attributes:
        status: The HTTP status.
    """

    def __init__(
        self, response: http.client.HTTPResponse, deadline: Deadline, address: ServerAddress
    ) -> None:
        """Wrap the answer of the HTTP client.

        Args:
            response: Its answer.
            deadline: Ends the connection.
            address: The server, whose key is taken out of what it says.
        """
        self.status = response.status
        self._response = response
        self._deadline = deadline
        self._key = address.key.encode()

    def header(self, name: str) -> str:
        """Return a header's text, safe to print; empty where there is none."""
        return printable(str(self._response.headers.get(name, ""))).strip()

    @property
    def content_type(self) -> str:
        """``application/json``, ``text/event-stream``, ...; empty where there is none."""
        return self.header("Content-Type").partition(";")[0].strip().lower()

    def extend(self, seconds: float) -> None:
        """Allow the rest of the answer a time from now on."""
        self._deadline.extend(seconds)

    def pieces(self) -> Iterator[bytes]:
        """Read the body as it comes.

        Raises:
            TransportError: It broke off, or took too long.
        """
        while True:
            self._deadline.seconds_left()
            with _transport_errors(self._deadline):
                piece = self._response.read1(_PIECE)
            if not piece:
                break
            yield piece
        if self._deadline.has_passed:  # what looks like the end of the body
            raise TransportError("timeout", "timed out")
        # The library tells of a chunked body that it broke off, but not of one with a length.
        if self._response.length:
            raise TransportError("cut", f"{self._response.length} bytes are missing")

    def read(self, limit: int) -> bytes:
        """Read the body, up to a number of bytes, without the key where the server repeats it."""
        body = bytearray()
        for piece in self.pieces():
            body += piece
            if len(body) >= limit:
                break
        whole = bytes(body[:limit])
        return whole.replace(self._key, b"***") if self._key else whole

    def retry_after(self) -> float | None:
        """Return the seconds after which the server wants to be asked again, if it says so."""
        text = self.header("Retry-After")
        if text.isdecimal() and len(text) < 10:
            return float(text)
        from email.utils import parsedate_to_datetime

        try:
            date = parsedate_to_datetime(text[:_LONGEST_DATE])
            return max(date.timestamp() - time.time(), 0.0)
        except (TypeError, ValueError, IndexError, OverflowError):
            return None


class ServerConnection:
    """A server that can be asked; each request has a connection of its own."""

    def __init__(self, address: ServerAddress, on_log: LogFunction | None = None) -> None:
        """Prepare; nothing is sent yet.

        Args:
            address: The server.
            on_log: Called with level and text of what is asked and answered, without the key.
        """
        self.address = address
        self._on_log = on_log
        self._proxy = proxy_for(address)
        self._tls: ssl.SSLContext | None = None

    def moved_to(self, address: ServerAddress) -> "ServerConnection":
        """Give the same at another address."""
        return ServerConnection(address, self._on_log)

    def log(self, text: str) -> None:
        """Write a line into the debug log; text of the server in it is made safe to print."""
        if self._on_log is not None:
            self._on_log("debug", printable(text))

    @contextmanager
    def ask(
        self,
        method: str,
        path: str,
        *,
        seconds: float,
        cancellation: Cancellation,
        query: Sequence[tuple[str, str]] = (),
        body: Mapping[str, Any] | None = None,
        with_key: bool = True,
    ) -> Iterator[Reply]:
        """Send a request, and give the answer once its head is there; redirects are not followed.

        Args:
            method: ``GET`` or ``POST``.
            path: Below the server's address, with a slash in front.
            seconds: That all of it may take; connecting takes 10 of them at most.
            cancellation: What may end it from outside.
            query: Names and values.
            body: Sent as JSON.
            with_key: Whether to show the key.

        Raises:
            TransportError: It failed on its way.
        """
        deadline = Deadline(seconds)
        url = self.address.url + quote(path) + (f"?{urlencode(query)}" if query else "")
        parts = urlsplit(url)
        data = None if body is None else json.dumps(body).encode()
        headers = {"Accept-Encoding": "identity", "User-Agent": "gpustack-draw"}
        headers["Connection"] = "close"
        if data is not None:
            headers["Content-Type"] = "application/json"
        if with_key and self.address.key:
            headers["Authorization"] = f"Bearer {self.address.key}"
        self.log(f"{method} {url}" + ("" if data is None else f" {data.decode()}"))
        connection = self._connect(parts, deadline)
        connected = connection.sock  # the library forgets it once the answer's head is there
        try:
            with cancellation.watching(connected), deadline.ending(lambda: connected):
                with _transport_errors(deadline):
                    target = url if self._is_plainly_proxied(parts) else _target(parts)
                    headers |= self._proxy_headers(parts)
                    connection.request(method, target, data, headers)
                    response = connection.getresponse()
                with response:
                    reply = Reply(response, deadline, self.address)
                    self.log(f"{reply.status} {clean(reply.header('Content-Type'))}")
                    yield reply
        except TransportError:
            if cancellation.is_cancelled:
                raise TransportError("cancelled", "cancelled") from None
            raise
        finally:
            connection.close()

    def _connect(self, parts: SplitResult, deadline: Deadline) -> http.client.HTTPConnection:
        host = parts.hostname or ""
        port = parts.port or (443 if parts.scheme == "https" else 80)
        seconds = min(CONNECT_SECONDS, deadline.seconds_left())
        near = (self._proxy.host, self._proxy.port) if self._proxy else (host, port)
        connection: http.client.HTTPConnection
        if parts.scheme == "https":
            # Reading all the authorities takes longer than a request: once is enough.
            self._tls = self._tls or ssl.create_default_context()
            connection = http.client.HTTPSConnection(*near, timeout=seconds, context=self._tls)
            if self._proxy:
                connection.set_tunnel(host, port, self._proxy.headers)
        else:
            connection = http.client.HTTPConnection(*near, timeout=seconds)
        connecting = Deadline(seconds)
        try:
            with (
                _transport_errors(connecting, "proxy" if self._proxy else "unreachable"),
                connecting.ending(lambda: connection.sock),
            ):
                connection.connect()
                if connecting.has_passed:  # a host may have several addresses, tried in turn
                    raise TimeoutError
                _keep_alive(connection.sock)
                connection.sock.settimeout(None)  # the deadline ends what waits for it
        except BaseException:
            connection.close()
            raise
        return connection

    def _is_plainly_proxied(self, parts: SplitResult) -> bool:
        return self._proxy is not None and parts.scheme == "http"

    def _proxy_headers(self, parts: SplitResult) -> dict[str, str]:
        return self._proxy.headers if self._proxy and self._is_plainly_proxied(parts) else {}


def _target(parts: SplitResult) -> str:
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _keep_alive(connected: socket.socket) -> None:
    # A server whose machine is gone says nothing, and a picture may take half an hour: the system
    # asks every now and then.
    with suppress(OSError):
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for name, value in _KEEPALIVE.items():
            if hasattr(socket, name):
                connected.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


@contextmanager
def _transport_errors(deadline: Deadline, connecting_to: str = "") -> Iterator[None]:
    try:
        yield
    except TransportError:
        raise
    except (OSError, http.client.HTTPException, ValueError, AttributeError) as error:
        # The last two: what the library stumbles over when the socket is closed under its feet,
        # or when what answers is no HTTP.
        kind, reason = ("timeout", "timed out") if deadline.has_passed else _kind_and_reason(error)
        if kind == "timeout" and connecting_to:
            reason = f"no answer within {deadline.seconds:.3g} seconds"
        if kind != "tls" and (connecting_to == "proxy" or kind == "timeout"):
            kind = connecting_to or kind
        raise TransportError(kind, clean(reason)) from error


def _kind_and_reason(error: Exception) -> tuple[str, str]:  # noqa: PLR0911 - one a kind
    if isinstance(error, ssl.SSLCertVerificationError):
        return "tls", error.verify_message or "its certificate cannot be verified"
    if isinstance(error, TimeoutError):
        return "timeout", "timed out"
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return "cut", "the connection was closed"
    if isinstance(error, ssl.SSLError):
        return "tls", (error.reason or str(error)).replace("_", " ").lower()
    if isinstance(error, ConnectionRefusedError):
        return "refused", "connection refused"
    if isinstance(error, ConnectionError | http.client.IncompleteRead):
        # RemoteDisconnected is both: nothing came at all.
        return "cut", "the connection was closed"
    if isinstance(error, UnicodeError):
        return "unreachable", "that cannot be the name of a host"
    if isinstance(error, http.client.HTTPException | ValueError | AttributeError):
        return "not http", "what it says is not HTTP"
    reason = error.strerror if isinstance(error, OSError) else None
    return "unreachable", (reason or str(error) or type(error).__name__).lower()
