"""Download files in parallel into the cache, resuming interrupted downloads."""

import contextlib
import errno
import secrets
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from gpustack_draw.errors import DrawError, FetchError, quoted
from gpustack_draw.hub.cache import HubCache, fingerprint_of
from gpustack_draw.hub.client import HubClient
from gpustack_draw.hub.first_bytes import FirstBytes
from gpustack_draw.hub.network_variables import offline_variable
from gpustack_draw.hub.partial_file import OtherWriterError, PartialFile, verified_fingerprint
from gpustack_draw.hub.partial_paths import PartialPaths
from gpustack_draw.hub.repository import RepositoryFile
from gpustack_draw.hub.settings import cache_variable
from gpustack_draw.hub.transfer import ConnectionShare, StoppedError, Transfer
from gpustack_draw.phrases import phrase
from gpustack_draw.progress.callbacks import ProgressFunction
from gpustack_draw.progress.progress import Progress

SECONDS_BETWEEN_REPORTS = 0.1
SECONDS_BETWEEN_LOOKS = 0.5  # while another process holds the lock
_SECONDS_TO_END = 0.2


class Fetch:
    """One download of several files, for a single call of :meth:`run`.

    Attributes:
        notes: Messages for the user about repeated downloads.
    """

    def __init__(
        self,
        client: HubClient,
        cache: HubCache,
        first_bytes: FirstBytes,
        files: Sequence[RepositoryFile],
        on_progress: ProgressFunction | None = None,
    ) -> None:
        """Prepare the download.

        Args:
            client: Client to download with.
            cache: Cache to store the files in.
            first_bytes: First bytes of files that the client has received already.
            files: Files of known size; cached ones are only verified.
            on_progress: Called from the caller's thread; an exception ends the download.
        """
        self.notes: list[str] = []
        self._client = client
        self._cache = cache
        self._first_bytes = first_bytes
        self._files = list(dict.fromkeys(files))
        self._on_progress = on_progress
        self._lock = threading.Lock()
        self._changed = threading.Event()
        self._stop = threading.Event()
        self._share = ConnectionShare()
        self._errors: list[BaseException] = []
        self._done = dict.fromkeys(self._files, 0)
        self._resumed = dict.fromkeys(self._files, 0)

    def run(self) -> None:
        """Download and verify all files.

        Raises:
            FetchError: A file could not be downloaded, stored or verified.
            ModelNotFoundError: The hub no longer has a file.
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
            # Threads that receive bytes stop and close their connections now. Threads that wait for
            # the hub are daemons, and are not waited for.
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
        except StoppedError:
            pass
        except BaseException as error:
            with self._lock:
                self._errors.append(error)
            self._stop.set()
        finally:
            self._changed.set()

    def _get(self, file: RepositoryFile) -> None:
        with _disk_errors(self._cache.folder):
            if self._is_cached(file):
                return
            with self._locked(file):
                # Another process may have downloaded the file meanwhile.
                if self._is_cached(file):
                    return
                self._fetch(file)

    @contextlib.contextmanager
    def _locked(self, file: RepositoryFile) -> Iterator[None]:
        """Wait for a file's lock, and report the progress of the process that holds it."""
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
        """Download a file that is missing or damaged."""
        damaged = self._cache.pointer(file).exists() or self._cache.blob(file).exists()
        if damaged and self._client.is_offline:
            raise damaged_offline(file)
        if damaged:
            self._cache.remove(file)
        try:
            fingerprint = self._fetch_verified(file)
        except DrawError as error:
            if damaged:
                error.message = phrase(
                    "{} was damaged in the cache, and could not be downloaded again: {}",
                    file.label,
                    error.message,
                )
            raise
        if damaged:
            self._note(f"{file.label} was damaged in the cache, and was downloaded again")
        self._cache.record_verified(file, fingerprint)
        self._cache.link(file)

    def _fetch_verified(self, file: RepositoryFile) -> str:
        """Download a file into the cache, and return its fingerprint.

        If another process writes to the same partial file in spite of the lock, begin again with a
        private one.
        """
        shared = self._cache.partial(file)
        try:
            return self._fetch_to(shared, file)
        except (OtherWriterError, FileNotFoundError):
            if self._is_cached(file):  # the other process has finished
                return fingerprint_of(self._cache.blob(file))
        own = shared.with_name(f"{shared.stem}.{secrets.token_hex(4)}{shared.suffix}")
        try:
            fingerprint = self._fetch_to(own, file)
        finally:
            PartialPaths(own).remove()
        PartialPaths(shared).remove()
        return fingerprint

    def _fetch_to(self, path: Path, file: RepositoryFile) -> str:
        for attempt in range(2):
            if attempt:
                PartialPaths(path).remove()
            # A server may state ranges, and send others.
            fingerprint = self._download(path, file, side_by_side=attempt == 0)
            if fingerprint:
                path.replace(self._cache.blob(file))
                if attempt:
                    self._note(f"{file.label} did not match its digest, and was downloaded again")
                return fingerprint
        PartialPaths(path).remove()
        algorithm = "SHA-256" if len(file.digest) == 64 else "git SHA-1"
        raise FetchError(
            f"{file.label} was downloaded twice and does not match its"
            f" {algorithm} {file.digest[:12]}...",
            hint="try again later, or use another file; a proxy may have changed the data",
        )

    def _is_cached(self, file: RepositoryFile) -> bool:
        """Return whether a file is cached and intact; its digest is computed only once."""
        path = self._cache.find(file)
        if path is None:
            return False
        self._set(file, 0)
        if not file.digest or self._cache.is_verified(file, path):
            self._count(file, resumed=path.stat().st_size)
        else:
            fingerprint = verified_fingerprint(
                path, file, lambda count: self._count(file, resumed=count)
            )
            if not fingerprint:
                return False
            self._cache.record_verified(file, fingerprint)
        if path != self._cache.pointer(file):
            self._cache.link(file)
        return True

    def _download(self, path: Path, file: RepositoryFile, *, side_by_side: bool) -> str:
        """Download the rest of a file; return its fingerprint; empty if it is wrong."""
        with PartialFile(path, file) as partial:
            self._set(file, partial.received)
            start = self._first_bytes.take(file)
            if partial.received == 0 and 0 < len(start) <= file.bytes:
                partial.add(0, start)
                self._count(file, resumed=len(start))
            transfer = Transfer(
                self._client,
                file,
                partial,
                self._share,
                on_bytes=lambda count: self._count(file, done=count),
                on_restart=lambda: self._set(file, 0),
                side_by_side=side_by_side,
            )
            if not transfer.run():
                return ""
            partial.finish()
        return verified_fingerprint(path, file, lambda _: self._count(file))

    def _set(self, file: RepositoryFile, resumed: int) -> None:
        """Restart the byte count of a file."""
        with self._lock:
            self._done[file] = self._resumed[file] = 0
        self._count(file, resumed=resumed)

    def _count(self, file: RepositoryFile, *, done: int = 0, resumed: int = 0) -> None:
        if self._stop.is_set():
            raise StoppedError
        with self._lock:
            self._done[file] += done + resumed
            self._resumed[file] += resumed

    def _note(self, text: str) -> None:
        with self._lock:
            self.notes.append(text)


