"""Requests to the hub: the file list of a repository, and byte ranges of a file.

Works with versions 0.30 to 0.36 (requests), 1.x (httpx) and 2.x (httpx2) of ``huggingface_hub``.
The hub is not trusted: this module validates every response before other modules use it.
"""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote, urlsplit

from gpustack_draw.errors import DrawError
from gpustack_draw.hub import connection, settings
from gpustack_draw.hub.connection import Answer
from gpustack_draw.hub.hub_errors import explain_failure, explain_refusal, offline_error
from gpustack_draw.hub.repository import COMMIT, Repository, RepositoryFile, make_repository
from gpustack_draw.hub.trouble import HubUnavailableError, is_transport_error
from gpustack_draw.untrusted import clean, parse_json

# About the size of a list of 50,000 files.
MAX_LIST_BYTES = 16 * 1024 * 1024
SECONDS_FOR_LIST = 30.0
# Time limit for a header range of 64 kB to 1 MB.
SECONDS_FOR_RANGE = 60.0
_MIN_BYTES_PER_SECOND = 16 * 1024
_MAX_FILE_BYTES = 2**62
_LINKED_SIZE, _LINKED_ETAG = "x-linked-size", "x-linked-etag"


@dataclass(frozen=True)
class FileBytes:
    """Bytes of a file that the hub sends.

    Attributes:
        start: Offset of the first byte.
        is_whole: True if the hub sends the file from its first byte to its last; it does so without
            a requested range, or ignores it.
        pieces: Bytes as they arrive.
    """

    start: int
    is_whole: bool
    pieces: Iterator[bytes] = field(repr=False)


