"""Which release of GPUStack a server is of."""

import re
from dataclasses import dataclass, replace

from gpustack_draw.errors import ServerError
from gpustack_draw.gpustack_server import asking
from gpustack_draw.gpustack_server.address import ServerAddress
from gpustack_draw.gpustack_server.advice import explain_transport, no_gpustack
from gpustack_draw.gpustack_server.cancellation import Cancellation, TransportError
from gpustack_draw.gpustack_server.connection import ServerConnection
from gpustack_draw.gpustack_server.redirect import redirect_target
from gpustack_draw.gpustack_server.replies import ReplyError, parse_object

OLDEST = (0, 4)
NEWEST = (2, 3)

_VERSION = re.compile(r"v?(\d{1,6})\.(\d{1,6})(?:\.\d{1,6})?[.\w+-]{0,40}", re.ASCII)


@dataclass(frozen=True)
class Release:
    """A release of GPUStack.

    Attributes:
        text: As the server tells it, without the v: ``0.7.1``.
        number: Its first two numbers.
    """

    text: str
    number: tuple[int, int]

    @property
    def title(self) -> str:
        """What people call it."""
        return f"GPUStack {self.text}"

    @property
    def uses_llama_box(self) -> bool:
        """Whether it is of the 0.x releases, which draw with llama-box."""
        return self.number < (1, 0)

    @property
    def images_path(self) -> str:
        """Where pictures are asked for."""
        return "/v1-openai/images/generations" if self.uses_llama_box else "/v1/images/generations"

    @property
    def models_path(self) -> str:
        """Where the models that run are listed, for every user."""
        return "/v1-openai/models" if self.uses_llama_box else "/v1/models"

    @property
    def management_path(self) -> str:
        """Where models are deployed and their instances told of, to administrators."""
        return "/v1" if self.uses_llama_box else "/v2"


def find_release(
    connection: ServerConnection, cancellation: Cancellation, name: str = ""
) -> tuple[Release, ServerConnection]:
    """Ask a server for its release; no key is shown to it before that.

    Args:
        connection: The server.
        cancellation: What may end it.
        name: The model's name, where a server is asked only because nothing else has that name.

    Returns:
        The release, and the server: at another address of the same host where it sends there
        (http to https, as proxies in front of servers do).

    Raises:
        DrawError: There is no server, or it is none of GPUStack, or too old.
    """
    for _ in range(3):
        address = connection.address
        waits = asking.REFUSED_WAITS if address.is_configured else ()
        try:
            status, body, place = _ask_version(connection, cancellation, waits)
        except TransportError as error:
            raise explain_transport(error, address, name) from error
        if not 300 <= status < 400:
            return _release_of(status, body, address, name), connection
        target = redirect_target(address, place, name)
        connection = connection.moved_to(replace(address, url=target))
    raise no_gpustack(connection.address, name)


def _ask_version(
    connection: ServerConnection, cancellation: Cancellation, waits: tuple[float, ...]
) -> tuple[int, bytes, str]:
    try:
        with connection.ask(
            "GET", "/version", seconds=asking.ASK_SECONDS, cancellation=cancellation, with_key=False
        ) as reply:
            return reply.status, reply.read(65_536), reply.header("Location")
    except TransportError as error:
        if error.kind != "refused" or not waits:
            raise
    cancellation.wait(waits[0])
    return _ask_version(connection, cancellation, waits[1:])


def _release_of(status: int, body: bytes, address: ServerAddress, name: str) -> Release:
    if status >= 500 and address.is_configured:
        raise ServerError(
            f"{address.url} answers with an error ({status})",
            hint="the server may be starting: try again in a minute",
        )
    try:
        answer = parse_object(body) if status == 200 else {}
    except ReplyError:
        answer = {}
    text = answer.get("version")
    if not isinstance(text, str) or not ("git_commit" in answer or _VERSION.fullmatch(text)):
        raise no_gpustack(address, name)
    match = _VERSION.fullmatch(text)
    if match is None:
        raise ServerError(
            f"the GPUStack server at {address.url} has a version unknown here: {text[:40]!r}",
            hint="gpustack-draw knows the releases 0.4 to 2.3",
        )
    number = (int(match[1]), int(match[2]))
    if number == (0, 0):
        number = NEWEST  # what a server that was built from its source calls itself
    if number < OLDEST:
        raise ServerError(
            f"GPUStack {text.removeprefix('v')} at {address.url} is too old: it cannot draw",
            hint="gpustack-draw knows the releases 0.4 to 2.3: upgrade the server",
        )
    return Release(text.removeprefix("v"), number)
