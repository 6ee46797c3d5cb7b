"""What we ask of ``huggingface_hub``: addresses, the token, requests; errors become advice.

Works with its versions 0.30 to 0.36 (requests), 1.x (httpx) and 2.x (httpx2). The client reads its
environment (``HF_HOME``, ``HF_ENDPOINT``, ``HF_HUB_OFFLINE``, ...) when it is imported, so it is
imported inside functions only.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from gpustack_draw.errors import DrawError
from gpustack_draw.hub.advice import HubTroubleError, explain, is_transport_error, offline_error
from gpustack_draw.hub.repository import Repository, RepositoryFile, make_repository

# With requests, a chunk is given when it is whole: what a killed process loses.
_CHUNK = 32 * 1024


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
    def endpoint(self) -> str:
        """The hub's address."""
        from huggingface_hub import constants

        return constants.ENDPOINT

    @property
    def cache_folder(self) -> Path:
        """Where files are kept."""
        from huggingface_hub import constants

        return Path(constants.HF_HUB_CACHE)

    @property
    def is_offline(self) -> bool:
        """Whether the user has said to use no network."""
        from huggingface_hub import constants

        return self._offline or bool(constants.HF_HUB_OFFLINE)

    def lock(self, path: Path, seconds: float) -> AbstractContextManager[object]:
        """Wait for the lock of a file that the client locks too.

        Args:
            path: The lock.
            seconds: How long to wait.

        Raises:
            TimeoutError: Another process still has it.
            OSError: It cannot be made.
        """
        from huggingface_hub.utils import WeakFileLock  # type: ignore[attr-defined]

        path.parent.mkdir(parents=True, exist_ok=True)
        return WeakFileLock(path, timeout=seconds)

    def look_up(self, name: str, revision: str) -> Repository:
        """Ask the hub for a repository's files: one request.

        Raises:
            HubTroubleError: The hub does not answer, or has too much to do.
            DrawError: There is no such repository or revision, or no access to it.
        """
        from huggingface_hub import constants

        address = f"{constants.ENDPOINT}/api/models/{name}"
        if revision != "main":
            address += f"/revision/{quote(revision, safe='')}"
        with self._explained(name, revision):
            from huggingface_hub.utils import (  # type: ignore[attr-defined]
                get_session,
                hf_raise_for_status,
            )

            response = get_session().get(
                address,
                params={"blobs": "true"},
                headers=_headers(),
                timeout=constants.HF_HUB_ETAG_TIMEOUT,
            )
            hf_raise_for_status(response)
            try:
                return _parse_repository(response.json(), name, revision)
            except (ValueError, TypeError, KeyError, AttributeError):
                raise HubTroubleError(
                    f"{constants.ENDPOINT} does not answer as a hub does",
                    hint="check the network and HF_ENDPOINT: a page to log in to the network"
                    " answers like that",
                ) from None

    def complete(self, file: RepositoryFile) -> RepositoryFile:
        """Ask for a file's size and digest where the repository's list lacks them: one request.

        Raises:
            HubTroubleError: The hub does not answer, or has too much to do.
            DrawError: There is no such file, or no access to it.
        """
        if file.bytes >= 0 and file.digest:
            return file
        from huggingface_hub import constants

        with self._opened(file, 0, 1) as response:
            answers = [*response.history, response]
            headers = {
                key.lower(): value for answer in answers for key, value in answer.headers.items()
            }
        total = headers.get("content-range", "").rpartition("/")[2]
        if response.status_code != 206:  # the server knows no ranges
            total = response.headers.get("content-length", "")
        size = headers.get(constants.HUGGINGFACE_HEADER_X_LINKED_SIZE.lower()) or total
        etag = headers.get(constants.HUGGINGFACE_HEADER_X_LINKED_ETAG.lower())
        etag = etag or headers.get("etag", "")
        count = int(size) if size.isdecimal() else file.bytes
        digest = file.digest or _digest(etag.removeprefix("W/").strip('"'))
        # Git's digest is one of the size, too.
        return replace(file, bytes=count, digest="" if count < 0 and len(digest) == 40 else digest)

    @contextmanager
    def read(
        self, file: RepositoryFile, start: int, end: int | None = None
    ) -> Iterator[tuple[int, Iterator[bytes]]]:
        """Ask for a range of a file's bytes.

        Args:
            file: The file.
            start: The first byte.
            end: One after the last; ``None`` for the rest.

        Yields:
            The place where the bytes begin, 0 where the server knows no ranges; and the bytes, in
            pieces.

        Raises:
            HubTroubleError: The hub does not answer, answers with less, or has too much to do.
            DrawError: There is no such file, or no access to it.
        """
        with self._opened(file, start, end) as response:
            place = _check_range(response, file, start)
            if hasattr(response, "iter_bytes"):  # httpx
                yield place, response.iter_bytes()
            else:
                yield place, response.iter_content(_CHUNK)

    def forget_address(self, file: RepositoryFile) -> None:
        """Ask the hub itself for the next range of a file, not the place that it has led to."""
        self._addresses.pop(file, None)

    @contextmanager
    def _opened(self, file: RepositoryFile, start: int, end: int | None) -> Iterator[Any]:
        headers = {**_headers(), "accept-encoding": "identity"}
        if start or end is not None:
            headers["range"] = f"bytes={start}-{'' if end is None else end - 1}"
        with self._explained(file.repository, file.revision, file.path), ExitStack() as stack:
            response = None
            if end is not None:  # a fetch is long, and always begins with the hub
                response = self._ask_known_place(stack, file, headers)
            if response is None:
                response = stack.enter_context(_answered(self._address(file), headers))
                if end is not None and response.status_code == 206 and response.history:
                    self._keep_address(file, str(response.url))
            yield response

    def _keep_address(self, file: RepositoryFile, address: str) -> None:
        # The token is for the hub alone, so only a place that needs none is asked directly.
        if urlsplit(address)[:2] != urlsplit(self.endpoint)[:2]:
            self._addresses[file] = address

    def _ask_known_place(
        self, stack: ExitStack, file: RepositoryFile, headers: dict[str, str]
    ) -> Any | None:
        """Ask where the hub has led to for an earlier range: that saves a request.

        Such addresses expire, and may be good for one range only: then there is no answer.
        """
        address = self._addresses.pop(file, None)
        if address is None:
            return None
        own = {key: value for key, value in headers.items() if key != "authorization"}
        with ExitStack() as attempt:
            try:
                response = attempt.enter_context(_answered(address, own))
            except Exception as error:
                if not _is_failed_request(error):
                    raise
                return None
            place = str(response.headers.get("Content-Range", "")).partition("/")[0]
            if response.status_code != 206 or place != own["range"].replace("=", " "):
                return None
            stack.push(attempt.pop_all())
        self._addresses[file] = address
        return response

    def _address(self, file: RepositoryFile) -> str:
        return f"{self.endpoint}/{file.repository}/resolve/{file.commit}/{quote(file.path)}"

    @contextmanager
    def _explained(self, name: str, revision: str, path: str = "") -> Iterator[None]:
        if self.is_offline:
            raise offline_error(name)
        try:
            yield
        except (DrawError, HubTroubleError):
            raise
        except Exception as error:
            if _is_failed_request(error):
                raise explain(error, self.endpoint, name, revision, path) from error
            raise


