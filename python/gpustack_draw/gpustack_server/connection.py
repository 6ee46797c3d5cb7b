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
from email.message import Message
from typing import Any
from urllib.parse import SplitResult, quote, urlencode, urlsplit

from gpustack_draw.gpustack_server.cancellation import Cancellation, TransportError
from gpustack_draw.server_address import ServerAddress

CONNECT_SECONDS = 10.0
_PIECE = 65_536
_KEEPALIVE = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 4}

LogFunction = Callable[[str, str], None]


class Reply:
    """An answer, whose body is still to be read.

    Attributes:
        status: The HTTP status.
        headers: By name, in any case.
    """

    def __init__(
        self,
        response: http.client.HTTPResponse,
        connected: socket.socket,
        deadline: float,
        key: str,
    ) -> None:
        """Wrap the library's answer."""
        self._key = key.encode()
        self.status = response.status
        self.headers: Message = response.headers
        self._response = response
        self._socket = connected
        self._deadline = deadline

    @property
    def content_type(self) -> str:
        """``application/json``, ``text/event-stream``, ...; empty where none is told."""
        return str(self.headers.get("Content-Type", "")).partition(";")[0].strip().lower()

    def extend(self, seconds: float) -> None:
        """Let the rest of the answer take so long, from now on."""
        self._deadline = time.monotonic() + seconds

    def pieces(self) -> Iterator[bytes]:
        """Give the body as it comes.

        Raises:
            TransportError: It broke off, or took too long.
        """
        while True:
            self._socket.settimeout(_seconds_until(self._deadline))
            with _transport_errors():
                piece = self._response.read1(_PIECE)
            if not piece:
                break
            yield piece
        # The library tells of a chunked body that it broke off, but not of one with a length.
        if self._response.length:
            raise TransportError("cut", f"{self._response.length} bytes are missing")

    def read(self, limit: int) -> bytes:
        """Give the whole body, without the key where it repeats that.

        What is beyond a number of bytes stays unread.
        """
        body = bytearray()
        for piece in self.pieces():
            body += piece
            if len(body) >= limit:
                break
        whole = bytes(body[:limit])
        return whole.replace(self._key, b"***") if self._key else whole

    def retry_after(self) -> float | None:
        """Seconds after which the server wants to be asked again; ``None`` where it told none."""
        text = str(self.headers.get("Retry-After", "")).strip()
        if text.isdecimal() and len(text) < 10:
            return float(text)
        from email.utils import parsedate_to_datetime

        try:
            return max(parsedate_to_datetime(text).timestamp() - time.time(), 0.0)
        except (TypeError, ValueError, OverflowError):
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
        self._proxy = _proxy_for(address)
        self._tls: ssl.SSLContext | None = None

    def moved_to(self, address: ServerAddress) -> "ServerConnection":
        """Give the same at another address."""
        return ServerConnection(address, self._on_log)

    def log(self, text: str) -> None:
        """Write a line into the debug log."""
        if self._on_log is not None:
            self._on_log("debug", text)

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
        deadline = time.monotonic() + seconds
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
            with cancellation.watching(connected):
                with _transport_errors():
                    target = url if self._is_plainly_proxied(parts) else _target(parts)
                    headers |= self._proxy_headers(parts)
                    connected.settimeout(_seconds_until(deadline))
                    connection.request(method, target, data, headers)
                    response = connection.getresponse()
                with response:
                    self.log(f"{response.status} {response.headers.get('Content-Type', '')}")
                    yield Reply(response, connected, deadline, self.address.key)
        except TransportError:
            if cancellation.is_cancelled:
                raise TransportError("cancelled", "cancelled") from None
            raise
        finally:
            connection.close()

    def _connect(self, parts: SplitResult, deadline: float) -> http.client.HTTPConnection:
        host = parts.hostname or ""
        port = parts.port or (443 if parts.scheme == "https" else 80)
        seconds = min(CONNECT_SECONDS, _seconds_until(deadline))
        near = (self._proxy.hostname or "", self._proxy.port or 80) if self._proxy else (host, port)
        connection: http.client.HTTPConnection
        if parts.scheme == "https":
            # Reading all the authorities takes longer than a request: once is enough.
            self._tls = self._tls or ssl.create_default_context()
            connection = http.client.HTTPSConnection(*near, timeout=seconds, context=self._tls)
            if self._proxy:
                connection.set_tunnel(host, port, _credentials(self._proxy))
        else:
            connection = http.client.HTTPConnection(*near, timeout=seconds)
        try:
            with _transport_errors("proxy" if self._proxy else "unreachable"):
                connection.connect()
                _keep_alive(connection.sock)
        except BaseException:
            connection.close()
            raise
        return connection

    def _is_plainly_proxied(self, parts: SplitResult) -> bool:
        return self._proxy is not None and parts.scheme == "http"

    def _proxy_headers(self, parts: SplitResult) -> dict[str, str]:
        plainly = self._is_plainly_proxied(parts)
        return _credentials(self._proxy) if plainly and self._proxy else {}


def _target(parts: SplitResult) -> str:
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _seconds_until(deadline: float) -> float:
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TransportError("timeout", "timed out")
    return seconds


def _proxy_for(address: ServerAddress) -> SplitResult | None:
    from urllib.request import getproxies, proxy_bypass

    parts = urlsplit(address.url)
    # No proxy knows what is on this machine, whatever NO_PROXY forgets to say.
    if address.is_loopback or proxy_bypass(parts.netloc):
        return None
    proxies = getproxies()
    text = proxies.get(parts.scheme) or proxies.get("all")
    if not text:
        return None
    return urlsplit(text if "://" in text else f"http://{text}")


def _credentials(proxy: SplitResult) -> dict[str, str]:
    if not proxy.username:
        return {}
    import base64
    from urllib.parse import unquote

    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


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
def _transport_errors(connecting_to: str = "") -> Iterator[None]:
    try:
        yield
    except TransportError:
        raise
    except (OSError, http.client.HTTPException, ValueError, AttributeError) as error:
        # The last two: what the library stumbles over when the socket is closed under its feet,
        # or when what answers is no HTTP.
        kind, reason = _kind_and_reason(error)
        if kind == "timeout" and connecting_to:
            reason = f"no answer within {CONNECT_SECONDS:.0f} seconds"
        if kind != "tls" and (connecting_to == "proxy" or kind == "timeout"):
            kind = connecting_to or kind
        raise TransportError(kind, reason) from error


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
