"""Where a server's redirect may lead: nowhere that the API key was not meant for."""

from urllib.parse import SplitResult, urljoin, urlsplit

from gpustack_draw.errors import DrawError, ServerError, UsageError, quoted
from gpustack_draw.gpustack_server.address import ServerAddress, parse_server_url
from gpustack_draw.gpustack_server.advice import nothing_has
from gpustack_draw.untrusted import clean

_CHECK_ADDRESS = "check --server or GPUSTACK_SERVER_URL: host and port are those of its web page"
_LONGEST_LOCATION = 1000


def redirect_target(address: ServerAddress, location: str, name: str = "") -> str:
    """Return the server's address after a redirect of its ``/version``.

    The key goes to the host and port that it was given for. So only another path is followed, and
    the step from http to https, on the same port or from 80 to 443, as proxies in front of servers
    demand it.

    Args:
        address: The server that redirects.
        location: The ``Location`` header.
        name: The model's name, where a server is asked only because nothing else has that name.

    Raises:
        DrawError: The redirect is not followed.
    """
    if "@" in location:  # not shown: it may hold a password
        raise _refusal(address, name, "an address with a user name or password", _CHECK_ADDRESS)
    try:
        if len(location) > _LONGEST_LOCATION:
            raise ValueError("too long")
        url = parse_server_url(urljoin(f"{address.url}/version", location))
    except (UsageError, ValueError):
        shown = f"{quoted(location)}, which is not the address of a server"
        raise _refusal(address, name, shown, _CHECK_ADDRESS) from None
    url = url.removesuffix("/version")
    there, here = urlsplit(url), urlsplit(address.url)
    shown = clean(url)
    if there.hostname != here.hostname:
        hint = f"if that is your server, type --server {shown}"
        raise _refusal(address, name, f"another host, {shown}", hint)
    if here.scheme == "https" and there.scheme == "http":
        hint = f"if you accept that, type --server {shown}"
        raise _refusal(address, name, f"{shown}, which is not encrypted", hint)
    ports = _port(here), _port(there)
    is_upgrade = here.scheme == "http" and there.scheme == "https" and ports == (80, 443)
    if ports[0] != ports[1] and not is_upgrade:
        hint = f"if that is your server, type --server {shown}"
        raise _refusal(address, name, f"another port, {shown}", hint)
    return url


def _port(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)


def _refusal(address: ServerAddress, name: str, place: str, hint: str) -> DrawError:
    if name and not address.is_configured:
        return nothing_has(name)
    return ServerError(f"{address.url} redirects to {place}", hint=hint)