def damaged_offline(file: RepositoryFile) -> FetchError:
    """Build the error for a damaged file in offline mode."""
    variable = offline_variable()
    return FetchError(
        f"{file.label} is damaged in the cache, and {variable} is set",
        hint=f"unset {variable} to download it again",
    )


@contextlib.contextmanager
def _disk_errors(folder: Path) -> Iterator[None]:
    """Convert errors of the disk into errors with hints."""
    try:
        yield
    except (DrawError, StoppedError):
        raise
    except OSError as error:
        raise disk_error(error, folder) from error


def disk_error(error: OSError, folder: Path) -> FetchError:
    """Build the error for a failed write to the cache.

    Args:
        error: Error of the operating system.
        folder: Folder of the cache.
    """
    name = cache_variable()
    if error.errno in {errno.ENOSPC, getattr(errno, "EDQUOT", None)}:
        return FetchError(
            f"the disk of the cache {quoted(str(folder))} is full",
            hint=f"free disk space, or set {name} to a folder on another disk; partial files are"
            " kept",
        )
    if error.errno == errno.EFBIG:
        return FetchError(
            f"the cache {quoted(str(folder))} cannot hold a file this large",
            hint=f"set {name} to a folder on another disk",
        )
    reason = (error.strerror or str(error)).lower()
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return FetchError(
            f"the cache {quoted(str(folder))} is not writable: {reason}",
            hint=f"set {name} to a writable folder",
        )
    return FetchError(
        f"the cache {quoted(str(folder))} cannot be used: {reason}",
        hint=f"set {name} to another folder",
    )
