"""Address, API key and timeout of the GPUStack server, from arguments and environment."""

import os
import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from gpustack_draw.errors import UsageError, quoted
from gpustack_draw.phrases import Argument, phrase

DEFAULT_SERVER = "http://127.0.0.1"
# GPUStack's own limit for a picture (GPUSTACK_PROXY_TIMEOUT_SECONDS), in seconds.
DRAW_SECONDS = 1800.0
# Limit for a deployment without progress, in seconds.
DEPLOY_SECONDS = 300.0
MAX_TIMEOUT = 604_800

_SERVER_HINT = "write it as http://HOST, http://HOST:PORT or https://HOST"
# Part of the address in the settings of other clients.
_API_PATH = re.compile(r"/(v1|v2|v1-openai)$")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9_])?\.?|[0-9A-Fa-f:.]+(%25\w+)?")
_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")


@dataclass(frozen=True)
class ServerAddress:
    """Address, API key and timeout of a GPUStack server.

    Attributes:
        url: ``http://HOST[:PORT][/PATH]`` or ``https://...``, without a trailing slash.
        key: The API key; empty for none. Never printed.
        is_configured: Whether the user has named the server; if not, it is the default one.
        timeout: Seconds to wait for a picture, or for a deployment without progress; ``None`` for
            1800 and 300.
    """

    url: str = DEFAULT_SERVER
    key: str = field(default="", repr=False)
    is_configured: bool = False
    timeout: float | None = None

    @property
    def is_loopback(self) -> bool:
        """True if the host is a loopback address."""
        host = urlsplit(self.url).hostname or ""
        return host in {"localhost", "::1"} or re.fullmatch(r"127(\.\d+){3}", host) is not None

    @property
    def draw_seconds(self) -> float:
        """Seconds to wait for a picture."""
        return DRAW_SECONDS if self.timeout is None else self.timeout

    @property
    def deploy_seconds(self) -> float:
        """Seconds to wait for a deployment without progress."""
        return DEPLOY_SECONDS if self.timeout is None else self.timeout


def find_server(server: str | None = None, timeout: float | None = None) -> ServerAddress:
    """Return the server to use.

    Args:
        server: Address as typed; ``None`` for ``GPUSTACK_SERVER_URL``, else ``http://127.0.0.1``.
        timeout: Seconds, above 0 and up to 604800; ``None`` for the defaults.

    Raises:
        UsageError: The address, the timeout or the key in ``GPUSTACK_API_KEY`` is invalid.
    """
    if timeout is not None:
        timeout = _check_timeout(timeout)
    from_environment = os.environ.get("GPUSTACK_SERVER_URL", "").strip()
    if server is not None:
        url = parse_server_url(server)
    elif from_environment:
        url = parse_server_url(from_environment, "GPUSTACK_SERVER_URL")
    else:
        return ServerAddress(key=_key(), timeout=timeout)
    return ServerAddress(url, _key(), is_configured=True, timeout=timeout)


def parse_server_url(text: str, source: str = Argument("server")) -> str:
    """Parse and normalize a server's address.

    ``http://`` is the default scheme. A path of the API (``/v1``, ``/v1-openai``), a query and a
    fragment are removed.

    Args:
        text: The address as typed.
        source: The argument or variable that holds it, for messages.

    Raises:
        UsageError: It is not a server address.
    """
    stripped = text.strip()
    full = stripped if "://" in stripped else f"http://{stripped}"
    try:
        parts = urlsplit(full)
        host, port = parts.hostname or "", parts.port
    except ValueError:  # an invalid port or IPv6 address
        host, port = "", None
    if "@" in full.partition("://")[2].partition("/")[0]:
        raise UsageError(  # without the value, which may contain a password
            phrase("the address in {} contains a user name or password", source),
            hint="remove it, and set GPUSTACK_API_KEY to the server's API key",
            argument="server",
        )
    is_printable = full.isascii() and full.isprintable() and " " not in full
    if not is_printable or not _HOST.fullmatch(host) or port == 0:
        raise UsageError(
            phrase("{} ({}) is not a server address", quoted(text), source),
            hint=_SERVER_HINT,
            argument="server",
        )
    if parts.scheme not in {"http", "https"}:
        raise UsageError(
            phrase("{} ({}) does not begin with http:// or https://", quoted(text), source),
            hint=_SERVER_HINT,
            argument="server",
        )
    url_host = f"[{host}]" if ":" in host else host
    url_port = "" if port is None else f":{port}"
    path = _API_PATH.sub("", parts.path.rstrip("/")).rstrip("/")
    return f"{parts.scheme}://{url_host}{url_port}{path}"


def parse_timeout(text: str) -> float:
    """Parse a number of seconds, above 0 and up to 604800.

    Raises:
        UsageError: The text is not such a number.
    """
    if not _SECONDS.fullmatch(text.strip()):
        raise _timeout_error(text)
    return _check_timeout(float(text), text)


def _check_timeout(seconds: object, text: str | None = None) -> float:
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not is_number or not 0 < seconds <= MAX_TIMEOUT:  # type: ignore[operator]
        raise _timeout_error(seconds if text is None else text)
    return float(seconds)  # type: ignore[arg-type]


def _timeout_error(value: object) -> UsageError:
    return UsageError(
        f"{quoted(value)} is not a number of seconds above 0 and up to {MAX_TIMEOUT}",
        hint=phrase("for example {timeout=600}"),
        argument="timeout",
    )


def _key() -> str:
    key = os.environ.get("GPUSTACK_API_KEY", "").strip()
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise UsageError(  # without the value, because keys are never printed
            "GPUSTACK_API_KEY contains invalid characters",
            hint="copy the key again, without quotes, spaces or line breaks",
        )
    return key
