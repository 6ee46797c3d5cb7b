"""Error messages, with hints, for everything that goes wrong with a GPUStack server."""

from collections.abc import Sequence

from gpustack_draw.errors import DrawError, ModelNotFoundError, ServerError, quoted
from gpustack_draw.gpustack_server.address import ServerAddress
from gpustack_draw.gpustack_server.cancellation import TransportError
from gpustack_draw.gpustack_server.responses import ResponseError
from gpustack_draw.phrases import joined, phrase
from gpustack_draw.request.known_models import near_names_hint
from gpustack_draw.request.place import hub_reference
from gpustack_draw.units import format_bytes

OWN_NAME = "gpustack-draw"  # of this program's own server, in its titles
CHECK_SERVER = phrase(
    "check {server} or GPUSTACK_SERVER_URL: use the host and port of its web page"
)
DRAW_LOCALLY = phrase("draw on this machine: demo, a file, or an hf.co model with {on='local'}")

_CHECK_RUNNING = phrase("check {server} or GPUSTACK_SERVER_URL, and that the server is running")
_CHECK_ADDRESS = "check that this is the address of the GPUStack server itself"
_CREATE_KEY = "create an API key on the server's web page, and set GPUSTACK_API_KEY to it"
_CHECK_LOG = "try again; if this happens again, check the log of the model's instance"
_SET_OWN_KEY = "set GPUSTACK_API_KEY to the key that the server was started with"
_CHECK_OWN_LOG = "try again; if this happens again, check the server's log"
_START_INSTANCE = "start it or check its instances on the server's web page"


def explain_transport(  # noqa: PLR0911 - one per problem
    error: TransportError, address: ServerAddress, name: str = "", *, drawing: bool = False
) -> DrawError:
    """Return the error for a request without a complete response.

    Args:
        error: The transport error.
        address: The server.
        name: The model's name, if the server is asked only because the name is nothing else.
        drawing: Whether the request was for a picture, which the timeout limits.
    """
    url, problem = address.url, error.problem
    if problem in {"refused", "unreachable", "not http"} and name and not address.is_configured:
        return unknown_name(name)
    if problem == "timeout" and drawing:
        return ServerError(
            f"{url} returned no picture within {address.draw_seconds:g} seconds",
            hint=phrase("increase {timeout}, or request fewer pictures with {count}"),
            argument="timeout",
        )
    if problem == "timeout":
        return ServerError(
            f"{url} does not answer", hint="it may be busy or starting: try again in a minute"
        )
    if problem == "proxy":
        return ServerError(
            f"{url} cannot be reached through the proxy: {error.reason}",
            hint="check http_proxy and https_proxy, or list the server's host in no_proxy",
        )
    if problem == "tls":
        return _explain_tls(error, url)
    if problem == "not http":
        other = "https" if url.startswith("http:") else "http"
        return ServerError(
            f"{url} is not a GPUStack server: {error.reason}",
            hint=phrase(
                "check the port, or type {server=}", server=f"{other}://{url.partition('://')[2]}"
            ),
            argument="server",
        )
    if problem == "cut":
        return ServerError(
            f"the response of {url} is incomplete: {error.reason}",
            hint="try again; if this happens again, check the server's log",
        )
    return ServerError(
        f"no GPUStack server answers at {url}: {error.reason}",
        hint=_CHECK_RUNNING,
        argument="server",
    )


def _explain_tls(error: TransportError, url: str) -> DrawError:
    rest = url.partition("://")[2]
    if "wrong version number" in error.reason or "record layer failure" in error.reason:
        return ServerError(
            f"{url} does not use TLS: {error.reason}",
            hint=phrase("type {server=}", server=f"http://{rest}"),
            argument="server",
        )
    return ServerError(
        f"the TLS connection to {url} failed: {error.reason}",
        hint="set SSL_CERT_FILE to the certificate of the server's certificate authority, and use"
        " the host name in the server's certificate",
    )


