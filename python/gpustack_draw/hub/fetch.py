"""Fetch files side by side into the cache, continued where an earlier run was interrupted."""

import contextlib
import errno
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from gpustack_draw.errors import DrawError, FetchError, quoted
from gpustack_draw.hub.beginnings import take_beginning
from gpustack_draw.hub.cache import HubCache, mark_of
from gpustack_draw.hub.client import HubClient
from gpustack_draw.hub.network_variables import offline_variable
from gpustack_draw.hub.partial_file import OtherWriterError, PartialFile, mark_of_right_bytes
from gpustack_draw.hub.patience import seconds_before_next_try
from gpustack_draw.hub.repository import RepositoryFile
from gpustack_draw.hub.settings import cache_variable
from gpustack_draw.hub.trouble import HubUnavailableError
from gpustack_draw.progress.progress import Progress

SECONDS_BETWEEN_REPORTS = 0.1
SECONDS_BETWEEN_LOOKS = 0.5  # at what another process fetches
_SECONDS_TO_END = 0.2


class Fetch:
    """One fetch of several files. Made for one call of :meth:`run`."""

    def __init__(
        self,
        client: HubClient,
        cache: HubCache,
        files: Sequence[RepositoryFile],
        on_progress: Callable[[Progress], None] | None = None,
    ) -> None:
        """Prepare to fetch.

        Args:
            client: Gives the bytes.
            cache: Gets them.
            files: What to fetch, with their sizes; what the cache has of them is only verified.
            on_progress: Called from the caller's thread; what it raises ends the fetch.
        """
        self.notes: list[str] = []
        self._client = client
        self._cache = cache
        self._files = list(dict.fromkeys(files))
        self._on_progress = on_progress
        self._lock = threading.Lock()
        self._changed = threading.Event()
        self._stop = threading.Event()
        self._errors: list[BaseException] = []
        self._done = dict.fromkeys(self._files, 0)
        self._resumed = dict.fromkeys(self._files, 0)

    def run(self) -> None:
        """Fetch all files, and verify them.

        Raises:
            FetchError: A file could not be fetched, kept or verified.
            ModelNotFoundError: A file is not there any more.
        """
        threads = [
            threading.Thread(target=self._run_one, args=(file,), daemon=True, name=file.path)
            for file in self._files
        ]
        start = time.monotonic()
        for thread in threads:
            thread.start()
        try:
            while any(thread.is_alive() for thread in threads) and not self._errors:
                self._changed.wait(SECONDS_BETWEEN_REPORTS)
                self._changed.clear()
                self._report(start)
            for thread in threads if not self._errors else ():
                thread.join()
        finally:
            self._stop.set()
            # Those that get bytes end at once, and close what the hub still sends to; those that
            # wait for it end by themselves, and nobody waits for them.
            deadline = time.monotonic() + _SECONDS_TO_END
            for thread in threads:
                thread.join(max(deadline - time.monotonic(), 0))
        if self._errors:
            raise self._errors[0]
        self._report(start)

    def _report(self, start: float) -> None:
        if self._on_progress is None:
            return
        with self._lock:
            done, resumed = sum(self._done.values()), sum(self._resumed.values())
        total = sum(max(file.bytes, 0) for file in self._files)
        seconds = time.monotonic() - start
        self._on_progress(
            Progress("fetch", min(done, total), total, seconds, resumed=min(resumed, done))
        )

    def _run_one(self, file: RepositoryFile) -> None:
        try:
            self._get(file)
        except _StoppedError:
            pass
        except BaseException as error:
            with self._lock:
                self._errors.append(error)
            self._stop.set()
        finally:
            self._changed.set()

    def _get(self, file: RepositoryFile) -> None:
        with _disk_errors(self._cache.folder):
            if self._is_here(file):
                return
            with self._locked(file):
                # Another process may have fetched it meanwhile.
                if self._is_here(file):
                    return
                self._fetch(file)

    @contextlib.contextmanager
    def _locked(self, file: RepositoryFile) -> Iterator[None]:
        """Wait for a file's lock; what the process that has it fetches meanwhile is shown."""
        with contextlib.ExitStack() as stack:
            while True:
                lock = self._client.lock(self._cache.lock(file), SECONDS_BETWEEN_LOOKS)
                try:
                    stack.enter_context(lock)
                    break
                except TimeoutError:
                    self._set(file, self._cache.partial_bytes(file))
            yield

    def _fetch(self, file: RepositoryFile) -> None:
        """Fetch a file that is not here, or damaged."""
        damaged = self._cache.pointer(file).exists() or self._cache.blob(file).exists()
        if damaged and self._client.is_offline:
            raise damaged_offline(file)
        if damaged:
            self._cache.remove(file)
        try:
            mark = self._fetch_right_bytes(file)
        except DrawError as error:
            if damaged:
                error.message = (
                    f"{file.shown} in the cache was damaged, and could not be fetched again:"
                    f" {error.message}"
                )
            raise
        if damaged:
            self._note(f"{file.shown} in the cache was damaged, and was fetched again")
        self._cache.mark_verified(file, mark)
        self._cache.link(file)

    def _fetch_right_bytes(self, file: RepositoryFile) -> str:
        """Fetch a file to its place, and return the mark of its bytes there.

        Where another process writes to the same file in spite of the lock, this one begins again
        with a file of its own.
        """
        shared = self._cache.partial(file)
        try:
            return self._fetch_to(shared, file)
        except (OtherWriterError, FileNotFoundError):
            if self._is_here(file):  # the other process has finished it
                return mark_of(self._cache.blob(file))
        own = shared.with_name(f"{shared.stem}.{secrets.token_hex(4)}{shared.suffix}")
        try:
            mark = self._fetch_to(own, file)
        finally:
            own.unlink(missing_ok=True)
        shared.unlink(missing_ok=True)
        return mark

    def _fetch_to(self, path: Path, file: RepositoryFile) -> str:
        for attempt in range(2):
            if attempt:
                path.unlink()
            mark = self._download(path, file)
            if mark:
                path.replace(self._cache.blob(file))
                if attempt:
                    self._note(f"{file.shown} had wrong bytes, and was fetched again")
                return mark
        path.unlink()
        kind = "SHA-256" if len(file.digest) == 64 else "git's SHA-1"
        raise FetchError(
            f"{file.shown} came twice with other bytes than the hub says it has"
            f" ({kind} {file.digest[:12]}...)",
            hint="try again later, or use another file; a proxy on the way may change what passes",
        )

    def _is_here(self, file: RepositoryFile) -> bool:
        """Tell whether a file is in the cache; its bytes are compared with its digest once."""
        path = self._cache.find(file)
        if path is None:
            return False
        self._set(file, 0)
        if not file.digest or self._cache.is_verified(file, path):
            self._count(file, resumed=path.stat().st_size)
        else:
            mark = mark_of_right_bytes(path, file, lambda count: self._count(file, resumed=count))
            if not mark:
                return False
            self._cache.mark_verified(file, mark)
        if path != self._cache.pointer(file):
            self._cache.link(file)
        return True

    def _download(self, path: Path, file: RepositoryFile) -> str:
        """Fetch what is missing of a file, and return its mark; empty where its bytes are wrong."""
        with PartialFile(path, file) as partial:
            self._set(file, partial.size)
            start = take_beginning(file)
            if partial.size == 0 and 0 < len(start) <= file.bytes:
                partial.add(start)
                self._count(file, resumed=len(start))
            tries = 0
            while not partial.is_complete:
                before = partial.size
                try:
                    if not self._receive(file, partial):
                        return ""
                    if partial.size == before and not partial.is_complete:
                        raise HubUnavailableError(f"the hub sends no bytes of {file.shown}")
                except HubUnavailableError as error:
                    tries = 1 if partial.size > before else tries + 1
                    if self._stop.wait(seconds_before_next_try(error, tries)):
                        raise _StoppedError from None
            partial.sync()
        return mark_of_right_bytes(path, file, lambda _: self._count(file))

    def _receive(self, file: RepositoryFile, partial: PartialFile) -> bool:
        """Add what one request gives; tell whether that can be right."""
        with self._client.read(file, partial.size) as (place, pieces):
            if place < partial.size:  # the server knows no ranges
                self._set(file, 0)
                partial.restart()
            for piece in pieces:
                if partial.size + len(piece) > file.bytes:
                    return False
                partial.add(piece)
                self._count(file, done=len(piece))
        return True

    def _set(self, file: RepositoryFile, resumed: int) -> None:
        """Count a file's bytes anew."""
        with self._lock:
            self._done[file] = self._resumed[file] = 0
        self._count(file, resumed=resumed)

    def _count(self, file: RepositoryFile, *, done: int = 0, resumed: int = 0) -> None:
        if self._stop.is_set():
            raise _StoppedError
        with self._lock:
            self._done[file] += done + resumed
            self._resumed[file] += resumed

    def _note(self, text: str) -> None:
        with self._lock:
            self.notes.append(text)


