"""The proxy that the environment names for a GPUStack server."""

import os
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from gpustack_draw.errors import UsageError, quoted
from gpustack_draw.gpustack_server.address import ServerAddress

_HINT = "write it as http://HOST:PORT, or name the server's host in no_proxy"


@dataclass(frozen=True)
class Proxy:
    """An HTTP proxy.

    Attributes:
        host: Its name or address.
        port: Its port.
        headers: The credentials it wants; never shown.
    """

    host: str
    port: int
    headers: dict[str, str] = field(default_factory=dict, repr=False)


def proxy_for(address: ServerAddress) -> Proxy | None:
    """Return the proxy for a server; ``None`` where it is asked directly.

    Raises:
        UsageError: The environment names a proxy that cannot be used.
    """
    from urllib.request import getproxies, proxy_bypass

    parts = urlsplit(address.url)
    # No proxy knows what is on this machine, whatever NO_PROXY forgets to say.
    if address.is_loopback or proxy_bypass(parts.netloc):
        return None
    proxies = getproxies()
    kind = parts.scheme if proxies.get(parts.scheme) else "all"
    text = proxies.get(kind)
    return _parse(text, _variable(kind)) if text else None


def _parse(text: str, variable: str) -> Proxy:
    # A password in it is not shown.
    shown = f": {quoted(text)}" if "@" not in text else ""
    wrong = UsageError(f"{variable} is not the address of an HTTP proxy{shown}", hint=_HINT)
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        default = 443 if parts.scheme == "https" else 80
        host, port = parts.hostname or "", default if parts.port is None else parts.port
    except ValueError:  # a port that is none, brackets without an address
        raise wrong from None
    if host and parts.scheme.startswith("socks"):
        raise UsageError(
            f"{variable} names a SOCKS proxy, and GPUStack servers are reached through HTTP proxies"
            f" only{shown}",
            hint="put an HTTP proxy into http_proxy and https_proxy, or name the server's host in"
            " no_proxy",
        )
    is_http = parts.scheme in {"http", "https"}
    if not (host and port and is_http and host.isascii() and text.isprintable()):
        raise wrong
    return Proxy(host, port, _credentials(parts.username, parts.password))


def _variable(kind: str) -> str:
    """Return the variable that names the proxy, as the user spelled it."""
    names = (f"{kind}_proxy", f"{kind}_proxy".upper())
    return next((name for name in names if os.environ.get(name)), f"the {kind} proxy of the system")


def _credentials(username: str | None, password: str | None) -> dict[str, str]:
    if not username:
        return {}
    import base64
    from urllib.parse import unquote

    pair = f"{unquote(username)}:{unquote(password or '')}"
    return {"Proxy-Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
