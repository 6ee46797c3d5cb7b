"""One HTTP request to the hub, with limits on the size and duration of its response.

The hub is not trusted: it may respond byte by byte, without end, or with a small body that
decompresses to gigabytes, and it may redirect anywhere.
"""

import importlib
import threading
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, urljoin, urlsplit

from gpustack_draw.hub import settings
from gpustack_draw.hub.hub_errors import AnswerHead, explain_failure
from gpustack_draw.hub.network_variables import find_cause
from gpustack_draw.hub.trouble import HubUnavailableError, is_transport_error

# Time limit until the headers of the response arrive, redirects included.
SECONDS_FOR_HEAD = 30.0
_MAX_REDIRECTS = 10
# requests yields full pieces only, so a killed process loses up to this many bytes.
_PIECE_BYTES = 32 * 1024
_SHORT_PIECE_BYTES = 256


@dataclass(frozen=True)
class Answer(AnswerHead):
    """An HTTP response whose body has not been read.

    Attributes:
        address: URL of the response, after redirects.
        redirects: Headers of the redirects, in order.
    """

    address: str
    redirects: tuple[Mapping[str, str], ...]
    _response: Any = field(repr=False)

    def pieces(self, *, packed: bool = False, soon: bool = False) -> Iterator[bytes]:
        """Iterate over the body in pieces.

        Args:
            packed: Do not decompress the body.
            soon: Yield bytes as they arrive instead of full pieces.
        """
        if hasattr(self._response, "iter_bytes"):  # httpx
            return iter(self._response.iter_raw() if packed else self._response.iter_bytes())
        raw = self._response.raw
        if soon and hasattr(raw, "read1"):
            return iter(lambda: raw.read1(_PIECE_BYTES, decode_content=not packed), b"")
        count = _SHORT_PIECE_BYTES if soon else _PIECE_BYTES  # urllib3 1 has no read1
        return iter(raw.stream(count, decode_content=not packed))

    def close(self) -> None:
        """Close the connection."""
        self._response.close()


@contextmanager
def request(address: str, headers: Mapping[str, str], timeout: float) -> Iterator[Answer]:
    """Send a GET request, and yield the response.

    Args:
        address: URL to request.
        headers: Request headers; ``authorization`` is only sent to the host and port of the URL.
        timeout: Maximum seconds without a byte.

    Raises:
        HubUnavailableError: No response arrives in time.
    """
    answer = _Request(address, headers, timeout).wait(max(SECONDS_FOR_HEAD, timeout))
    try:
        yield answer
    finally:
        answer.close()


def limit_time(pieces: Iterable[bytes], end: float, address: str) -> Iterator[bytes]:
    """Yield the pieces of a body that arrive before a deadline.

    Args:
        pieces: Pieces of the body.
        end: Deadline on the monotonic clock.
        address: URL, for the error message.

    Raises:
        HubUnavailableError: The deadline has passed.
    """
    for piece in pieces:
        yield piece
        if time.monotonic() > end:
            raise _slow(address)


def decompress(pieces: Iterable[bytes], coding: str, limit: int) -> bytes:
    """Join the pieces of a body, and decompress it.

    Args:
        pieces: Pieces of the body.
        coding: Value of ``content-encoding``: empty, ``identity`` or ``gzip``.
        limit: Maximum number of decompressed bytes.

    Raises:
        ValueError: The body is too large or damaged, or has another coding.
    """
    if coding not in {"", "identity", "gzip"}:
        raise ValueError("unknown content coding")
    unpack = zlib.decompressobj(31) if coding == "gzip" else None
    data = bytearray()
    for piece in pieces:
        try:
            data += piece if unpack is None else unpack.decompress(piece, limit + 1 - len(data))
        except zlib.error as error:
            raise ValueError("damaged") from error
        if len(data) > limit:
            raise ValueError(f"more than {limit} bytes")
    return bytes(data)


