"""One question to a hub over HTTP, and its answer within limits of bytes and of time.

A hub is not trusted: it may answer byte by byte, without end, or with a small body that unpacks to
gigabytes, and it may lead anywhere.
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
from gpustack_draw.hub.advice import AnswerHead, explain_failure
from gpustack_draw.hub.network_variables import find_cause
from gpustack_draw.hub.trouble import HubUnavailableError, is_transport_error

# For an answer's head, redirects included: then it is an error, however busy the hub looks.
SECONDS_FOR_HEAD = 30.0
_MOST_REDIRECTS = 10
# With requests, a piece is given when it is whole: what a killed process loses.
_PIECE_BYTES = 32 * 1024
_SHORT_PIECE_BYTES = 256


@dataclass(frozen=True)
class Answer(AnswerHead):
    """An answer with its body unread.

    Attributes:
        address: Where it is from: the hub may have led elsewhere.
        redirects: The headers of the answers that led there.
    """

    address: str
    redirects: tuple[Mapping[str, str], ...]
    _response: Any = field(repr=False)

    def pieces(self, *, packed: bool = False, soon: bool = False) -> Iterator[bytes]:
        """Return the body in pieces.

        Args:
            packed: As it came, not unpacked.
            soon: Each as soon as a part of it has come.
        """
        if hasattr(self._response, "iter_bytes"):  # httpx
            return iter(self._response.iter_raw() if packed else self._response.iter_bytes())
        raw = self._response.raw
        if soon and hasattr(raw, "read1"):
            return iter(lambda: raw.read1(_PIECE_BYTES, decode_content=not packed), b"")
        count = _SHORT_PIECE_BYTES if soon else _PIECE_BYTES  # of urllib3 1
        return iter(raw.stream(count, decode_content=not packed))

    def close(self) -> None:
        """Read no more of it."""
        self._response.close()


@contextmanager
def asked(address: str, headers: Mapping[str, str], timeout: float) -> Iterator[Answer]:
    """Ask, and yield the answer.

    Args:
        address: What to ask.
        headers: Of the question; ``authorization`` stays with the host and port of the address.
        timeout: Seconds without a byte that are too many.

    Raises:
        HubUnavailableError: There is no answer.
    """
    answer = _Question(address, headers, timeout).wait(max(SECONDS_FOR_HEAD, timeout))
    try:
        yield answer
    finally:
        answer.close()


def within(pieces: Iterable[bytes], end: float, address: str) -> Iterator[bytes]:
    """Yield pieces of a body until a moment of the monotonic clock.

    Raises:
        HubUnavailableError: They have not come by then.
    """
    for piece in pieces:
        yield piece
        if time.monotonic() > end:
            raise _slow(address)


def unpacked(pieces: Iterable[bytes], coding: str, most: int) -> bytes:
    """Join a body that is packed with gzip, or not at all.

    Args:
        pieces: The body as it came.
        coding: Its ``content-encoding``.
        most: The most bytes it may have unpacked.

    Raises:
        ValueError: It has more, is packed in another way, or is damaged.
    """
    if coding not in {"", "identity", "gzip"}:
        raise ValueError("packed in an unknown way")
    unpack = zlib.decompressobj(31) if coding == "gzip" else None
    data = bytearray()
    for piece in pieces:
        try:
            data += piece if unpack is None else unpack.decompress(piece, most + 1 - len(data))
        except zlib.error as error:
            raise ValueError("damaged") from error
        if len(data) > most:
            raise ValueError(f"more than {most} bytes")
    return bytes(data)


class _Question:
    """A question that is asked in a thread of its own.

    The HTTP clients limit only the time between two bytes. One who waits for this no longer leaves
    it to itself: the thread ends with the connection, at the latest with the process.
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
        finally:  # also where Ctrl-C ends the waiting
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
            answer = _ask(address, headers, timeout)
        except BaseException as raised:
            error = raised
        with self._lock:
            self._answer, self._error = answer, error
            self._done.set()
            unwanted = self._abandoned
        if unwanted and answer is not None:
            answer.close()


def _ask(address: str, headers: dict[str, str], timeout: float) -> Answer:
    """Ask, and follow where the hub leads; the clients would read the bodies on the way."""
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
        address = _join(address, found["location"], is_last=len(redirects) > _MOST_REDIRECTS)
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
    # By the adapter: the session would read the body of a redirect, even of one it does not follow.
    make_request = importlib.import_module("requests").Request
    # A function for "auth" that does nothing keeps ~/.netrc from taking the token's place.
    request = make_request("GET", address, headers=headers, auth=lambda prepared: prepared)
    prepared = session.prepare_request(request)
    options = session.merge_environment_settings(prepared.url, {}, True, None, None)
    return session.get_adapter(prepared.url).send(prepared, timeout=timeout, **options)


def _join(address: str, location: str, *, is_last: bool) -> str:
    """Return the address that a redirect leads to."""
    try:
        joined = urljoin(address, location)
        parts = urlsplit(joined)
        leads = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        leads = False
    if is_last or not leads or not joined.isprintable():
        raise HubUnavailableError(
            f"{settings.endpoint()} leads nowhere: its redirects do not end in an answer",
            hint="check HF_ENDPOINT and the network",
            retryable=False,
        )
    return joined


def _may_have_token(origin: SplitResult, place: SplitResult) -> bool:
    """Return whether the token may go to a place: the hub's own host and port, or its TLS port."""
    if origin.hostname != place.hostname:
        return False
    ports = [parts.port or {"http": 80, "https": 443}[parts.scheme] for parts in (origin, place)]
    upgraded = ports == [80, 443] and (origin.scheme, place.scheme) == ("http", "https")
    return upgraded or (ports[0] == ports[1] and origin.scheme == place.scheme)


def _slow(address: str) -> HubUnavailableError:
    parts = urlsplit(address)
    return HubUnavailableError(
        f"{parts.scheme}://{parts.netloc.rpartition('@')[2]} answers too slowly to be waited for",
        hint="check the network and HF_ENDPOINT, or try again later",
        retryable=False,
    )
