"""Errors of the hub and of its client, put into words and advice."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from gpustack_draw.errors import DrawError, FetchError, ModelNotFoundError
from gpustack_draw.hub.network_variables import (
    offline_variable,
    proxy_variable,
    without_password,
)
from gpustack_draw.hub.trouble import HubUnavailableError, NoSuchPageError, reason_of
from gpustack_draw.untrusted import MAX_RETRY_AFTER, clean, parse_retry_after

MAX_WAIT = 30.0  # a hub that wants to be left alone for longer has to be asked another time

_LOG_IN = "log in with 'hf auth login', or set HF_TOKEN"


@dataclass(frozen=True)
class AnswerHead:
    """The head of an answer.

    Attributes:
        status: Of HTTP.
        headers: By name in lower case.
        sent_token: Whether the user's token went along.
    """

    status: int
    headers: Mapping[str, str]
    sent_token: bool


def offline_error(name: str) -> HubUnavailableError:
    """Make the error for a repository that is not known while the network must not be used."""
    variable = offline_variable()
    return HubUnavailableError(
        f"hf.co/{name} is not on this machine, and {variable} is set",
        hint=f"unset {variable} to fetch it",
        retryable=False,
    )


def explain_failure(error: Exception, endpoint: str) -> HubUnavailableError:
    """Make the error for a question that got no answer.

    Args:
        error: The error of the HTTP client.
        endpoint: The hub's address.
    """
    if type(error).__name__ == "OfflineModeIsEnabled":
        return HubUnavailableError(
            f"the network is not used, as {offline_variable()} is set",
            hint=f"unset {offline_variable()}",
            retryable=False,
        )
    variable = proxy_variable(endpoint)
    proxy = f"the proxy {without_password(os.environ[variable])} of {variable}" if variable else ""
    return HubUnavailableError(
        f"{endpoint} cannot be reached: {reason_of(error)}",
        hint=f"check the network, {proxy or 'the proxy settings'} and HF_ENDPOINT",
    )


def explain_refusal(  # noqa: PLR0911 - one a kind of refusal
    answer: AnswerHead, endpoint: str, name: str, revision: str, path: str = ""
) -> DrawError:
    """Make the error for an answer that is a refusal.

    Args:
        answer: The answer, with a status from 400 on.
        endpoint: The hub's address.
        name: The repository that was asked for.
        revision: The revision.
        path: The file, where one was asked for.
    """
    code = answer.headers.get("x-error-code", "")
    if code == "GatedRepo":
        return _gated(answer, name)
    if answer.headers.get("x-error-message") == "Access to this resource is disabled.":
        return FetchError(
            f"hf.co/{name} has been disabled by the hub",
            hint=f"https://huggingface.co/{name} may tell why; use another repository",
        )
    if code == "RevisionNotFound":
        return ModelNotFoundError(
            f"hf.co/{name} has no revision {revision!r}",
            hint="give a branch, a tag or a commit after the @, or leave it out",
        )
    if code == "EntryNotFound":
        return ModelNotFoundError(f"hf.co/{name} has no file {path!r} at revision {revision!r}")
    if answer.status == 401 and answer.sent_token:
        return HubUnavailableError(
            f"{endpoint} does not accept the token that is set up on this machine",
            hint="log in again with 'hf auth login', or correct or unset HF_TOKEN",
            retryable=False,
        )
    if code == "RepoNotFound" or answer.status in {401, 404}:
        return _not_found(answer, endpoint, name)
    return _refused(answer, endpoint, name)


def _not_found(answer: AnswerHead, endpoint: str, name: str) -> DrawError:
    log_in = "" if answer.sent_token else f"; if it is private, {_LOG_IN}"
    is_other = endpoint != "https://huggingface.co"
    at = f" at {endpoint}" if is_other else ""
    is_hub = "x-error-code" in answer.headers or not is_other
    kind = ModelNotFoundError if is_hub else NoSuchPageError
    return kind(
        f"there is no repository hf.co/{name}{at}, or it is private",
        hint=f"check the spelling{' and HF_ENDPOINT' if is_other else ''}{log_in}",
    )


def _gated(answer: AnswerHead, name: str) -> DrawError:
    page = f"https://huggingface.co/{name}"
    if answer.sent_token:
        return FetchError(
            f"hf.co/{name} is gated, and the account of your token has not been let in",
            hint=f"accept its terms on {page}; it can take its owner a while to let you in",
        )
    return FetchError(
        f"hf.co/{name} is gated: it is given only to accounts that have accepted its terms",
        hint=f"accept them on {page}, then {_LOG_IN}",
    )


def _refused(answer: AnswerHead, endpoint: str, name: str) -> DrawError:
    status = answer.status
    said = clean(answer.headers.get("x-error-message", ""))
    because = f": {said}" if said else ""
    seconds = _wait_seconds(answer)
    if status == 429:
        also = "" if answer.sent_token else f"; with an account the limit is higher: {_LOG_IN}"
        return HubUnavailableError(
            f"{endpoint} has had too many requests from here (429)",
            hint=f"try again {_when(seconds)}{also}",
            wait_seconds=seconds,
            retryable=seconds <= MAX_WAIT,
        )
    if status in {408, 416} or status >= 500:
        return HubUnavailableError(
            f"{endpoint} answers with an error of its own ({status}){because}",
            hint="try again later; https://status.huggingface.co tells how the hub is",
            wait_seconds=seconds,
            retryable=seconds <= MAX_WAIT,
        )
    return FetchError(
        f"{endpoint} refuses hf.co/{name} ({status}){because}",
        hint="check that your token may read this repository" if status == 403 else "",
    )


def _when(seconds: float) -> str:
    if seconds >= MAX_RETRY_AFTER:
        return "another day"
    return f"in {seconds:.0f} seconds" if seconds else "in a few minutes"


def _wait_seconds(answer: AnswerHead) -> float:
    """Return the seconds to wait before the next request, a day at most; 0 if not stated."""
    seconds = parse_retry_after(answer.headers.get("retry-after", ""))
    if seconds is not None:
        return seconds
    # Hugging Face sends: "api";r=0;t=55
    found = re.search(r";\s*t=(\d+)", answer.headers.get("ratelimit", ""))
    return parse_retry_after(found[1]) or 0.0 if found else 0.0