class _StoppedError(Exception):
    """Another file's error, or the user, has ended the fetch."""


def damaged_offline(file: RepositoryFile) -> FetchError:
    """Make the error for a damaged file while the network must not be used."""
    variable = offline_variable()
    return FetchError(
        f"{file.shown} in the cache is damaged, and {variable} is set",
        hint=f"unset {variable} to fetch it again",
    )


@contextlib.contextmanager
def _disk_errors(folder: Path) -> Iterator[None]:
    """Turn errors of the disk into advice."""
    try:
        yield
    except (DrawError, _StoppedError):
        raise
    except OSError as error:
        raise disk_error(error, folder) from error


def disk_error(error: OSError, folder: Path) -> FetchError:
    """Put an error of the cache's disk into words.

    Args:
        error: What the system said.
        folder: The cache's folder.
    """
    name = cache_variable()
    if error.errno in {errno.ENOSPC, getattr(errno, "EDQUOT", None)}:
        return FetchError(
            f"the disk of the cache {quoted(str(folder))} is full",
            hint=f"make room, or set {name} to a folder on another disk; what was fetched is kept",
        )
    if error.errno == errno.EFBIG:
        return FetchError(
            f"the cache {quoted(str(folder))} cannot hold a file this large",
            hint=f"set {name} to a folder on another disk",
        )
    reason = (error.strerror or str(error)).lower()
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return FetchError(
            f"the cache {quoted(str(folder))} cannot be written to: {reason}",
            hint=f"set {name} to a folder that can be written to",
        )
    return FetchError(
        f"the cache {quoted(str(folder))} cannot be used: {reason}",
        hint=f"set {name} to another folder",
    )
