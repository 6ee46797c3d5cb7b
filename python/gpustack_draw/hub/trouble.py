"""The error for a hub that cannot be asked, and the words of the system about it."""

import re

from gpustack_draw.errors import FetchError, ModelNotFoundError
from gpustack_draw.untrusted import clean

# OpenSSL's words stand between its code and its place: [SSL: CODE] words (_ssl.c:1006)
_OPENSSL = re.compile(r"^\[[A-Z0-9_: ]+\] | \(_ssl\.c:[0-9]+\)$")
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


class NoSuchPageError(ModelNotFoundError):
    """The address of the hub, or of a mirror, leads to something that does not know the model.

    A hub that does not have it says so in its own way.
    """


def is_transport_error(error: BaseException) -> bool:
    """Tell whether a request failed on its way; HTTP clients have errors of their own for that."""
    modules = {kind.__module__.partition(".")[0] for kind in type(error).__mro__}
    return bool(modules & set(_TRANSPORT_MODULES)) or isinstance(
        error, ConnectionError | TimeoutError
    )


def reason_of(error: BaseException) -> str:
    """Return the words of the system about a failure, without the wrappings of HTTP clients."""
    error = innermost(error)
    text = (isinstance(error, OSError) and error.strerror) or str(error).strip()
    line = _OPENSSL.sub("", clean(text.splitlines()[0])) if text else ""
    if not line:
        return type(error).__name__
    return line[0].lower() + line[1:] if line[1:2].islower() else line


def innermost(error: BaseException) -> BaseException:
    """Return the error that HTTP clients have wrapped in their own."""
    inner: BaseException | None = error
    while inner is not None and (isinstance(inner, OSError) or is_transport_error(inner)):
        error, inner = inner, inner.__cause__ or inner.__context__
    return error