class HubClient:
    """Client of the hub's HTTP API. Threads may share it."""

    def __init__(self, *, offline: bool = False) -> None:
        """Initialize without sending a request.

        Args:
            offline: Never use the network, whatever the environment variables are.
        """
        self._offline = offline
        self._addresses: dict[RepositoryFile, str] = {}  # redirect targets

    @property
    def cache_folder(self) -> Path:
        """Folder of the cache."""
        return settings.cache_folder()

    @property
    def is_offline(self) -> bool:
        """True if the network must not be used."""
        return self._offline or settings.is_offline()

    def lock(self, path: Path, seconds: float) -> AbstractContextManager[object]:
        """Acquire the lock that ``huggingface_hub`` uses for the same file.

        Args:
            path: Path of the lock file.
            seconds: Maximum time to wait.

        Raises:
            TimeoutError: Another process holds the lock.
            OSError: The lock file cannot be created.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = settings.client_module("utils").WeakFileLock(path, timeout=seconds)
        return cast("AbstractContextManager[object]", lock)

    def look_up(self, name: str, revision: str, seconds: float | None = None) -> Repository:
        """Request the file list of a repository.

        Args:
            name: Repository, as ``OWNER/REPO``.
            revision: Branch, tag or commit.
            seconds: Maximum time without an answer; ``None`` for ``HF_HUB_ETAG_TIMEOUT``.

        Raises:
            HubUnavailableError: The hub does not respond, or is overloaded.
            DrawError: The repository or revision does not exist or is not accessible.
        """
        end = time.monotonic() + SECONDS_FOR_LIST
        with self._explained(name), ExitStack() as stack:
            endpoint = settings.endpoint()
            address = f"{endpoint}/api/models/{name}"
            if revision != "main":
                address += f"/revision/{quote(revision, safe='')}"
            timeout = settings.timeout("HF_HUB_ETAG_TIMEOUT")
            timeout = timeout if seconds is None else min(timeout, seconds)
            headers = {**_headers(), "accept-encoding": "gzip"}
            answer = stack.enter_context(
                connection.request(f"{address}?blobs=true", headers, timeout)
            )
            if answer.status >= 400:
                raise explain_refusal(answer, endpoint, name, revision)
            try:
                pieces = connection.limit_time(answer.pieces(packed=True, soon=True), end, endpoint)
                coding = answer.headers.get("content-encoding", "")
                data = connection.decompress(pieces, coding, MAX_LIST_BYTES)
                return _parse_repository(parse_json(data), name, revision)
            except (ValueError, TypeError, KeyError, AttributeError):
                raise HubUnavailableError(
                    f"{endpoint} does not respond like a hub",
                    hint="check the network and HF_ENDPOINT: a login page of the network responds"
                    " like this",
                    retryable=False,
                ) from None

    def complete(self, file: RepositoryFile) -> RepositoryFile:
        """Return a file with its size and digest, requested if the file list lacks them.

        Raises:
            HubUnavailableError: The hub does not respond, or is overloaded.
            DrawError: The file does not exist or is not accessible.
        """
        if file.bytes >= 0 and file.digest:
            return file
        with self._opened(file, 0, 1) as answer:
            headers = {
                name: value
                for found in (*answer.redirects, answer.headers)
                for name, value in found.items()
            }
        total = headers.get("content-range", "").rpartition("/")[2]
        if answer.status != 206:  # the server ignores ranges
            total = answer.headers.get("content-length", "")
        size = _size_of(headers.get(_LINKED_SIZE) or total)
        etag = headers.get(_LINKED_ETAG) or headers.get("etag", "")
        if file.bytes < 0 and size < 0:
            raise HubUnavailableError(
                f"the hub does not state the size of {file.label}", retryable=False
            )
        digest = file.digest or _digest(etag.removeprefix("W/").strip('"'))
        return replace(file, bytes=file.bytes if size < 0 else size, digest=digest)

    @contextmanager
    def read(self, file: RepositoryFile, start: int, end: int) -> Iterator[FileBytes]:
        """Request a short range of a file, with a time limit that depends on its size.

        Args:
            file: File to read.
            start: Offset of the first byte.
            end: Offset after the last byte.

        Yields:
            The bytes, in pieces as small as they arrive.

        Raises:
            HubUnavailableError: The hub does not respond, responds with another range, or is
                overloaded.
            DrawError: The file does not exist or is not accessible.
        """
        with self._opened(file, start, end) as answer:
            place = _check_range(answer, file, start)
            seconds = SECONDS_FOR_RANGE + (end - place) / _MIN_BYTES_PER_SECOND
            deadline = time.monotonic() + seconds
            pieces = connection.limit_time(answer.pieces(soon=True), deadline, answer.address)
            yield FileBytes(place, answer.status != 206, pieces)

    @contextmanager
    def stream(
        self, file: RepositoryFile, start: int, end: int | None = None
    ) -> Iterator[FileBytes]:
        """Request a part of a file, without a time limit while bytes arrive.

        Args:
            file: File to read.
            start: Offset of the first byte.
            end: Offset after the last byte; ``None`` for the rest of the file.

        Yields:
            The bytes.

        Raises:
            HubUnavailableError: The hub does not respond, responds with another range, or is
                overloaded.
            DrawError: The file does not exist or is not accessible.
        """
        with self._opened(file, start, end) as answer:
            place = _check_range(answer, file, start)
            yield FileBytes(place, answer.status != 206, answer.pieces())

    def forget_address(self, file: RepositoryFile) -> None:
        """Forget a file's redirect target, so that the next request goes to the hub itself."""
        self._addresses.pop(file, None)

    @contextmanager
    def _opened(self, file: RepositoryFile, start: int, end: int | None) -> Iterator[Answer]:
        with self._explained(file.repository), ExitStack() as stack:
            endpoint = settings.endpoint()
            headers = {**_headers(), "accept-encoding": "identity"}
            if start or end is not None:
                headers["range"] = f"bytes={start}-{'' if end is None else end - 1}"
            answer = None
            if end is not None:  # a full download always starts at the hub
                answer = self._request_redirect_target(stack, file, headers)
            if answer is None:
                timeout = settings.timeout("HF_HUB_DOWNLOAD_TIMEOUT")
                address = _address(endpoint, file)
                answer = stack.enter_context(connection.request(address, headers, timeout))
                if answer.status >= 400:
                    raise explain_refusal(
                        answer, endpoint, file.repository, file.revision, file.path
                    )
                if end is not None and answer.status == 206 and answer.redirects:
                    self._store_address(file, answer.address)
            yield answer

    def _store_address(self, file: RepositoryFile, address: str) -> None:
        # Direct requests carry no token, so they only go to other hosts than the hub.
        if urlsplit(address)[:2] != urlsplit(settings.endpoint())[:2]:
            self._addresses[file] = address

    def _request_redirect_target(
        self, stack: ExitStack, file: RepositoryFile, headers: dict[str, str]
    ) -> Answer | None:
        """Request a range from the redirect target of an earlier range, which saves a round trip.

        Returns:
            The response; ``None`` if the target has expired or was valid for one range only.
        """
        address = self._addresses.get(file)
        if address is None:
            return None
        own = {key: value for key, value in headers.items() if key != "authorization"}
        timeout = settings.timeout("HF_HUB_DOWNLOAD_TIMEOUT")
        with ExitStack() as attempt:
            try:
                answer = attempt.enter_context(connection.request(address, own, timeout))
            except HubUnavailableError:
                self.forget_address(file)
                return None
            place = answer.headers.get("content-range", "").partition("/")[0]
            if answer.status != 206 or place != own["range"].replace("=", " "):
                self.forget_address(file)
                return None
            stack.push(attempt.pop_all())
        return answer

    @contextmanager
    def _explained(self, name: str) -> Iterator[None]:
        """Convert errors of the HTTP client into errors with hints."""
        if self.is_offline:
            raise offline_error(name)
        try:
            yield
        except (DrawError, HubUnavailableError):
            raise
        except Exception as error:
            if is_transport_error(error):
                raise explain_failure(error, settings.endpoint()) from error
            raise


