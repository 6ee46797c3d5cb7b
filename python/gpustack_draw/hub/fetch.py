"""Fetch files side by side into the cache, continued where an earlier run was interrupted."""

import contextlib
import errno
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from gpustack_draw.errors import DrawError, FetchError, quoted
from gpustack_draw.hub.advice import HubTroubleError
from gpustack_draw.hub.cache import HubCache, digest_of, update_from
from gpustack_draw.hub.client import HubClient
from gpustack_draw.hub.repository import RepositoryFile
from gpustack_draw.progress import Progress

MOST_TRIES = 5  # in a row without a single byte
SECONDS_BETWEEN_TRIES = 1.0  # doubled with each
SECONDS_BETWEEN_REPORTS = 0.1
# What a loss of power can cost.
_BYTES_BETWEEN_SYNCS = 64 * 1024 * 1024


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
            files: What to fetch; what the cache has of them is only verified.
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
        self._done = 0
        self._resumed = 0

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
            # Threads that wait for the network end by themselves; nobody waits for them.
            self._stop.set()
        if self._errors:
            raise self._errors[0]
        self._report(start)

    def _report(self, start: float) -> None:
        if self._on_progress is None:
            return
        with self._lock:
            done, resumed = self._done, self._resumed
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
            if (path := self._cache.find(file)) and self._is_right(file, path):
                return
            with self._client.lock(self._cache.lock(file)):
                # Another process may have fetched it meanwhile.
                if (path := self._cache.find(file)) and self._is_right(file, path):
                    return
                if path is not None or self._is_there(file):
                    self._note(f"{file.shown} in the cache was damaged, and was fetched again")
                    self._cache.remove(file)
                for last in (False, True):
                    if self._download(file):
                        break
                    self._cache.partial(file).unlink(missing_ok=True)
                    if last:
                        raise FetchError(
                            f"{file.shown} came twice with other bytes than the hub says it has"
                            f" (SHA-256 {file.digest[:12]}...)",
                            hint="try again later, or use another file; a proxy on the way may"
                            " change what passes",
                        )
                    self._note(f"{file.shown} came with wrong bytes, and was fetched again")
                blob = self._cache.blob(file)
                self._cache.partial(file).replace(blob)
                pointer = self._cache.link(file)
                self._cache.mark_verified(file, pointer)

    def _is_there(self, file: RepositoryFile) -> bool:
        return self._cache.pointer(file).exists() or self._cache.blob(file).exists()

    def _is_right(self, file: RepositoryFile, path: Path) -> bool:
        """Compare a cached file's bytes with its digest, once in its life."""
        if not file.digest or self._cache.is_verified(file, path):
            self._count(resumed=path.stat().st_size)
        else:
            digest, before = digest_of(file), self._done
            update_from(path, digest, self._resume)
            if digest.hexdigest() != file.digest:
                self._count(resumed=-min(self._done - before, path.stat().st_size))
                return False
            self._cache.mark_verified(file, path)
        if path != self._cache.pointer(file):
            self._cache.link(file)
        return True

    def _download(self, file: RepositoryFile) -> bool:
        """Fetch what is missing of a file, and tell whether its bytes are right."""
        partial = self._cache.partial(file)
        partial.parent.mkdir(parents=True, exist_ok=True)
        digest = digest_of(file)
        with partial.open("ab", buffering=0) as opened:
            size = opened.tell()
            if size > file.bytes >= 0:
                opened.truncate(size := 0)
            update_from(partial, digest, self._resume)
            tries = 0
            while size < file.bytes or file.bytes < 0:
                try:
                    before = size
                    with self._client.read(file, size) as (place, pieces):
                        if place < size:  # the server knows no ranges
                            opened.truncate(place)
                            self._count(done=place - size)
                            size, digest = place, digest_of(file)
                        for piece in pieces:
                            if size + len(piece) > file.bytes >= 0:
                                return False
                            _write(opened, piece)
                            digest.update(piece)
                            self._sync(opened, size, len(piece))
                            size += len(piece)
                            self._count(done=len(piece))
                    if file.bytes < 0:
                        break
                    if size == before:
                        raise HubTroubleError(f"the hub sends no bytes of {file.shown}")
                except HubTroubleError as error:
                    tries = 1 if size > before else tries + 1
                    if error.lasting or tries >= MOST_TRIES:
                        raise
                    delay = max(error.wait_seconds, SECONDS_BETWEEN_TRIES * 2 ** (tries - 1))
                    if self._stop.wait(delay):
                        raise _StoppedError from None
            os.fsync(opened.fileno())
        return not file.digest or digest.hexdigest() == file.digest

    def _sync(self, opened: BinaryIO, size: int, more: int) -> None:
        if size // _BYTES_BETWEEN_SYNCS != (size + more) // _BYTES_BETWEEN_SYNCS:
            os.fsync(opened.fileno())

    def _resume(self, count: int) -> None:
        self._count(resumed=count)

    def _count(self, *, done: int = 0, resumed: int = 0) -> None:
        if self._stop.is_set():
            raise _StoppedError
        with self._lock:
            self._done += done + resumed
            self._resumed += resumed

    def _note(self, text: str) -> None:
        with self._lock:
            self.notes.append(text)


class _StoppedError(Exception):
    """Another file's error, or the user, has ended the fetch."""


def _write(opened: BinaryIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[opened.write(view) :]


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
    if error.errno in {errno.ENOSPC, getattr(errno, "EDQUOT", None)}:
        return FetchError(
            f"the disk of the cache {quoted(str(folder))} is full",
            hint="make room, or set HF_HOME to a folder on another disk; what was fetched is kept",
        )
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        reason = (error.strerror or str(error)).lower()
        return FetchError(
            f"the cache {quoted(str(folder))} cannot be written to: {reason}",
            hint="set HF_HOME to a folder that can be written to",
        )
    reason = (error.strerror or str(error)).lower()
    return FetchError(f"the cache {quoted(str(folder))} cannot be used: {reason}")