def explain_response(  # noqa: PLR0911 - one per problem
    error: ResponseError, address: ServerAddress, release: str, *, model: str = ""
) -> DrawError:
    """Return the error for a response without the expected content.

    Args:
        error: The response's problem.
        address: The server.
        release: Title of its release, such as ``GPUStack 0.7.1``.
        model: The model's name, if the request was for a picture.
    """
    because = f": {error.message}" if error.message else ""
    is_own = release.startswith(OWN_NAME)  # without instances of models, and their web page
    if error.problem == "refused" and 400 <= error.status < 500:
        return _explain_client_error(error, address, release, because)
    if error.problem == "refused":
        status = f" ({error.status})" if error.status else ""
        return ServerError(
            f"{release} at {address.url} could not draw with {quoted(model)}{status}{because}",
            hint=_CHECK_OWN_LOG if is_own else f"{_CHECK_LOG} on the server's web page",
        )
    if error.problem == "no picture":
        stopped = f"the instance of {quoted(model)} may have stopped: check its log on the server's"
        return ServerError(
            f"the response of {address.url} contains no picture",
            hint=_CHECK_OWN_LOG if is_own else f"{stopped} web page",
        )
    if error.problem == "broken picture":
        return ServerError(
            f"the picture from {address.url} is damaged: {error.message}", hint=_CHECK_LOG
        )
    if error.problem == "too large":
        return ServerError(
            f"{address.url} sent a picture of {error.message}",
            hint=f"the instance of {quoted(model)} ignores the requested size: check its parameters"
            " on the server's web page",
        )
    if error.problem == "too long":
        return ServerError(f"the response of {address.url} is too long", hint=_CHECK_ADDRESS)
    return ServerError(f"the response of {address.url} is not valid JSON", hint=_CHECK_ADDRESS)


def _explain_client_error(
    error: ResponseError, address: ServerAddress, release: str, because: str
) -> DrawError:
    is_own = release.startswith(OWN_NAME)
    if error.status == 401 and address.key:
        expired = "it may have expired: create another one on the server's web page"
        return ServerError(
            f"{address.url} rejects the key in GPUSTACK_API_KEY",
            hint=_SET_OWN_KEY if is_own else expired,
        )
    if error.status == 401:
        return ServerError(
            f"{address.url} requires an API key", hint=_SET_OWN_KEY if is_own else _CREATE_KEY
        )
    if error.status == 403:
        return ServerError(
            f"the API key is not permitted to draw on {address.url}{because}",
            hint="set GPUSTACK_API_KEY to a key with the scope 'inference' that may use this model",
        )
    if error.status == 429:
        return ServerError(
            f"{address.url} has too many requests (429){because}",
            hint="try again later, or with fewer pictures",
        )
    return ServerError(
        f"{release} at {address.url} rejects the request ({error.status}){because}",
        hint="change the value that the message names",
    )


def with_missing_seeds(hint: str, missing: Sequence[int], count: int) -> str:
    """Return a hint that also names the seeds of the pictures that were not drawn.

    Args:
        hint: The hint of the error; empty for none.
        missing: The seeds, in ascending order.
        count: Number of pictures that were requested; where all are missing, none is named.
    """
    if not 0 < len(missing) < count:
        return hint
    verb, noun = ("is", "seed") if len(missing) == 1 else ("are", "seeds")
    seeds = f"{len(missing)} of {count} pictures {verb} missing: {noun} {_ranges(missing)}"
    return joined("; ", [hint, seeds]) if hint else seeds


def _ranges(numbers: Sequence[int]) -> str:
    """Write numbers in ascending order, runs of more than two as their ends."""
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][-1] + 1:
            ranges[-1].append(number)
        else:
            ranges.append([number])
    return ", ".join(
        f"{run[0]} to {run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in ranges
    )


def too_large_upload(size: int, address: ServerAddress, message: str) -> DrawError:
    """Return the error for pictures that a server refuses because of their size.

    Args:
        size: Bytes of the pictures that were sent.
        address: The server.
        message: The server's message; may be empty.
    """
    because = f": {message}" if message else ""
    return ServerError(
        f"{address.url} does not take pictures of {format_bytes(size)} (413){because}",
        hint=phrase("draw a smaller picture, for example with {size='512x512'}"),
        argument="size",
    )


def no_edits(model: str, address: ServerAddress, release: str, status: int) -> DrawError:
    """Return the error for a server, or a model's backend, without the API for pictures.

    Args:
        model: The model's name.
        address: The server.
        release: Title of its release.
        status: Status of the response.
    """
    return ServerError(
        f"{release} at {address.url} takes no pictures with {quoted(model)} ({status})",
        hint=DRAW_LOCALLY,
        argument="image",
    )


