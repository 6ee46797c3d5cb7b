"""Questions to the hub: the files of a repository, and the bytes of a file.

Works with versions 0.30 to 0.36 (requests), 1.x (httpx) and 2.x (httpx2) of ``huggingface_hub``.
The hub is not trusted: all of its answers are checked here, before anything else sees them.
"""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote, urlsplit

from gpustack_draw.errors import DrawError
from gpustack_draw.hub import connection, settings
from gpustack_draw.hub.advice import explain_failure, explain_refusal, offline_error
from gpustack_draw.hub.connection import Answer
from gpustack_draw.hub.repository import COMMIT, Repository, RepositoryFile, make_repository
from gpustack_draw.hub.trouble import HubUnavailableError, is_transport_error
from gpustack_draw.untrusted import clean, parse_json

# A list of 50,000 files has about so many.
MOST_LIST_BYTES = 16 * 1024 * 1024
SECONDS_FOR_LIST = 30.0
# For the beginning of a file, of which 64 kB to 1 MB are asked for at once.
SECONDS_FOR_RANGE = 60.0
_SLOWEST_BYTES_PER_SECOND = 16 * 1024
_MOST_BYTES = 2**62
_LINKED_SIZE, _LINKED_ETAG = "x-linked-size", "x-linked-etag"


class HubClient:
    """The hub, over the network."""

    def __init__(self, *, offline: bool = False) -> None:
        """Prepare; nothing is asked.

        Args:
            offline: Use no network, whatever the environment says.
        """
        self._offline = offline
        self._addresses: dict[RepositoryFile, str] = {}  # where the hub has led to

    @property
    def cache_folder(self) -> Path:
        """The folder in which files are kept."""
        return settings.cache_folder()

    @property
    def is_offline(self) -> bool:
        """Whether no network must be used."""
        return self._offline or settings.is_offline()

    def lock(self, path: Path, seconds: float) -> AbstractContextManager[object]:
        """Wait for the lock of a file that the client locks too.

        Args:
            path: The lock.
            seconds: How long to wait.

        Raises:
            TimeoutError: Another process still has it.
            OSError: It cannot be made.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = settings.client_module("utils").WeakFileLock(path, timeout=seconds)
        return cast("AbstractContextManager[object]", lock)

    def look_up(self, name: str, revision: str) -> Repository:
        """Ask the hub for a repository's files: one request.

        Raises:
            HubUnavailableError: The hub does not answer, or has too much to do.
            DrawError: There is no such repository or revision, or no access to it.
        """
        end = time.monotonic() + SECONDS_FOR_LIST
        with self._explained(name), ExitStack() as stack:
            endpoint = settings.endpoint()
            address = f"{endpoint}/api/models/{name}"
            if revision != "main":
                address += f"/revision/{quote(revision, safe='')}"
            timeout = settings.timeout("HF_HUB_ETAG_TIMEOUT")
            headers = {**_headers(), "accept-encoding": "gzip"}
            answer = stack.enter_context(
                connection.asked(f"{address}?blobs=true", headers, timeout)
            )
            if answer.status >= 400:
                raise explain_refusal(answer, endpoint, name, revision)
            try:
                pieces = connection.within(answer.pieces(packed=True, soon=True), end, endpoint)
                coding = answer.headers.get("content-encoding", "")
                data = connection.unpacked(pieces, coding, MOST_LIST_BYTES)
                return _parse_repository(parse_json(data), name, revision)
            except (ValueError, TypeError, KeyError, AttributeError):
                raise HubUnavailableError(
                    f"{endpoint} does not answer as a hub does",
                    hint="check the network and HF_ENDPOINT: a page to log in to the network"
                    " answers like that",
                    retryable=False,
                ) from None

    def complete(self, file: RepositoryFile) -> RepositoryFile:
        """Ask for a file's size and digest where the repository's list lacks them: one request.

        Raises:
            HubUnavailableError: The hub does not answer, or has too much to do.
            DrawError: There is no such file, or no access to it.
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
        if answer.status != 206:  # the server knows no ranges
            total = answer.headers.get("content-length", "")
        size = _size_of(headers.get(_LINKED_SIZE) or total)
        etag = headers.get(_LINKED_ETAG) or headers.get("etag", "")
        if file.bytes < 0 and size < 0:
            raise HubUnavailableError(
                f"the hub does not say how large {file.shown} is", retryable=False
            )
        digest = file.digest or _digest(etag.removeprefix("W/").strip('"'))
        return replace(file, bytes=file.bytes if size < 0 else size, digest=digest)

    @contextmanager
    def read(
        self, file: RepositoryFile, start: int, end: int | None = None
    ) -> Iterator[tuple[int, Iterator[bytes]]]:
        """Ask for a range of a file's bytes.

        Args:
            file: The file.
            start: The first byte.
            end: One after the last; then they have to come soon. ``None`` for the rest.

        Yields:
            The place where the bytes begin, 0 where the server knows no ranges; and the bytes, in
            pieces.

        Raises:
            HubUnavailableError: The hub does not answer, answers with less, or has too much to do.
            DrawError: There is no such file, or no access to it.
        """
        with self._opened(file, start, end) as answer:
            place = _check_range(answer, file, start)
            if end is None:
                yield place, answer.pieces()
            else:
                seconds = SECONDS_FOR_RANGE + (end - place) / _SLOWEST_BYTES_PER_SECOND
                pieces = answer.pieces(soon=True)
                yield (
                    place,
                    connection.within(pieces, time.monotonic() + seconds, answer.address),
                )

    def forget_address(self, file: RepositoryFile) -> None:
        """Ask the hub itself for the next range of a file, not the place that it has led to."""
        self._addresses.pop(file, None)

    @contextmanager
    def _opened(self, file: RepositoryFile, start: int, end: int | None) -> Iterator[Answer]:
        with self._explained(file.repository), ExitStack() as stack:
            endpoint = settings.endpoint()
            headers = {**_headers(), "accept-encoding": "identity"}
            if start or end is not None:
                headers["range"] = f"bytes={start}-{'' if end is None else end - 1}"
            answer = None
            if end is not None:  # a fetch is long, and always begins with the hub
                answer = self._ask_known_place(stack, file, headers)
            if answer is None:
                timeout = settings.timeout("HF_HUB_DOWNLOAD_TIMEOUT")
                address = _address(endpoint, file)
                answer = stack.enter_context(connection.asked(address, headers, timeout))
                if answer.status >= 400:
                    raise explain_refusal(
                        answer, endpoint, file.repository, file.revision, file.path
                    )
                if end is not None and answer.status == 206 and answer.redirects:
                    self._keep_address(file, answer.address)
            yield answer

    def _keep_address(self, file: RepositoryFile, address: str) -> None:
        # The token is for the hub alone, so only a place that needs none is asked directly.
        if urlsplit(address)[:2] != urlsplit(settings.endpoint())[:2]:
            self._addresses[file] = address

    def _ask_known_place(
        self, stack: ExitStack, file: RepositoryFile, headers: dict[str, str]
    ) -> Answer | None:
        """Ask where the hub has led to for an earlier range: that saves a request.

        Such addresses expire, and may be good for one range only: then there is no answer.
        """
        address = self._addresses.pop(file, None)
        if address is None:
            return None
        own = {key: value for key, value in headers.items() if key != "authorization"}
        timeout = settings.timeout("HF_HUB_DOWNLOAD_TIMEOUT")
        with ExitStack() as attempt:
            try:
                answer = attempt.enter_context(connection.asked(address, own, timeout))
            except HubUnavailableError:
                return None
            place = answer.headers.get("content-range", "").partition("/")[0]
            if answer.status != 206 or place != own["range"].replace("=", " "):
                return None
            stack.push(attempt.pop_all())
        self._addresses[file] = address
        return answer

    @contextmanager
    def _explained(self, name: str) -> Iterator[None]:
        """Turn errors of the HTTP client, while an answer is read, into advice."""
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
    # Not the client's own headers: to make those, it asks the hub for a list of coding agents.
    token = settings.token()
    headers = {"user-agent": "gpustack-draw"}
    return {**headers, "authorization": f"Bearer {token}"} if token else headers


