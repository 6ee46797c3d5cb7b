"""The beginning of a file on the hub, as bytes that can be read at any place: for headers."""

import time
from collections.abc import Iterator

from gpustack_draw.hub.client import HubClient
from gpustack_draw.hub.patience import seconds_before_next_try
from gpustack_draw.hub.repository import RepositoryFile
from gpustack_draw.hub.trouble import HubUnavailableError

_MOST_TRIES = 3
# Most headers are 20 to 100 kB. What is asked for is doubled with each step, so at most twice as
# much comes as is needed, and even a large header takes few requests.
_FIRST_STEP = 64 * 1024
_LARGEST_STEP = 1024 * 1024
# Lists of numbers are passed over; a gap of this size is worth a request that leaves it out.
_FAR = 1024 * 1024


class RemoteFile:
    """The bytes of a file on the hub, read in a few ranges from its beginning on.

    Attributes:
        shown: What messages call it.
        size: Bytes in all.
        start: Its beginning, as far as it has been read.
        chunk_bytes: Small, as more than that is kept here: whoever reads a header to its end asks
            for hardly more than the header.
    """

    chunk_bytes = 1024

    def __init__(self, client: HubClient, file: RepositoryFile, start: bytes = b"") -> None:
        """Prepare to read.

        Args:
            client: Gives the bytes.
            file: The file; its size is known.
            start: What is known of its beginning.
        """
        self.shown = file.shown
        self.size = max(file.bytes, 0)
        self.start = start
        self._client = client
        self._file = file
        self._far_place, self._far_bytes = 0, b""

    def read(self, offset: int, length: int) -> bytes:
        """Read ``length`` bytes from ``offset``; fewer only where the end comes first."""
        end = min(offset + length, self.size)
        if offset > len(self.start) + _FAR:
            return self._read_far(offset, end)
        if end > len(self.start):
            step = min(max(len(self.start), _FIRST_STEP), _LARGEST_STEP)
            target = min(max(end, len(self.start) + step), self.size)
            self.start += self._get(len(self.start), target)
        return self.start[offset:end]

    def _read_far(self, offset: int, end: int) -> bytes:
        place, known = self._far_place, self._far_bytes
        if not place <= offset <= end <= place + len(known):
            target = min(max(end, offset + _LARGEST_STEP // 4), self.size)
            place, known = offset, self._get(offset, target)
            self._far_place, self._far_bytes = place, known
        return known[offset - place : end - place]

    def _get(self, start: int, end: int) -> bytes:
        data = b""
        tries = 0
        while len(data) < end - start:
            before = len(data)
            try:
                with self._client.read(self._file, start + before, end) as (place, pieces):
                    if place < start + before:
                        data = _skip(pieces, start, end)
                    else:
                        for piece in pieces:
                            data += piece
                            if len(data) >= end - start:
                                break
                if len(data) <= before:
                    raise HubUnavailableError(f"the hub sends no bytes of {self.shown}")
            except HubUnavailableError as error:
                self._client.forget_address(self._file)
                tries = 1 if len(data) > before else tries + 1
                time.sleep(seconds_before_next_try(error, tries, _MOST_TRIES))
        return data[: end - start]


def _skip(pieces: Iterator[bytes], start: int, end: int) -> bytes:
    """Read on to a place where the server knows no ranges."""
    data = b""
    for piece in pieces:
        data += piece
        if len(data) >= end:
            break
    return data[start:end]