def _address(endpoint: str, file: RepositoryFile) -> str:
    return f"{endpoint}/{file.repository}/resolve/{file.commit}/{quote(file.path)}"


def _headers() -> dict[str, str]:
    # Building huggingface_hub's own headers would request a list of coding agents from the hub.
    token = settings.token()
    headers = {"user-agent": "gpustack-draw"}
    return {**headers, "authorization": f"Bearer {token}"} if token else headers


def _parse_repository(answer: Any, name: str, revision: str) -> Repository:
    """Validate the hub's description of a repository.

    Raises:
        ValueError, TypeError, KeyError, AttributeError: The response has another structure.
    """
    commit = answer["sha"]
    if not COMMIT.fullmatch(commit):
        raise ValueError("no commit")
    files = {}
    for entry in answer["siblings"]:
        lfs = entry.get("lfs") or {}
        size = entry.get("size", lfs.get("size"))
        is_size = isinstance(size, int) and 0 <= size < _MAX_FILE_BYTES
        # The git digest of an LFS file is that of its pointer file.
        digest = _digest(str(lfs.get("sha256") if lfs else entry.get("blobId")))
        files[str(entry["rfilename"])] = (size if is_size else -1, digest)
    return make_repository(name, revision, commit, files)


def _digest(text: str) -> str:
    """Return a hexadecimal SHA-256 or SHA-1 unchanged, and an empty string for anything else."""
    return text if len(text) in {40, 64} and set(text) <= set("0123456789abcdef") else ""


def _size_of(text: str) -> int:
    """Parse a size from a header; return -1 if it is invalid."""
    is_size = text.isascii() and text.isdecimal() and len(text) < len(str(_MAX_FILE_BYTES))
    return int(text) if is_size else -1


def _check_range(answer: Answer, file: RepositoryFile, start: int) -> int:
    """Return the offset of a response's first byte; raise if it is of another range or file."""
    if answer.status != 206:
        return 0
    content_range = answer.headers.get("content-range", "")
    place, _, total = content_range.removeprefix("bytes ").partition("/")
    if not place.startswith(f"{start}-") or (total != "*" and _size_of(total) != file.bytes >= 0):
        raise HubUnavailableError(
            f"the hub sent another byte range of {file.label} than requested:"
            f" {clean(content_range, 100)}"
        )
    return start
