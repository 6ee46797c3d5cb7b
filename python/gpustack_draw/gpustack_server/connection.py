"""HTTP requests to a GPUStack server.

They use the standard library's client. huggingface_hub installs requests, httpx or httpx2,
depending on its version, and none of them lets another thread end a pending request; here, shutting
down the socket does. Proxies come from the environment, certificates from OpenSSL's defaults
(SSL_CERT_FILE, SSL_CERT_DIR, else the system's).
"""

import http.client
import json
import socket
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Literal
from urllib.parse import SplitResult, quote, urlencode, urlsplit

from gpustack_draw.gpustack_server.address import ServerAddress
from gpustack_draw.gpustack_server.cancellation import (
    Cancellation,
    TransportError,
    TransportProblem,
)
from gpustack_draw.gpustack_server.deadline import Deadline
from gpustack_draw.gpustack_server.form import Form
from gpustack_draw.gpustack_server.proxy import proxy_for
from gpustack_draw.progress.callbacks import LogFunction
from gpustack_draw.untrusted import clean, parse_retry_after, printable

CONNECT_SECONDS = 10.0
_READ_BYTES = 65_536
_KEEPALIVE = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 4}


class Response:
    """A server's response, with its body still unread.

    Attributes:
        status: The HTTP status.
    """

    def __init__(
        self, raw: http.client.HTTPResponse, deadline: Deadline, address: ServerAddress
    ) -> None:
        """Wrap a response, whose body is read later.

        Args:
            raw: The response of the HTTP client.
            deadline: Time limit of the connection.
            address: The server, whose key is masked in the body.
        """
        self.status = raw.status
        self._raw = raw
        self._deadline = deadline
        self._key = address.key.encode()

    def header(self, name: str) -> str:
        """Return a header's text, safe to print; empty without the header."""
        return printable(str(self._raw.headers.get(name, ""))).strip()

    @property
    def content_type(self) -> str:
        """Media type, such as ``application/json``; empty without the header."""
        return self.header("Content-Type").partition(";")[0].strip().lower()

    def extend(self, seconds: float) -> None:
        """Limit the rest of the response to ``seconds`` from now."""
        self._deadline.extend(seconds)

    def pieces(self) -> Iterator[bytes]:
        """Yield pieces of the body as they arrive.

        Raises:
            TransportError: The body is incomplete, or took too long.
        """
        while True:
            self._deadline.seconds_left()
            with _transport_errors(self._deadline):
                piece = self._raw.read1(_READ_BYTES)
            if not piece:
                break
            yield piece
        if self._deadline.has_passed:  # the shutdown looks like the end of the body
            raise TransportError("timeout", "timed out")
        # http.client reports an incomplete chunked body, but not one with a Content-Length.
        if self._raw.length:
            raise TransportError("cut", f"{self._raw.length} bytes are missing")

    def read(self, limit: int) -> bytes:
        """Return the first ``limit`` bytes of the body, with the API key masked."""
        body = bytearray()
        for piece in self.pieces():
            body += piece
            if len(body) >= limit:
                break
        data = bytes(body[:limit])
        return data.replace(self._key, b"***") if self._key else data

    def retry_after(self) -> float | None:
        """Return the seconds of the Retry-After header; ``None`` if absent or invalid."""
        return parse_retry_after(self.header("Retry-After"))