@contextmanager
def _answered(address: str, headers: dict[str, str]) -> Iterator[Any]:
    """Ask, and give the answer with its body unread; refusals are raised."""
    from huggingface_hub import constants
    from huggingface_hub.utils import (  # type: ignore[attr-defined]
        get_session,
        hf_raise_for_status,
    )

    session: Any = get_session()
    options = {"headers": headers, "timeout": constants.HF_HUB_DOWNLOAD_TIMEOUT}
    if callable(getattr(session, "stream", None)):  # httpx
        opened = session.stream("GET", address, follow_redirects=True, **options)
    else:
        opened = session.get(address, stream=True, **options)
    with opened as response:
        if response.status_code >= 400 and hasattr(response, "read"):
            response.read()
        hf_raise_for_status(response)
        yield response


def _is_failed_request(error: Exception) -> bool:
    from huggingface_hub.errors import HfHubHTTPError

    # In offline mode the client raises a ConnectionError of its own.
    return isinstance(error, HfHubHTTPError) or is_transport_error(error)


def _headers() -> dict[str, str]:
    # Not the client's own headers: to make those, it asks the hub for a list of coding agents.
    from huggingface_hub import constants, get_token

    headers = {"user-agent": "gpustack-draw"}
    token = None
    if not constants.HF_HUB_DISABLE_IMPLICIT_TOKEN:
        with suppress(OSError, ValueError):  # a token that cannot be read is none
            token = get_token()
    if token:
        headers["authorization"] = f"Bearer {token}"
    return headers


def _parse_repository(answer: Any, name: str, revision: str) -> Repository:
    files = {}
    for entry in answer["siblings"]:
        lfs = entry.get("lfs") or {}
        size = entry.get("size", lfs.get("size"))
        # Of a file in LFS, git's digest is one of a text that points to it.
        digest = _digest(str(lfs.get("sha256") if lfs else entry.get("blobId")))
        files[str(entry["rfilename"])] = (-1 if size is None else int(size), digest)
    return make_repository(name, revision, str(answer.get("sha") or revision), files)


def _digest(text: str) -> str:
    """Give a SHA-256, or git's SHA-1, as it is; anything else is no digest."""
    return text if len(text) in {40, 64} and set(text) <= set("0123456789abcdef") else ""


def _check_range(response: Any, file: RepositoryFile, start: int) -> int:
    """Give where the bytes of an answer begin; refuse those of another file."""
    if response.status_code != 206:
        return 0
    given = str(response.headers.get("Content-Range", ""))
    place, _, total = given.removeprefix("bytes ").partition("/")
    if not place.startswith(f"{start}-") or (total.isdecimal() and int(total) != file.bytes >= 0):
        raise HubTroubleError(
            f"the hub answered with other bytes of {file.shown} than it was asked for: {given}"
        )
    return start
