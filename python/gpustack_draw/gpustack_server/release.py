"""GPUStack releases: finding a server's, and its API paths."""

import re
from dataclasses import dataclass, replace

from gpustack_draw.errors import ServerError
from gpustack_draw.gpustack_server import request_json, retry
from gpustack_draw.gpustack_server.address import ServerAddress
from gpustack_draw.gpustack_server.cancellation import Cancellation, TransportError
from gpustack_draw.gpustack_server.connection import ServerConnection
from gpustack_draw.gpustack_server.redirect import redirect_target
from gpustack_draw.gpustack_server.responses import ResponseError, parse_object
from gpustack_draw.gpustack_server.server_errors import OWN_NAME, explain_transport, not_gpustack

MIN_RELEASE = (0, 4)
MAX_TESTED_RELEASE = (2, 3)

_VERSION = re.compile(r"v?(\d{1,6})\.(\d{1,6})(?:\.\d{1,6})?[.\w+-]{0,40}", re.ASCII)
_MAX_VERSION_BYTES = 65_536
_MAX_REDIRECTS = 2


@dataclass(frozen=True)
class Release:
    """A release of GPUStack, or of this program's own server.

    Attributes:
        text: The server's version, without the v: ``0.7.1``.
        number: Major and minor version.
        is_own: Whether it is a server of ``gpustack-draw serve``, without GPUStack.
    """

    text: str
    number: tuple[int, int]
    is_own: bool = False

    @property
    def title(self) -> str:
        """Name for messages, such as ``GPUStack 0.7.1``."""
        return f"{OWN_NAME if self.is_own else 'GPUStack'} {self.text}"

    @property
    def uses_llama_box(self) -> bool:
        """True if the release draws with llama-box, as GPUStack 0.x does."""
        return self.number < (1, 0) and not self.is_own

    @property
    def images_path(self) -> str:
        """Path of the images API."""
        return "/v1-openai/images/generations" if self.uses_llama_box else "/v1/images/generations"

    @property
    def edits_path(self) -> str:
        """Path of the images API for requests with pictures."""
        return "/v1-openai/images/edits" if self.uses_llama_box else "/v1/images/edits"

    @property
    def models_path(self) -> str:
        """Path of the list of running models, for every user."""
        return "/v1-openai/models" if self.uses_llama_box else "/v1/models"

    @property
    def management_path(self) -> str:
        """Path prefix of the management API, for administrators."""
        return "/v1" if self.uses_llama_box else "/v2"


@dataclass(frozen=True)
class FoundServer:
    """A server that has answered.

    Attributes:
        connection: The server, at the address that it redirects to, if any.
        release: Its release.
    """

    connection: ServerConnection
    release: Release


@dataclass(frozen=True)
class _VersionResponse:
    status: int
    body: bytes
    location: str


def find_server_release(
    connection: ServerConnection, cancellation: Cancellation, name: str = ""
) -> FoundServer:
    """Ask a server for its release, without sending the API key.

    Follows redirects to the same host, for example from http to https.

    Args:
        connection: The server.
        cancellation: Ends the request from another thread.
        name: The model's name, if the server is asked only because the name is nothing else.

    Raises:
        DrawError: The server does not answer, is not a GPUStack server, or is too old.
    """
    for _ in range(_MAX_REDIRECTS + 1):
        address = connection.address
        delays = retry.REFUSED_DELAYS if address.is_configured else ()
        try:
            response = _request_version(connection, cancellation, delays)
        except TransportError as error:
            raise explain_transport(error, address, name) from error
        if not 300 <= response.status < 400:
            return FoundServer(connection, _parse_release(response, address, name))
        target = redirect_target(address, response.location, name)
        connection = connection.moved_to(replace(address, url=target))
    raise not_gpustack(connection.address, name)


def _request_version(
    connection: ServerConnection, cancellation: Cancellation, delays: tuple[float, ...]
) -> _VersionResponse:
    seconds = request_json.REQUEST_SECONDS
    try:
        with connection.request(
            "GET", "/version", seconds=seconds, cancellation=cancellation, with_key=False
        ) as response:
            body = response.read(_MAX_VERSION_BYTES)
            return _VersionResponse(response.status, body, response.header("Location"))
    except TransportError as error:
        if error.problem != "refused" or not delays:
            raise
    cancellation.wait(delays[0])
    return _request_version(connection, cancellation, delays[1:])


def _parse_release(response: _VersionResponse, address: ServerAddress, name: str) -> Release:
    if response.status >= 500 and address.is_configured:
        raise ServerError(
            f"{address.url} returned an error ({response.status})",
            hint="the server may be starting: try again in a minute",
        )
    try:
        document = parse_object(response.body) if response.status == 200 else {}
    except ResponseError:
        document = {}
    text = document.get("version")
    if not isinstance(text, str) or not ("git_commit" in document or _VERSION.fullmatch(text)):
        raise not_gpustack(address, name)
    match = _VERSION.fullmatch(text)
    if match is None:
        raise ServerError(
            f"the GPUStack server at {address.url} reports an unknown version: {text[:40]!r}",
            hint="gpustack-draw supports the releases 0.4 to 2.3",
        )
    number = (int(match[1]), int(match[2]))
    if document.get("product") == OWN_NAME:
        return Release(text, number, is_own=True)
    if number == (0, 0):
        number = MAX_TESTED_RELEASE  # a server built from source reports 0.0.0
    if number < MIN_RELEASE:
        raise ServerError(
            f"GPUStack {text.removeprefix('v')} at {address.url} is too old: it cannot draw",
            hint="gpustack-draw supports the releases 0.4 to 2.3: upgrade the server",
        )
    return Release(text.removeprefix("v"), number)
