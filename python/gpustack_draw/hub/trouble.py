"""Errors for a hub that cannot be reached, and the reasons behind them."""

import re

from gpustack_draw.errors import FetchError, ModelNotFoundError
from gpustack_draw.untrusted import clean

# OpenSSL puts its text between a code and a source position: [SSL: CODE] text (_ssl.c:1006)
_OPENSSL = re.compile(r"^\[[A-Z0-9_: ]+\] | \(_ssl\.c:[0-9]+\)$")
_TRANSPORT_MODULES = ("httpx", "httpx2", "httpcore", "httpcore2", "requests", "urllib3")


class HubUnavailableError(FetchError):
    """A failure to reach the hub, or to get an answer from it; cached files may do instead.

    Attributes:
        wait_seconds: Seconds to wait as stated by the hub; 0 if not stated.
        retryable: True if the same request may succeed within seconds.
    """

    def __init__(
        self, message: str, *, hint: str = "", wait_seconds: float = 0.0, retryable: bool = True
    ) -> None:
        """Store the message, the hint and the conditions for a retry."""
        super().__init__(message, hint=hint)
        self.wait_seconds = wait_seconds
        self.retryable = retryable


class NoSuchPageError(ModelNotFoundError):
    """A 404 without the headers of a hub, from a mirror or an unrelated server.

    A hub that lacks the repository raises :class:`ModelNotFoundError` itself.
    """


def is_transport_error(error: BaseException) -> bool:
    """Return whether an error comes from the network or the HTTP client."""
    modules = {each.__module__.partition(".")[0] for each in type(error).__mro__}
    return bool(modules & set(_TRANSPORT_MODULES)) or isinstance(
        error, ConnectionError | TimeoutError
    )


def reason_of(error: BaseException) -> str:
    """Return the operating system's reason for a failure, unwrapped from HTTP client errors."""
    error = innermost(error)
    text = (isinstance(error, OSError) and error.strerror) or str(error).strip()
    line = _OPENSSL.sub("", clean(text.splitlines()[0])) if text else ""
    if not line:
        return type(error).__name__
    return line[0].lower() + line[1:] if line[1:2].islower() else line


def innermost(error: BaseException) -> BaseException:
    """Return the root cause of an error that HTTP clients have wrapped."""
    inner: BaseException | None = error
    while inner is not None and (isinstance(inner, OSError) or is_transport_error(inner)):
        error, inner = inner, inner.__cause__ or inner.__context__
    return error