def explain_deployment_response(
    error: ResponseError,
    address: ServerAddress,
    release: str,
    *,
    repository: str,
    has_key_scopes: bool,
) -> DrawError:
    """Return the error for a refused request of the management API.

    Args:
        error: The response's problem.
        address: The server.
        release: Title of its release.
        repository: ``OWNER/REPO`` of the model.
        has_key_scopes: Whether the release restricts keys by scope rather than by user.
    """
    because = f": {error.message}" if error.message else ""
    if error.status == 403:
        key = (
            "a key with the scopes 'management' and 'inference'"
            if has_key_scopes
            else "the key of an administrator"
        )
        return ServerError(
            f"the API key is not permitted to deploy models on {address.url}{because}",
            hint=f"set GPUSTACK_API_KEY to {key}",
        )
    if error.problem == "refused" and error.status != 401:
        return ServerError(
            f"{address.url} rejects the deployment of hf.co/{repository} ({error.status}){because}",
            hint="deploy it on the server's web page, and draw with its name there",
        )
    return explain_response(error, address, release)


def not_gpustack(address: ServerAddress, name: str = "") -> DrawError:
    """Return the error for a server that is not a GPUStack server.

    Args:
        address: The server.
        name: The model's name, if the server is asked only because the name is nothing else.
    """
    if name and not address.is_configured:
        return unknown_name(name)
    return ServerError(
        f"{address.url} is not a GPUStack server", hint=CHECK_SERVER, argument="server"
    )


def unknown_name(name: str) -> DrawError:
    """Return the error for a name that is nothing local, if no server is configured."""
    if len(name.split()) > 1:
        hint = "the model comes first, then the prompt"
    else:
        hint = near_names_hint(name) or phrase(
            "check the path, type {} for a model of Hugging Face, or name your GPUStack server with"
            " {server} or GPUSTACK_SERVER_URL",
            hub_reference(name),
        )
    return ModelNotFoundError(
        f"no model named {quoted(name)} on this machine", hint=hint, argument="model"
    )


def unknown_model(
    name: str,
    address: ServerAddress,
    known: Sequence[str],
    *,
    may_be_stopped: bool = False,
    may_be_hidden: bool = False,
) -> DrawError:
    """Return the error for a name that the server does not have.

    Args:
        name: The name as typed.
        address: The server.
        known: Names of its running image models.
        may_be_stopped: Whether the model may be there without a running instance.
        may_be_hidden: Whether the server hides models that the API key may not use.
    """
    from difflib import get_close_matches

    lower = {each.lower(): each for each in known}
    close = get_close_matches(name.lower()[:100], list(lower), n=3, cutoff=0.4)
    close = close or [each for each in lower if name.lower() in each][:3]
    nearest = ", the nearest are " + ", ".join(lower[each] for each in close) if close else ""
    stopped = ", or no running instance of it" if may_be_stopped else ""
    available = f"available: {', '.join(known[:10])}; " if known and not close else ""
    scope = " for this key" if may_be_hidden else ""
    none = "" if known else f"no image model is running there{scope}; "
    return ModelNotFoundError(
        f"{address.url} has no model {quoted(name)}{scope}{stopped}{nearest}",
        hint=f"{available}{none}for a model of Hugging Face type {hub_reference(name)}, for a file"
        " its path",
        argument="model",
    )


def unknown_own_model(name: str, address: ServerAddress, known: Sequence[str]) -> DrawError:
    """Return the error for a name that this program's own server does not have.

    Args:
        name: The name as typed.
        address: The server.
        known: Names of its models.
    """
    return ModelNotFoundError(
        f"{address.url} has no model {quoted(name)}",
        hint=f"available: {', '.join(known[:10])}; others only if the server may download models",
        argument="model",
    )


def not_an_image_model(name: str, address: ServerAddress, known: Sequence[str]) -> DrawError:
    """Return the error for a running model that does not draw.

    Args:
        name: The model's name.
        address: The server.
        known: Names of its running image models.
    """
    return ModelNotFoundError(
        f"{quoted(name)} on {address.url} is not an image model",
        hint=f"image models there: {', '.join(known[:10])}"
        if known
        else "no image model is running there",
        argument="model",
    )


def stopped_model(name: str, address: ServerAddress, state: str = "") -> DrawError:
    """Return the error for a model without a running instance.

    Args:
        name: The model's name.
        address: The server.
        state: State and message of an instance; empty if unknown.
    """
    message = (
        f"{quoted(name)} is not running on {address.url}: {state}"
        if state
        else f"{quoted(name)} has no running instance on {address.url}"
    )
    return ServerError(message, hint=_START_INSTANCE, argument="model")
