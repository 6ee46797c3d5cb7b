"""The environment's proxy for a GPUStack server."""

import os
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from gpustack_draw.errors import UsageError, quoted
from gpustack_draw.gpustack_server.address import ServerAddress

_HINT = "write it as http://HOST:PORT, or list the server's host in no_proxy"


@dataclass(frozen=True)
class Proxy:
    """An HTTP proxy.

    Attributes:
        host: Host name or IP address.
        port: TCP port.
        headers: Headers with the proxy's credentials; never printed.
    """

    host: str
    port: int
    headers: dict[str, str] = field(default_factory=dict, repr=False)


def proxy_for(address: ServerAddress) -> Proxy | None:
    """Return the proxy for a server, or ``None`` for a direct connection.

    Raises:
        UsageError: The environment names an unusable proxy.
    """
    from urllib.request import getproxies, proxy_bypass

    parts = urlsplit(address.url)
    # A proxy cannot reach this machine's loopback addresses, even if no_proxy omits them.
    if address.is_loopback or proxy_bypass(parts.netloc):
        return None
    proxies = getproxies()
    scheme = parts.scheme if proxies.get(parts.scheme) else "all"
    text = proxies.get(scheme)
    return _parse(text, _variable(scheme)) if text else None


def _parse(text: str, variable: str) -> Proxy:
    # Not printed with an @, because it may contain a password.
    value = f": {quoted(text)}" if "@" not in text else ""
    invalid = UsageError(f"{variable} is not the address of an HTTP proxy{value}", hint=_HINT)
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        default = 443 if parts.scheme == "https" else 80
        host, port = parts.hostname or "", default if parts.port is None else parts.port
    except ValueError:  # an invalid port or IPv6 address
        raise invalid from None
    if host and parts.scheme.startswith("socks"):
        raise UsageError(
            f"{variable} names a SOCKS proxy; only HTTP proxies are supported{value}",
            hint="set http_proxy and https_proxy to an HTTP proxy, or list the server's host in"
            " no_proxy",
        )
    is_http = parts.scheme in {"http", "https"}
    if not (host and port and is_http and host.isascii() and text.isprintable()):
        raise invalid
    return Proxy(host, port, _credentials(parts.username, parts.password))


def _variable(scheme: str) -> str:
    """Return the variable that names the proxy, in the case that the user has set."""
    names = (f"{scheme}_proxy", f"{scheme}_proxy".upper())
    system = f"the {scheme} proxy of the system"
    return next((name for name in names if os.environ.get(name)), system)


def _credentials(username: str | None, password: str | None) -> dict[str, str]:
    if not username:
        return {}
    import base64
    from urllib.parse import unquote

    pair = f"{unquote(username)}:{unquote(password or '')}"
    return {"Proxy-Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