class ServerConnection:
    """A server; each request opens its own connection."""

    def __init__(self, address: ServerAddress, on_log: LogFunction | None = None) -> None:
        """Create the connection; nothing is sent yet.

        Args:
            address: The server.
            on_log: Called with level and text of each log line; they never contain the key.
        """
        self.address = address
        self._on_log = on_log
        self._proxy = proxy_for(address)
        self._tls: ssl.SSLContext | None = None

    def moved_to(self, address: ServerAddress) -> "ServerConnection":
        """Return a connection to another address with the same log function."""
        return ServerConnection(address, self._on_log)

    def log(self, text: str) -> None:
        """Write a line to the debug log, made safe to print."""
        if self._on_log is not None:
            self._on_log("debug", printable(text))

    @contextmanager
    def request(
        self,
        method: str,
        path: str,
        *,
        seconds: float,
        cancellation: Cancellation,
        query: Sequence[tuple[str, str]] = (),
        body: Mapping[str, Any] | Form | None = None,
        with_key: bool = True,
    ) -> Iterator[Response]:
        """Send a request and yield the response once its headers arrived, without redirects.

        Args:
            method: ``GET`` or ``POST``.
            path: Path below the server's address, with a leading slash.
            seconds: Time limit for the whole exchange; connecting is limited to 10 of them.
            cancellation: Ends the request from another thread.
            query: Names and values.
            body: Sent as JSON, or as a form.
            with_key: Whether to send the API key.

        Raises:
            TransportError: No complete response arrived.
        """
        deadline = Deadline(seconds)
        url = self.address.url + quote(path) + (f"?{urlencode(query)}" if query else "")
        parts = urlsplit(url)
        data, headers, text = _encode(body)
        headers |= self._headers(with_key=with_key)
        self.log(f"{method} {url} {text}".rstrip())
        connection = self._connect(parts, deadline)
        connected = connection.sock  # http.client drops it once the headers have arrived
        try:
            with cancellation.watching(connected), deadline.enforced(lambda: connected):
                with _transport_errors(deadline):
                    target = url if self._is_plainly_proxied(parts) else _target(parts)
                    headers |= self._proxy_headers(parts)
                    # A server that refuses a body may answer before it has read all of it.
                    with suppress(BrokenPipeError, ConnectionResetError):
                        connection.request(method, target, data, headers)
                    raw = connection.getresponse()
                with raw:
                    response = Response(raw, deadline, self.address)
                    self.log(f"{response.status} {clean(response.header('Content-Type'))}")
                    yield response
        except TransportError:
            if cancellation.is_cancelled:
                raise TransportError("cancelled", "cancelled") from None
            raise
        finally:
            connection.close()

    def _headers(self, *, with_key: bool) -> dict[str, str]:
        headers = {"Accept-Encoding": "identity", "User-Agent": "gpustack-draw"}
        headers["Connection"] = "close"
        if with_key and self.address.key:
            headers["Authorization"] = f"Bearer {self.address.key}"
        return headers

    def _connect(self, parts: SplitResult, deadline: Deadline) -> http.client.HTTPConnection:
        host = parts.hostname or ""
        port = parts.port or (443 if parts.scheme == "https" else 80)
        seconds = min(CONNECT_SECONDS, deadline.seconds_left())
        peer = (self._proxy.host, self._proxy.port) if self._proxy else (host, port)
        connection: http.client.HTTPConnection
        if parts.scheme == "https":
            # Loading the system's certificates can take longer than a request.
            self._tls = self._tls or ssl.create_default_context()
            connection = http.client.HTTPSConnection(*peer, timeout=seconds, context=self._tls)
            if self._proxy:
                connection.set_tunnel(host, port, self._proxy.headers)
        else:
            connection = http.client.HTTPConnection(*peer, timeout=seconds)
        connecting = Deadline(seconds)
        try:
            with (
                _transport_errors(connecting, "proxy" if self._proxy else "unreachable"),
                connecting.enforced(lambda: connection.sock),
            ):
                connection.connect()
                if connecting.has_passed:  # the timeout is per address of the host
                    raise TimeoutError
                _keep_alive(connection.sock)
                connection.sock.settimeout(None)  # the deadline applies
        except BaseException:
            connection.close()
            raise
        return connection

    def _is_plainly_proxied(self, parts: SplitResult) -> bool:
        return self._proxy is not None and parts.scheme == "http"

    def _proxy_headers(self, parts: SplitResult) -> dict[str, str]:
        return self._proxy.headers if self._proxy and self._is_plainly_proxied(parts) else {}


def _encode(
    body: Mapping[str, Any] | Form | None,
) -> tuple[bytes | Iterator[bytes] | None, dict[str, str], str]:
    """Return the data of a body, its headers, and its text for the log."""
    if body is None:
        return None, {}, ""
    if isinstance(body, Form):
        length = sum(map(len, body.pieces()))
        headers = {"Content-Type": body.content_type, "Content-Length": str(length)}
        return body.pieces(), headers, body.describe()
    data = json.dumps(body).encode()
    return data, {"Content-Type": "application/json"}, data.decode()


def _target(parts: SplitResult) -> str:
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _keep_alive(connected: socket.socket) -> None:
    # A picture may take half an hour; keep-alive probes detect a vanished machine meanwhile.
    with suppress(OSError):
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for name, value in _KEEPALIVE.items():
            if hasattr(socket, name):
                connected.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


@contextmanager
def _transport_errors(
    deadline: Deadline, connecting_to: Literal["", "proxy", "unreachable"] = ""
) -> Iterator[None]:
    """Convert errors of the HTTP client into :class:`TransportError`.

    Args:
        deadline: Time limit of the connection.
        connecting_to: The problem to report if connecting fails; empty after connecting.
    """
    problem: TransportProblem
    try:
        yield
    except TransportError:
        raise
    except (OSError, http.client.HTTPException, ValueError, AttributeError) as error:
        # http.client raises ValueError or AttributeError if the socket is closed during a call, or
        # if the response is not HTTP.
        problem, reason = ("timeout", "timed out") if deadline.has_passed else _classify(error)
        if problem == "timeout" and connecting_to:
            reason = f"no response within {deadline.seconds:.3g} seconds"
        if problem != "tls" and (connecting_to == "proxy" or problem == "timeout"):
            problem = connecting_to or problem
        raise TransportError(problem, clean(reason)) from error


def _classify(error: Exception) -> tuple[TransportProblem, str]:  # noqa: PLR0911 - one per problem
    """Return the problem and its description."""
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
        # RemoteDisconnected, a response without a byte, is a ConnectionError as well.
        return "cut", "the connection was closed"
    if isinstance(error, UnicodeError):
        return "unreachable", "invalid host name"
    if isinstance(error, http.client.HTTPException | ValueError | AttributeError):
        return "not http", "the response is not HTTP"
    reason = error.strerror if isinstance(error, OSError) else None
    return "unreachable", (reason or str(error) or type(error).__name__).lower()
