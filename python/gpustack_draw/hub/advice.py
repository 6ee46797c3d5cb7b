"""Errors of the hub and of its client, put into words and advice."""

import contextlib
import math
import re
import time
from email.utils import parsedate_to_datetime
from typing import Any

from gpustack_draw.errors import DrawError, FetchError, ModelNotFoundError

LONGEST_WAIT = 30.0  # a hub that wants to be left alone for longer has to be asked another time

_LOG_IN = "log in with 'hf auth login', or set HF_TOKEN"
_TRANSPORT_MODULES = ("httpx", "httpx2", "httpcore", "httpcore2", "requests", "urllib3")


class HubTroubleError(FetchError):
    """The hub could not be asked now; a later try, or the cache, may help.

    Attributes:
        wait_seconds: How long the hub wants to be left alone; 0 where it did not say.
        lasting: Whether trying again at once is in vain.
    """

    def __init__(
        self, message: str, *, hint: str = "", wait_seconds: float = 0.0, lasting: bool = False
    ) -> None:
        """Keep the message, the hint and when to try again."""
        super().__init__(message, hint=hint)
        self.wait_seconds = wait_seconds
        self.lasting = lasting


def is_transport_error(error: BaseException) -> bool:
    """Tell whether a request failed on its way; HTTP clients have errors of their own for that."""
    modules = {kind.__module__.partition(".")[0] for kind in type(error).__mro__}
    return bool(modules & set(_TRANSPORT_MODULES)) or isinstance(
        error, ConnectionError | TimeoutError
    )


def offline_error(name: str) -> HubTroubleError:
    """Make the error for a repository that is not known while the network must not be used."""
    return HubTroubleError(
        f"hf.co/{name} is not on this machine, and HF_HUB_OFFLINE is set",
        hint="unset HF_HUB_OFFLINE to fetch it",
        lasting=True,
    )


def explain(  # noqa: PLR0911 - one a kind of error
    error: Exception, endpoint: str, name: str, revision: str, path: str = ""
) -> DrawError:
    """Put an error of the client into words.

    Args:
        error: What was raised.
        endpoint: The hub's address.
        name: The repository that was asked for.
        revision: The revision.
        path: The file, where one was asked for.
    """
    kinds = {kind.__name__ for kind in type(error).__mro__}
    response = getattr(error, "response", None)
    if "OfflineModeIsEnabled" in kinds:
        return offline_error(name)
    if "GatedRepoError" in kinds:
        return _gated(response, name)
    if "DisabledRepoError" in kinds:
        return FetchError(
            f"hf.co/{name} has been disabled by the hub",
            hint=f"https://huggingface.co/{name} may tell why; use another repository",
        )
    if "RevisionNotFoundError" in kinds:
        return ModelNotFoundError(
            f"hf.co/{name} has no revision {revision!r}",
            hint="give a branch, a tag or a commit after the @, or leave it out",
        )
    if "EntryNotFoundError" in kinds:
        return ModelNotFoundError(f"hf.co/{name} has no file {path!r} at revision {revision!r}")
    if response is not None:
        is_missing = "RepositoryNotFoundError" in kinds
        return _explain_answer(response, endpoint, name, is_missing=is_missing)
    return HubTroubleError(
        f"{endpoint} cannot be reached: {_reason(error)}",
        hint="check the network, the proxy settings and HF_ENDPOINT",
    )


def _explain_answer(response: Any, endpoint: str, name: str, *, is_missing: bool) -> DrawError:
    status = int(response.status_code)
    if status == 401 and _sent_token(response):
        return FetchError(
            f"{endpoint} does not accept the token that is set up on this machine",
            hint="log in again with 'hf auth login', or correct or unset HF_TOKEN",
        )
    if is_missing or status in {401, 404}:
        also = "" if _sent_token(response) else f"; if it is private, {_LOG_IN}"
        return ModelNotFoundError(
            f"there is no repository hf.co/{name}, or it is private",
            hint=f"check the spelling{also}",
        )
    return _refused(response, status, endpoint, name)


def _reason(error: BaseException) -> str:
    """Give what the system has said, without the wrappings of HTTP clients."""
    inner: BaseException | None = error
    while inner is not None and (isinstance(inner, OSError) or is_transport_error(inner)):
        error, inner = inner, inner.__cause__ or inner.__context__
    text = (isinstance(error, OSError) and error.strerror) or str(error).strip()
    return text[0].lower() + text.splitlines()[0][1:] if text else type(error).__name__


def _gated(response: Any, name: str) -> DrawError:
    page = f"https://huggingface.co/{name}"
    if _sent_token(response):
        return FetchError(
            f"hf.co/{name} is gated, and the account of your token has not been let in",
            hint=f"accept its terms on {page}; it can take its owner a while to let you in",
        )
    return FetchError(
        f"hf.co/{name} is gated: it is given only to accounts that have accepted its terms",
        hint=f"accept them on {page}, then {_LOG_IN}",
    )


def _refused(response: Any, status: int, endpoint: str, name: str) -> DrawError:
    said = response.headers.get("X-Error-Message") or ""
    because = f": {said}" if said else ""
    seconds = _wait_seconds(response)
    if status == 429:
        when = f"in {seconds:.0f} seconds" if seconds else "in a few minutes"
        also = "" if _sent_token(response) else f"; with an account the limit is higher: {_LOG_IN}"
        return HubTroubleError(
            f"{endpoint} has had too many requests from here (429)",
            hint=f"try again {when}{also}",
            wait_seconds=seconds,
            lasting=seconds > LONGEST_WAIT,
        )
    if status in {408, 416} or status >= 500:
        return HubTroubleError(
            f"{endpoint} answers with an error of its own ({status}){because}",
            hint="try again later; https://status.huggingface.co tells how the hub is",
            wait_seconds=seconds,
            lasting=seconds > LONGEST_WAIT,
        )
    return FetchError(
        f"{endpoint} refuses hf.co/{name} ({status}){because}",
        hint="check that your token may read this repository" if status == 403 else "",
    )


def _sent_token(response: Any) -> bool:
    request = getattr(response, "request", None)
    return request is not None and "authorization" in {key.lower() for key in request.headers}


def _wait_seconds(response: Any) -> float:
    """Tell how long a server wants to be left alone; 0 where it does not say."""
    text = str(response.headers.get("Retry-After", "")).strip()
    if text.isdecimal():
        return float(text)
    with contextlib.suppress(ValueError, TypeError, OverflowError):  # a date
        return max(math.ceil(parsedate_to_datetime(text).timestamp() - time.time()), 0.0)
    # What Hugging Face says: "api";r=0;t=55
    found = re.search(r";\s*t=(\d+)", str(response.headers.get("RateLimit", "")))
    return float(found[1]) if found else 0.0
