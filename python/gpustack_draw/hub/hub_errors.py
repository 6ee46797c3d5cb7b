"""Error messages and hints for failed requests to the hub."""

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

MAX_WAIT = 30.0  # seconds; a longer Retry-After ends the request

_LOG_IN = "log in with 'hf auth login', or set HF_TOKEN"


@dataclass(frozen=True)
class AnswerHead:
    """Status and headers of an HTTP response.

    Attributes:
        status: HTTP status code.
        headers: Values by lower-case name.
        sent_token: True if the request carried the user's token.
    """

    status: int
    headers: Mapping[str, str]
    sent_token: bool


def offline_error(name: str) -> HubUnavailableError:
    """Build the error for an uncached repository in offline mode."""
    variable = offline_variable()
    return HubUnavailableError(
        f"hf.co/{name} is not cached, and {variable} is set",
        hint=f"unset {variable} to download it",
        retryable=False,
    )


def explain_failure(error: Exception, endpoint: str) -> HubUnavailableError:
    """Build the error for a request without a response.

    Args:
        error: Error of the HTTP client.
        endpoint: URL of the hub.
    """
    if type(error).__name__ == "OfflineModeIsEnabled":
        return HubUnavailableError(
            f"network access is disabled by {offline_variable()}",
            hint=f"unset {offline_variable()}",
            retryable=False,
        )
    variable = proxy_variable(endpoint)
    proxy = f"the proxy {without_password(os.environ[variable])} of {variable}" if variable else ""
    return HubUnavailableError(
        f"{endpoint} cannot be reached: {reason_of(error)}",
        hint=f"check the network, {proxy or 'the proxy settings'} and HF_ENDPOINT",
    )


def explain_refusal(  # noqa: PLR0911 - one per type of error
    answer: AnswerHead, endpoint: str, name: str, revision: str, path: str = ""
) -> DrawError:
    """Build the error for a response with an error status.

    Args:
        answer: Response with a status of 400 or above.
        endpoint: URL of the hub.
        name: Repository, as ``OWNER/REPO``.
        revision: Branch, tag or commit.
        path: File in the repository; empty for the repository itself.
    """
    code = answer.headers.get("x-error-code", "")
    if code == "GatedRepo":
        return _gated(answer, name)
    if answer.headers.get("x-error-message") == "Access to this resource is disabled.":
        return FetchError(
            f"the hub has disabled hf.co/{name}",
            hint=f"see https://huggingface.co/{name} for the reason, or use another repository",
        )
    if code == "RevisionNotFound":
        return ModelNotFoundError(
            f"hf.co/{name} has no revision {revision!r}",
            hint="write a branch, a tag or a commit after the @, or omit both",
        )
    if code == "EntryNotFound":
        return ModelNotFoundError(f"hf.co/{name} has no file {path!r} at revision {revision!r}")
    if answer.status == 401 and answer.sent_token:
        return HubUnavailableError(
            f"{endpoint} rejects the token of this machine",
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
    error_type = ModelNotFoundError if is_hub else NoSuchPageError
    return error_type(
        f"no repository hf.co/{name}{at}, or it is private",
        hint=f"check the spelling{' and HF_ENDPOINT' if is_other else ''}{log_in}",
    )


def _gated(answer: AnswerHead, name: str) -> DrawError:
    page = f"https://huggingface.co/{name}"
    if answer.sent_token:
        return FetchError(
            f"hf.co/{name} is gated, and the account of your token has no access",
            hint=f"accept its terms on {page}; its owner may need time to grant access",
        )
    return FetchError(
        f"hf.co/{name} is gated: it requires an account that has accepted its terms",
        hint=f"accept them on {page}, then {_LOG_IN}",
    )


def _refused(answer: AnswerHead, endpoint: str, name: str) -> DrawError:
    status = answer.status
    message = clean(answer.headers.get("x-error-message", ""))
    reason = f": {message}" if message else ""
    seconds = _wait_seconds(answer)
    if status == 429:
        log_in = "" if answer.sent_token else f"; accounts have a higher limit: {_LOG_IN}"
        return HubUnavailableError(
            f"{endpoint} received too many requests from this address (429)",
            hint=f"try again {_when(seconds)}{log_in}",
            wait_seconds=seconds,
            retryable=seconds <= MAX_WAIT,
        )
    if status in {408, 416} or status >= 500:
        return HubUnavailableError(
            f"{endpoint} reports a server error ({status}){reason}",
            hint="try again later; https://status.huggingface.co shows the status of the hub",
            wait_seconds=seconds,
            retryable=seconds <= MAX_WAIT,
        )
    return FetchError(
        f"{endpoint} refuses access to hf.co/{name} ({status}){reason}",
        hint="check that your token has read access to this repository" if status == 403 else "",
    )


def _when(seconds: float) -> str:
    if seconds >= MAX_RETRY_AFTER:
        return "tomorrow"
    return f"in {seconds:.0f} seconds" if seconds else "in a few minutes"


def _wait_seconds(answer: AnswerHead) -> float:
    """Return the seconds to wait before the next request, a day at most; 0 if not stated."""
    seconds = parse_retry_after(answer.headers.get("retry-after", ""))
    if seconds is not None:
        return seconds
    # Hugging Face sends: "api";r=0;t=55
    found = re.search(r";\s*t=(\d+)", answer.headers.get("ratelimit", ""))
    return parse_retry_after(found[1]) or 0.0 if found else 0.0
