"""Redirects of a server: followed only within the host and port that the API key is meant for."""

from urllib.parse import SplitResult, urljoin, urlsplit

from gpustack_draw.errors import DrawError, ServerError, UsageError, quoted
from gpustack_draw.gpustack_server.address import ServerAddress, parse_server_url
from gpustack_draw.gpustack_server.server_errors import CHECK_SERVER, unknown_name
from gpustack_draw.phrases import phrase
from gpustack_draw.untrusted import clean

_MAX_LOCATION_LENGTH = 1000


def redirect_target(address: ServerAddress, location: str, name: str = "") -> str:
    """Return the server's address after a redirect of its ``/version``.

    The API key is meant for the host and port that the user named. Allowed are therefore another
    path, and the change from http to https on the same port or from port 80 to 443, as proxies in
    front of servers demand it.

    Args:
        address: The server that redirects.
        location: The ``Location`` header.
        name: The model's name, if the server is asked only because the name is nothing else.

    Raises:
        DrawError: The redirect is not allowed.
    """
    if "@" in location:  # not printed, because it may contain a password
        raise _refusal(address, name, "an address with a user name or password", CHECK_SERVER)
    try:
        if len(location) > _MAX_LOCATION_LENGTH:
            raise ValueError("too long")
        url = parse_server_url(urljoin(f"{address.url}/version", location))
    except (UsageError, ValueError):
        target = f"{quoted(location)}, which is not a server address"
        raise _refusal(address, name, target, CHECK_SERVER) from None
    url = url.removesuffix("/version")
    new, old = urlsplit(url), urlsplit(address.url)
    target = clean(url)
    hint = phrase("if that is your server, type {server=}", server=target)
    if new.hostname != old.hostname:
        raise _refusal(address, name, f"another host, {target}", hint)
    if old.scheme == "https" and new.scheme == "http":
        hint = phrase("if you accept that, type {server=}", server=target)
        raise _refusal(address, name, f"{target}, which is not encrypted", hint)
    old_port, new_port = _port(old), _port(new)
    is_upgrade = (old.scheme, old_port) == ("http", 80) and (new.scheme, new_port) == ("https", 443)
    if old_port != new_port and not is_upgrade:
        raise _refusal(address, name, f"another port, {target}", hint)
    return url


def _port(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)


def _refusal(address: ServerAddress, name: str, target: str, hint: str) -> DrawError:
    if name and not address.is_configured:
        return unknown_name(name)
    return ServerError(f"{address.url} redirects to {target}", hint=hint, argument="server")