def _parse_repository(answer: Any, name: str, revision: str) -> Repository:
    """Check a hub's list of files.

    Raises:
        ValueError: It is none; also TypeError, KeyError and AttributeError.
    """
    commit = answer["sha"]
    if not COMMIT.fullmatch(commit):
        raise ValueError("no commit")
    files = {}
    for entry in answer["siblings"]:
        lfs = entry.get("lfs") or {}
        size = entry.get("size", lfs.get("size"))
        is_size = isinstance(size, int) and 0 <= size < _MOST_BYTES
        # Of a file in LFS, git's digest is one of a text that points to it.
        digest = _digest(str(lfs.get("sha256") if lfs else entry.get("blobId")))
        files[str(entry["rfilename"])] = (size if is_size else -1, digest)
    return make_repository(name, revision, commit, files)


def _digest(text: str) -> str:
    """Return a SHA-256, or git's SHA-1, as it is; anything else is no digest."""
    return text if len(text) in {40, 64} and set(text) <= set("0123456789abcdef") else ""


def _size_of(text: str) -> int:
    """Return a size that a header holds; -1 where it holds none."""
    is_size = text.isascii() and text.isdecimal() and len(text) < len(str(_MOST_BYTES))
    return int(text) if is_size else -1


def _check_range(answer: Answer, file: RepositoryFile, start: int) -> int:
    """Return where the bytes of an answer begin; refuse those of another file."""
    if answer.status != 206:
        return 0
    given = answer.headers.get("content-range", "")
    place, _, total = given.removeprefix("bytes ").partition("/")
    if not place.startswith(f"{start}-") or (total != "*" and _size_of(total) != file.bytes >= 0):
        raise HubUnavailableError(
            f"the hub answered with other bytes of {file.shown} than it was asked for:"
            f" {clean(given, 100)}"
        )
    return start