class _Request:
    """A request that runs in a thread of its own.

    HTTP clients only limit the time between two bytes, not the total. After a timeout the thread is
    abandoned: it ends with its connection, or with the process.
    """

    def __init__(self, address: str, headers: Mapping[str, str], timeout: float) -> None:
        self._address = address
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._abandoned = False
        self._answer: Answer | None = None
        self._error: BaseException | None = None
        arguments = (address, dict(headers), timeout)
        threading.Thread(target=self._run, args=arguments, daemon=True).start()

    def wait(self, seconds: float) -> Answer:
        try:
            self._done.wait(seconds)
        finally:  # also after Ctrl-C
            with self._lock:
                self._abandoned = not self._done.is_set()
        if self._abandoned:
            raise _slow(self._address)
        if self._answer is None:
            assert self._error is not None
            raise self._error
        return self._answer

    def _run(self, address: str, headers: dict[str, str], timeout: float) -> None:
        answer = error = None
        try:
            answer = _follow_redirects(address, headers, timeout)
        except BaseException as raised:
            error = raised
        with self._lock:
            self._answer, self._error = answer, error
            self._done.set()
            abandoned = self._abandoned
        if abandoned and answer is not None:
            answer.close()


def _follow_redirects(address: str, headers: dict[str, str], timeout: float) -> Answer:
    """Send a request, and follow redirects without reading their bodies as the clients do."""
    origin = urlsplit(address)
    redirects: list[Mapping[str, str]] = []
    while True:
        response = _send(address, headers, timeout)
        found = {name.lower(): value for name, value in response.headers.items()}
        status = int(response.status_code)
        if status not in {301, 302, 303, 307, 308} or "location" not in found:
            sent_token = "authorization" in headers
            return Answer(status, found, sent_token, address, tuple(redirects), response)
        response.close()
        redirects.append(found)
        address = _join(address, found["location"], is_last=len(redirects) > _MAX_REDIRECTS)
        if not _may_have_token(origin, urlsplit(address)):
            headers = {name: value for name, value in headers.items() if name != "authorization"}


def _send(address: str, headers: dict[str, str], timeout: float) -> Any:
    session = settings.session()
    try:
        if hasattr(session, "build_request"):  # httpx
            request = session.build_request("GET", address, headers=headers, timeout=timeout)
            return session.send(request, stream=True, follow_redirects=False)
        return _send_with_requests(session, address, headers, timeout)
    except Exception as error:
        if not (is_transport_error(error) or isinstance(error, OSError | ValueError | ImportError)):
            raise
        endpoint = settings.endpoint()
        cause = find_cause(error, endpoint, uses_requests=settings.uses_requests())
        raise cause or explain_failure(error, endpoint) from error


def _send_with_requests(session: Any, address: str, headers: dict[str, str], timeout: float) -> Any:
    # Use the adapter: a session reads the body of a redirect even if it does not follow it.
    make_request = importlib.import_module("requests").Request
    # A no-op "auth" function keeps ~/.netrc from replacing the token.
    request = make_request("GET", address, headers=headers, auth=lambda prepared: prepared)
    prepared = session.prepare_request(request)
    options = session.merge_environment_settings(prepared.url, {}, True, None, None)
    return session.get_adapter(prepared.url).send(prepared, timeout=timeout, **options)


def _join(address: str, location: str, *, is_last: bool) -> str:
    """Return the absolute URL of a redirect.

    Raises:
        HubUnavailableError: The URL is invalid, or there were too many redirects.
    """
    try:
        joined = urljoin(address, location)
        parts = urlsplit(joined)
        is_valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_valid = False
    if is_last or not is_valid or not joined.isprintable():
        raise HubUnavailableError(
            f"{settings.endpoint()} redirects too often, or to an invalid URL",
            hint="check HF_ENDPOINT and the network",
            retryable=False,
        )
    return joined


def _may_have_token(origin: SplitResult, place: SplitResult) -> bool:
    """Return whether a URL may get the token: same host, and same port or an upgrade to TLS."""
    if origin.hostname != place.hostname:
        return False
    ports = [parts.port or {"http": 80, "https": 443}[parts.scheme] for parts in (origin, place)]
    upgraded = ports == [80, 443] and (origin.scheme, place.scheme) == ("http", "https")
    return upgraded or (ports[0] == ports[1] and origin.scheme == place.scheme)


def _slow(address: str) -> HubUnavailableError:
    parts = urlsplit(address)
    return HubUnavailableError(
        f"{parts.scheme}://{parts.netloc.rpartition('@')[2]} responds too slowly",
        hint="check the network and HF_ENDPOINT, or try again later",
        retryable=False,
    )
