"""What goes wrong with a GPUStack server, put into words and advice."""

from collections.abc import Sequence

from gpustack_draw.errors import DrawError, ModelNotFoundError, ServerError, quoted
from gpustack_draw.gpustack_server.address import ServerAddress
from gpustack_draw.gpustack_server.cancellation import TransportError
from gpustack_draw.gpustack_server.replies import ReplyError
from gpustack_draw.request.place import hub_reference

_NAME_SERVER = "check --server or GPUSTACK_SERVER_URL, and that the server runs"
_CHECK_ADDRESS = "check that it is the address of the GPUStack server itself"
_GET_KEY = "make an API key on the server's web page, and put it into GPUSTACK_API_KEY"


def explain_transport(  # noqa: PLR0911 - one a kind of error
    error: TransportError, address: ServerAddress, name: str = "", *, drawing: bool = False
) -> DrawError:
    """Put a request that failed on its way into words.

    Args:
        error: What happened.
        address: The server.
        name: The model's name, where a server is asked only because nothing else has that name.
        drawing: Whether a picture was asked for, which ``--timeout`` is about.
    """
    url = address.url
    if error.kind in {"refused", "unreachable", "not http"} and name and not address.is_configured:
        return nothing_has(name)
    if error.kind == "timeout" and drawing:
        return ServerError(
            f"{url} gave no picture within {address.draw_seconds:g} seconds",
            hint="type a longer --timeout, or fewer pictures with --count",
        )
    if error.kind == "timeout":
        return ServerError(
            f"{url} does not answer", hint="it may be busy or starting: try again in a minute"
        )
    if error.kind == "proxy":
        return ServerError(
            f"{url} cannot be reached through the proxy: {error.reason}",
            hint="check http_proxy and https_proxy, or name the server's host in no_proxy",
        )
    if error.kind == "tls":
        return _about_tls(error, url)
    if error.kind == "not http":
        other = "https" if url.startswith("http:") else "http"
        return ServerError(
            f"what answers at {url} is no GPUStack server: {error.reason}",
            hint=f"check the port, or type --server {other}://{url.partition('://')[2]}",
        )
    if error.kind == "cut":
        return ServerError(
            f"{url} broke its answer off: {error.reason}",
            hint="try again; if it happens again, look at the server's log",
        )
    return ServerError(f"no GPUStack server answers at {url}: {error.reason}", hint=_NAME_SERVER)


def _about_tls(error: TransportError, url: str) -> DrawError:
    rest = url.partition("://")[2]
    if "wrong version number" in error.reason or "record layer failure" in error.reason:
        return ServerError(
            f"{url} does not speak TLS: {error.reason}", hint=f"type --server http://{rest}"
        )
    return ServerError(
        f"{url} cannot be trusted: {error.reason}",
        hint="set SSL_CERT_FILE to a file with the certificate of the authority that signed the"
        " server's, and use the host name that it is for",
    )


def explain_reply(  # noqa: PLR0911 - one a kind of error
    error: ReplyError, address: ServerAddress, release: str, *, model: str = ""
) -> DrawError:
    """Put an answer that is no picture into words.

    Args:
        error: What was answered.
        address: The server.
        release: ``GPUStack 0.7.1``.
        model: The model's name, where a picture was asked for.
    """
    because = f": {error.words}" if error.words else ""
    if error.kind == "refused" and 400 <= error.status < 500:
        return _client_error(error, address, release, because)
    if error.kind == "refused":
        status = f" ({error.status})" if error.status else ""
        return ServerError(
            f"{release} at {address.url} could not draw with {quoted(model)}{status}{because}",
            hint="try again; if it happens again, look at the log of the model's instance on the"
            " server's web page",
        )
    if error.kind == "no picture":
        return ServerError(
            f"the answer of {address.url} ended without a picture",
            hint=f"the instance of {quoted(model)} may have stopped: look at its log on the"
            " server's web page",
        )
    if error.kind == "broken picture":
        return ServerError(
            f"the picture from {address.url} is broken: {error.words}",
            hint="try again; if it happens again, look at the log of the model's instance",
        )
    if error.kind == "too large":
        return ServerError(
            f"{address.url} sent a picture of {error.words}",
            hint=f"the instance of {quoted(model)} draws larger pictures than it is asked for: look"
            " at its parameters on the server's web page",
        )
    if error.kind == "too long":
        return ServerError(f"the answer of {address.url} is too long", hint=_CHECK_ADDRESS)
    return ServerError(f"what {address.url} answers is not JSON", hint=_CHECK_ADDRESS)


