"""Which GPUStack server is meant, and the key for it. No network."""

import os
import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from gpustack_draw.errors import UsageError, quoted

DEFAULT_SERVER = "http://127.0.0.1"
# A server itself gives a picture up after this long (GPUSTACK_PROXY_TIMEOUT_SECONDS), in seconds.
DRAW_SECONDS = 1800.0
# A deployment that nothing happens to for this long will not run, in seconds.
DEPLOY_SECONDS = 300.0
MAX_TIMEOUT = 604_800

_SERVER_HINT = "write it as http://HOST, http://HOST:PORT or https://HOST"
# What people copy from the settings of other clients: it belongs to the requests.
_API_PATH = re.compile(r"/(v1|v2|v1-openai)$")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9_])?\.?|[0-9A-Fa-f:.]+(%25\w+)?")
_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")


@dataclass(frozen=True)
class ServerAddress:
    """A GPUStack server, and how to talk to it.

    Attributes:
        url: ``http://HOST[:PORT][/PATH]`` or ``https://...``, without a slash at the end.
        key: The API key; empty for none. Never shown.
        is_configured: Whether the user has named the server; else it is the default one.
        timeout: Seconds that a picture may take, and that a deployment may stand still; ``None``
            for 1800 and 300.
    """

    url: str = DEFAULT_SERVER
    key: str = field(default="", repr=False)
    is_configured: bool = False
    timeout: float | None = None

    @property
    def is_loopback(self) -> bool:
        """Whether it is this machine."""
        host = urlsplit(self.url).hostname or ""
        return host in {"localhost", "::1"} or re.fullmatch(r"127(\.\d+){3}", host) is not None

    @property
    def draw_seconds(self) -> float:
        """Seconds that a picture may take."""
        return DRAW_SECONDS if self.timeout is None else self.timeout

    @property
    def deploy_seconds(self) -> float:
        """Seconds that a deployment may stand still."""
        return DEPLOY_SECONDS if self.timeout is None else self.timeout


def find_server(server: str | None = None, timeout: float | None = None) -> ServerAddress:
    """Tell which server to use.

    Args:
        server: As typed; ``None`` for the one in ``GPUSTACK_SERVER_URL``, else the default,
            ``http://127.0.0.1``.
        timeout: Seconds, more than 0; ``None`` for the defaults.

    Raises:
        UsageError: The address, the timeout or the key in ``GPUSTACK_API_KEY`` cannot be one.
    """
    if timeout is not None:
        timeout = _check_timeout(timeout)
    from_environment = os.environ.get("GPUSTACK_SERVER_URL", "").strip()
    if server is not None:
        url = parse_server_url(server, "--server")
    elif from_environment:
        url = parse_server_url(from_environment, "GPUSTACK_SERVER_URL")
    else:
        return ServerAddress(key=_key(), timeout=timeout)
    return ServerAddress(url, _key(), is_configured=True, timeout=timeout)


def parse_server_url(text: str, source: str = "--server") -> str:
    """Read a server's address.

    ``http://`` may be left out; a path to the API (``/v1``, ``/v1-openai``), and what a browser's
    address line has after a ``#`` or a ``?``, are taken off.

    Args:
        text: As typed.
        source: Where it was typed; for messages.

    Raises:
        UsageError: It is no such address.
    """
    stripped = text.strip()
    full = stripped if "://" in stripped else f"http://{stripped}"
    try:
        parts = urlsplit(full)
        host, port = parts.hostname or "", parts.port
    except ValueError:  # a port that is none, brackets without an address
        host, port = "", None
    if "@" in full.partition("://")[2].partition("/")[0]:
        raise UsageError(  # without the value: it may hold a password
            f"{source} has a name or password in the address",
            hint="leave it out, and put the server's API key into GPUSTACK_API_KEY",
        )
    printable = full.isascii() and full.isprintable() and " " not in full
    if not printable or not _HOST.fullmatch(host) or port == 0:
        raise UsageError(
            f"{quoted(text)} ({source}) is not the address of a server", hint=_SERVER_HINT
        )
    if parts.scheme not in {"http", "https"}:
        raise UsageError(
            f"{quoted(text)} ({source}) does not begin with http:// or https://", hint=_SERVER_HINT
        )
    shown_host = f"[{host}]" if ":" in host else host
    shown_port = "" if port is None else f":{port}"
    path = _API_PATH.sub("", parts.path.rstrip("/")).rstrip("/")
    return f"{parts.scheme}://{shown_host}{shown_port}{path}"


def parse_timeout(text: str) -> float:
    """Read a number of seconds, more than 0.

    Raises:
        UsageError: The text is not such a number.
    """
    if not _SECONDS.fullmatch(text.strip()):
        raise _timeout_error(text)
    return _check_timeout(float(text), text)


def _check_timeout(seconds: object, shown: object = None) -> float:
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not is_number or not 0 < seconds <= MAX_TIMEOUT:  # type: ignore[operator]
        raise _timeout_error(seconds if shown is None else shown)
    return float(seconds)  # type: ignore[arg-type]


def _timeout_error(shown: object) -> UsageError:
    return UsageError(
        f"{quoted(shown)} is not a number of seconds above 0, up to {MAX_TIMEOUT}",
        hint="for example --timeout 600",
    )


def _key() -> str:
    key = os.environ.get("GPUSTACK_API_KEY", "").strip()
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise UsageError(  # without the value: keys are never shown
            "GPUSTACK_API_KEY has characters that no key has",
            hint="copy the key again, without quotes, blanks or line ends",
        )
    return key
