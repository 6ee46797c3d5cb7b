"""The transfer of a file's missing bytes, over several connections if that is faster.

Content networks limit the speed of a connection. A large file therefore comes in ranges over
several ones, if the first answer shows that the server sends ranges. A server that refuses further
connections keeps those that it serves, and the others are tried again later; one that ignores
ranges has a single connection. Bytes that a connection has delivered are never requested again.

Ranges of different versions of a file would not fit together. A file's address names its commit,
and its digest is verified afterwards; a file without a digest comes over one connection.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gpustack_draw.errors import DrawError
from gpustack_draw.hub.byte_ranges import ByteRange, count_bytes, find_gaps, merge
from gpustack_draw.hub.client import FileBytes, HubClient
from gpustack_draw.hub.partial_file import PartialFile
from gpustack_draw.hub.repository import RepositoryFile
from gpustack_draw.hub.retry import SECONDS_BETWEEN_TRIES, retry_delay
from gpustack_draw.hub.trouble import HubUnavailableError

MAX_CONNECTIONS = 8  # of all files together; each file has one at least
# A file with fewer missing bytes has one connection.
MIN_BYTES = 32 * 1024 * 1024
# A connection requests a range of this size, then the next one. Large ranges need few requests;
# near the end of the file they become smaller, so that all connections finish together. The disk
# has gaps for at most one large range per connection.
MIN_RANGE_BYTES = 4 * 1024 * 1024
MAX_RANGE_BYTES = 32 * 1024 * 1024
# Time until one more connection is tried after a refusal.
SECONDS_BEFORE_MORE = 10.0
_SECONDS_BETWEEN_LOOKS = 0.1


class StoppedError(Exception):
    """The download was ended by the user, or by an error of another file."""


class ConnectionShare:
    """The connections that files downloaded side by side share."""

    def __init__(self) -> None:
        """Share the connections among no files."""
        self._lock = threading.Lock()
        self._files = 0

    @contextmanager
    def joined(self) -> Iterator[None]:
        """Take part in the share as one more file."""
        self._add(1)
        try:
            yield
        finally:
            self._add(-1)

    @property
    def per_file(self) -> int:
        """Number of connections that each file may have."""
        return max(1, MAX_CONNECTIONS // max(1, self._files))

    def _add(self, count: int) -> None:
        with self._lock:
            self._files += count


class _Job:
    """A range that one connection fetches.

    Attributes:
        place: Offset of the next byte.
        end: Offset after the last byte.
    """

    def __init__(self, wanted: ByteRange) -> None:
        self.place = wanted.start
        self.end = wanted.end

    @property
    def rest(self) -> ByteRange:
        return ByteRange(self.place, self.end)


class Transfer:
    """The transfer of one file's missing bytes, for a single call of :meth:`run`."""

    def __init__(
        self,
        client: HubClient,
        file: RepositoryFile,
        partial: PartialFile,
        share: ConnectionShare,
        on_bytes: Callable[[int], None],
        on_restart: Callable[[], None],
        *,
        side_by_side: bool = True,
    ) -> None:
        """Prepare the transfer.

        Args:
            client: Client to download with.
            file: File of known size.
            partial: Partial file to complete.
            share: Connections of all files.
            on_bytes: Called with the number of bytes of each piece, from several threads, and with
                0 while there are none; raises :class:`StoppedError` to end the transfer.
            on_restart: Called when the bytes on disk are deleted, to begin again.
            side_by_side: Allow several connections.
        """
        self._client = client
        self._file = file
        self._partial = partial
        self._share = share
        self._on_bytes = on_bytes
        self._on_restart = on_restart
        missing = file.bytes - partial.received
        self._in_ranges = side_by_side and bool(file.digest) and missing >= MIN_BYTES
        self._has_ranges = False  # the server has sent one
        self._is_too_long = False
        self._is_over = False
        # Guards the attributes below.
        self._changed = threading.Condition()
        self._jobs: list[_Job] = []
        self._connections = 0
        self._most_connections = MAX_CONNECTIONS
        self._more_after = 0.0
        self._refusal: DrawError | None = None
        self._failure: BaseException | None = None

    def run(self) -> bool:
        """Receive all missing bytes.

        Returns:
            False if the hub sends more bytes than the file should have.

        Raises:
            HubUnavailableError: The hub does not respond, or is overloaded, in several tries.
            DrawError: The file does not exist or is not accessible.
            StoppedError: ``on_bytes`` ended the transfer.
            OtherWriterError: Another process has changed the partial file.
            OSError: The partial file cannot be written.
        """
        tries, received = 0, self._partial.received
        try:
            with self._share.joined():
                while not (self._partial.is_complete or self._is_too_long):
                    self._on_bytes(0)
                    refusal = self._look_after_connections()
                    if refusal is None or self._partial.is_complete:
                        continue
                    before, received = received, self._partial.received
                    tries = 1 if received > before else tries + 1
                    if not isinstance(refusal, HubUnavailableError):
                        raise refusal
                    self._wait(retry_delay(refusal, tries))
        finally:
            self._is_over = True
        return not self._is_too_long

    def _wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._on_bytes(0)
            time.sleep(min(left, _SECONDS_BETWEEN_LOOKS))

    def _look_after_connections(self) -> DrawError | None:
        """Open connections that are missing, and wait for a change.

        Returns:
            The error of the last connection, if none is left.
        """
        with self._changed:
            while self._connections < self._wanted() and self._free_ranges():
                if self._connections:
                    self._partial.allow_gaps()
                self._connections += 1
                threading.Thread(target=self._connect, daemon=True, name=self._file.path).start()
            self._changed.wait(_SECONDS_BETWEEN_LOOKS)
            if self._failure is not None:
                raise self._failure
            refusal = self._refusal if not self._connections else None
            self._refusal = None if refusal else self._refusal
            return refusal

    def _wanted(self) -> int:
        """Return the number of connections to have now."""
        if not (self._in_ranges and self._has_ranges):
            return 1
        now = time.monotonic()
        if self._more_after < now and self._most_connections < MAX_CONNECTIONS:
            self._most_connections += 1
            self._more_after = now + SECONDS_BETWEEN_TRIES
        return min(self._most_connections, self._share.per_file)

    def _free_ranges(self) -> tuple[ByteRange, ...]:
        """Return the missing ranges that no connection fetches."""
        # First those that are being fetched: what they write meanwhile is then on the disk.
        fetched = [job.rest for job in self._jobs]
        return find_gaps(merge((*fetched, *self._partial.kept)), self._file.bytes)

    # --- in the thread of a connection ------------------------------------------------------------

    def _connect(self) -> None:
        """Fetch ranges until there are none, or an error ends the connection."""
        try:
            while job := self._take_job():
                start = job.place
                try:
                    self._receive(job)
                except DrawError as error:
                    self._end_connection(job, error, has_progress=job.place > start)
                    return
                with self._changed:
                    self._jobs.remove(job)
                    self._refusal = None
        except StoppedError:
            pass
        except BaseException as error:
            with self._changed:
                self._failure = self._failure or error
                self._changed.notify_all()

    def _take_job(self) -> _Job | None:
        """Return the next range to fetch; ``None`` after closing the connection."""
        with self._changed:
            free = self._free_ranges()
            is_over = self._is_over or self._is_too_long
            if is_over or not free or self._connections > self._wanted():
                self._connections -= 1
                self._changed.notify_all()
                return None
            end = free[0].end
            if self._in_ranges:
                size = count_bytes(free) // (2 * MAX_CONNECTIONS)
                size = min(max(size, MIN_RANGE_BYTES), MAX_RANGE_BYTES)
                end = min(free[0].start + size, end)
            self._jobs.append(_Job(ByteRange(free[0].start, end)))
            return self._jobs[-1]

    def _end_connection(self, job: _Job, error: DrawError, *, has_progress: bool) -> None:
        """Keep the connections that work; try one more later."""
        with self._changed:
            self._jobs.remove(job)
            self._connections -= 1
            self._refusal = error
            self._most_connections = max(1, self._connections)
            wait_seconds = getattr(error, "wait_seconds", 0.0)
            pause = SECONDS_BETWEEN_TRIES if has_progress else SECONDS_BEFORE_MORE
            self._more_after = time.monotonic() + max(pause, wait_seconds)
            self._changed.notify_all()

    def _receive(self, job: _Job) -> None:
        """Write the bytes of one request to the disk."""
        is_last = job.end == self._file.bytes
        start = job.place
        with self._client.stream(self._file, start, None if is_last else job.end) as answer:
            if answer.is_whole:
                self._accept_whole(job)
            else:
                self._accept_range()
            self._write(job, answer)
        if job.place == start and job.rest.size and not self._is_too_long:
            raise HubUnavailableError(f"the hub sends no data of {self._file.label}")

    def _accept_range(self) -> None:
        if self._in_ranges and not self._has_ranges:
            with self._changed:
                self._has_ranges = True
                self._changed.notify_all()

    def _accept_whole(self, job: _Job) -> None:
        """Prepare for all bytes of the file, which the server sends instead of a range."""
        with self._changed:
            self._in_ranges = False
            if self._connections > 1:  # some servers of the hub ignore ranges
                raise HubUnavailableError(f"the hub sends no ranges of {self._file.label}")
            job.place, job.end = 0, self._file.bytes
        if self._partial.received:
            self._on_restart()
            self._partial.restart()

    def _write(self, job: _Job, answer: FileBytes) -> None:
        for piece in answer.pieces:
            if self._is_over:
                raise StoppedError
            rest = job.rest.size
            if len(piece) > rest and job.end == self._file.bytes:
                self._is_too_long = True
                return
            if not rest:  # the server sends more than requested
                return
            self._partial.add(job.place, piece[:rest])
            count = min(len(piece), rest)
            job.place += count
            self._on_bytes(count)
