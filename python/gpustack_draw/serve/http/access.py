"""Who may ask: the hosts, the pages of other origins, and the key."""

import base64
import binascii
import ipaddress
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from gpustack_draw.errors import quoted
from gpustack_draw.serve.http.errors import HttpError

ANY = "*"
# Pages and their files, which contain no data of the server or of its users.
_FREE_PATHS = frozenset({"/", "/health", "/version", "/favicon.ico"})
_FREE_FOLDER = "/page/"
# GPUStack forwards the Origin header of its own pages. A page of another origin cannot send this
# header: the browser asks first, with a preflight request, which is refused.
_GPUSTACK_HEADER = "x-gpustack-model-instance"
_MAX_KEY_LENGTH = 1000
_WEB_UI_FOLDERS = ("/sdapi/", "/controlnet/")  # whose clients only know names and passwords
_BRACKETS = re.compile(r"\[([^\]]*)\](:\d*)?")  # around an IPv6 address
_BASIC = 'Basic realm="gpustack-draw"'


@dataclass(frozen=True)
class AccessRules:
    """Who may ask.

    Attributes:
        host: Address or name that the server binds to.
        allowed_hosts: Further names that may stand in the Host header; ``*`` for any.
        allowed_origins: Origins whose pages may use the server, such as
            ``https://draw.example.org``; ``*`` for any.
        api_key: The key that clients must send; ``None`` for none.
    """

    host: str = "127.0.0.1"
    allowed_hosts: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    api_key: str | None = field(default=None, repr=False)

    def check_sender(self, _path: str, headers: Mapping[str, str]) -> None:
        """Check the Host and Origin headers.

        Raises:
            HttpError: 403, the host or the page is not allowed.
        """
        self.check_host(headers)
        self.check_origin(headers)

    def check_host(self, headers: Mapping[str, str]) -> None:
        """Check the Host header, so that a page cannot reach the server by a name of its own.

        Addresses pass: an attacker can have a name resolved to this machine, not an address.

        Raises:
            HttpError: 403, the name is not one of the server's.
        """
        host = headers.get("host", "")
        if not host or self._is_own_name(_name_of(host)):
            return
        raise HttpError(
            403,
            f"this server does not answer to the host {quoted(host)}",
            hint=f"start it with --allowed-host {_name_of(host)[:100]}",
            code="host_not_allowed",
        )

    def check_origin(self, headers: Mapping[str, str]) -> None:
        """Check the Origin header, so that pages of other sites cannot use the server.

        The scheme is not compared, because a proxy may add encryption.

        Raises:
            HttpError: 403, the page is of another origin.
        """
        origin = headers.get("origin")
        if origin is None or ANY in self.allowed_origins or origin in self.allowed_origins:
            return
        if _GPUSTACK_HEADER in headers:
            return
        authority = origin.partition("://")[2].lower()
        if authority and (
            authority == headers.get("host", "").lower()
            or _name_of(authority) in _lower(self.allowed_hosts)
        ):
            return
        raise HttpError(
            403,
            f"pages of {quoted(origin)} may not use this server",
            hint=f"start it with --allowed-origin {origin[:100]}" if authority else "",
            code="origin_not_allowed",
        )

    def check_key(self, path: str, headers: Mapping[str, str]) -> None:
        """Check the key, which stands in ``Authorization``, alone or as the password.

        Raises:
            HttpError: 401, it is missing or wrong.
        """
        if self.api_key is None or path in _FREE_PATHS or path.startswith(_FREE_FOLDER):
            return
        sent = _key_in(headers.get("authorization", ""))
        if sent and secrets.compare_digest(sent.encode(), self.api_key.encode()):
            return
        raise HttpError(
            401,
            "the API key is wrong" if sent else "the API key is missing",
            hint="send it as Authorization: Bearer KEY",
            code="invalid_api_key",
            headers={"WWW-Authenticate": _BASIC if path.startswith(_WEB_UI_FOLDERS) else "Bearer"},
        )

    def _is_own_name(self, name: str) -> bool:
        if _address(name) is not None or name == "localhost" or name.endswith(".localhost"):
            return True
        names = _lower((self.host, *self.allowed_hosts))
        return name in names or ANY in names


class Check:
    """Middleware that passes on the requests that a function does not refuse."""

    def __init__(self, app: ASGIApp, check: Callable[[str, Headers], None]) -> None:
        """Wrap an application.

        Args:
            app: The application.
            check: Called with the path and the headers of each request; raises an error to refuse
                it.
        """
        self._app = app
        self._check = check

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check a request, and pass it on."""
        if scope["type"] == "http":
            self._check(scope["path"], Headers(scope=scope))
        await self._app(scope, receive, send)


def _key_in(authorization: str) -> str:
    scheme, _, value = authorization.partition(" ")
    value = value.strip()[:_MAX_KEY_LENGTH]
    if scheme.lower() == "bearer":
        return value
    if scheme.lower() == "basic":
        try:
            name, colon, password = base64.b64decode(value, validate=True).decode().partition(":")
            return password if colon else name
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return ""


def _name_of(authority: str) -> str:
    """Return the name or address in ``NAME:PORT``, lower case, without a final dot."""
    if match := _BRACKETS.fullmatch(authority):
        return match[1].lower()
    return authority.rpartition("@")[2].partition(":")[0].lower().rstrip(".")


def _address(name: str) -> "ipaddress.IPv4Address | ipaddress.IPv6Address | None":
    try:
        return ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return None


def _lower(names: Iterable[str]) -> frozenset[str]:
    return frozenset(name.lower().rstrip(".") for name in names)