def _client_error(
    error: ReplyError, address: ServerAddress, release: str, because: str
) -> DrawError:
    if error.status == 401 and address.key:
        return ServerError(
            f"{address.url} does not accept the key in GPUSTACK_API_KEY",
            hint="it may have expired: make another one on the server's web page",
        )
    if error.status == 401:
        return ServerError(f"{address.url} wants an API key", hint=_GET_KEY)
    if error.status == 403:
        return ServerError(
            f"{address.url} does not let this key draw{because}",
            hint="make a key with the scope 'inference' that may use this model, and put it into"
            " GPUSTACK_API_KEY",
        )
    if error.status == 429:
        return ServerError(
            f"{address.url} has too many requests (429){because}",
            hint="try again later, or with fewer pictures",
        )
    return ServerError(
        f"{release} at {address.url} refuses to draw this ({error.status}){because}",
        hint="change the option that it names",
    )


def may_not_deploy(address: ServerAddress, uses_llama_box: bool, words: str) -> DrawError:
    """Make the error for a key that may draw but not deploy."""
    because = f": {words}" if words else ""
    if uses_llama_box:
        hint = "put the API key of an administrator into GPUSTACK_API_KEY"
    else:
        hint = "put a key with the scopes 'management' and 'inference' into GPUSTACK_API_KEY"
    return ServerError(f"{address.url} does not let this key deploy models{because}", hint=hint)


def no_gpustack(address: ServerAddress, name: str = "") -> DrawError:
    """Make the error for a server that is something else; arguments as above."""
    if name and not address.is_configured:
        return nothing_has(name)
    return ServerError(
        f"what answers at {address.url} is no GPUStack server",
        hint="check --server or GPUSTACK_SERVER_URL: host and port are those of its web page",
    )


def nothing_has(name: str) -> DrawError:
    """Make the error for a name that nothing has, where the user has named no server."""
    from difflib import get_close_matches

    hint = (
        f"check the path, type {hub_reference(name)} for a model of Hugging Face, or name your"
        " GPUStack server with --server or GPUSTACK_SERVER_URL"
    )
    if len(name.split()) > 1:
        hint = "the model comes first, then the prompt"
    elif get_close_matches(name.lower(), ["demo"], cutoff=0.75):
        hint = "did you mean demo?"
    return ModelNotFoundError(f"{quoted(name)} is neither 'demo' nor a file here", hint=hint)


def unknown_model(
    name: str,
    address: ServerAddress,
    known: Sequence[str],
    *,
    or_stopped: bool = False,
    or_hidden: bool = False,
) -> DrawError:
    """Make the error for a name that the server does not have.

    Args:
        name: As typed.
        address: The server.
        known: The image models that run there.
        or_stopped: Whether the server said that the model may only not run.
        or_hidden: Whether the server hides from a key the models that are not for it.
    """
    from difflib import get_close_matches

    lower = {each.lower(): each for each in known}
    close = get_close_matches(name.lower()[:100], list(lower), n=3, cutoff=0.4)
    close = close or [each for each in lower if name.lower() in each][:3]
    nearest = ", the nearest are " + ", ".join(lower[each] for each in close) if close else ""
    stopped = ", or no instance of it that runs" if or_stopped else ""
    has = f"it draws with {', '.join(known[:10])}; " if known and not close else ""
    whose = " for this key" if or_hidden else ""
    none = "" if known else f"it runs no image model{whose}; "
    return ModelNotFoundError(
        f"{address.url} has no model {quoted(name)}{whose}{stopped}{nearest}",
        hint=f"{has}{none}for a model of Hugging Face type {hub_reference(name)}, for a file"
        " its path",
    )
