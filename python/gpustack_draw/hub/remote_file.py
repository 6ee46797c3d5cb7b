"""Random access to the first bytes of a file on the hub, for reading headers."""

import time
from collections.abc import Iterator

from gpustack_draw.hub.client import HubClient
from gpustack_draw.hub.repository import RepositoryFile
from gpustack_draw.hub.retry import retry_delay
from gpustack_draw.hub.trouble import HubUnavailableError

_MAX_TRIES = 3
# Most headers are 20 to 100 kB. Doubling the range with each request keeps requests few, and the
# bytes transferred at most twice the bytes needed.
_FIRST_STEP = 64 * 1024
_MAX_STEP = 1024 * 1024
# Readers skip arrays; a gap of this size is worth a request that omits it.
_MAX_GAP = 1024 * 1024


class RemoteFile:
    """A file on the hub, read in a few ranges from its start.

    Attributes:
        label: Name of the file in messages.
        size: Size of the file in bytes.
        start: First bytes of the file, as far as they have been read.
        chunk_bytes: Number of bytes to read at once, small because ranges are buffered here.
    """

    chunk_bytes = 1024

    def __init__(self, client: HubClient, file: RepositoryFile, start: bytes = b"") -> None:
        """Initialize without sending a request.

        Args:
            client: Client to read with.
            file: File of known size.
            start: First bytes, if already known.
        """
        self.label = file.label
        self.size = max(file.bytes, 0)
        self.start = start
        self._client = client
        self._file = file
        self._distant_offset, self._distant_bytes = 0, b""

    def read(self, offset: int, length: int) -> bytes:
        """Read ``length`` bytes from ``offset``; fewer only at the end of the file."""
        end = min(offset + length, self.size)
        if offset > len(self.start) + _MAX_GAP:
            return self._read_distant(offset, end)
        if end > len(self.start):
            step = min(max(len(self.start), _FIRST_STEP), _MAX_STEP)
            target = min(max(end, len(self.start) + step), self.size)
            self.start += self._get(len(self.start), target)
        return self.start[offset:end]

    def _read_distant(self, offset: int, end: int) -> bytes:
        place, known = self._distant_offset, self._distant_bytes
        if not place <= offset <= end <= place + len(known):
            target = min(max(end, offset + _MAX_STEP // 4), self.size)
            place, known = offset, self._get(offset, target)
            self._distant_offset, self._distant_bytes = place, known
        return known[offset - place : end - place]

    def _get(self, start: int, end: int) -> bytes:
        data = b""
        tries = 0
        while len(data) < end - start:
            before = len(data)
            try:
                with self._client.read(self._file, start + before, end) as answer:
                    if answer.start < start + before:
                        data = _skip(answer.pieces, start, end)
                    else:
                        for piece in answer.pieces:
                            data += piece
                            if len(data) >= end - start:
                                break
                if len(data) <= before:
                    raise HubUnavailableError(f"the hub sends no data of {self.label}")
            except HubUnavailableError as error:
                self._client.forget_address(self._file)
                tries = 1 if len(data) > before else tries + 1
                time.sleep(retry_delay(error, tries, _MAX_TRIES))
        return data[: end - start]


def _skip(pieces: Iterator[bytes], start: int, end: int) -> bytes:
    """Read a range from a response that ignored the range and starts at the first byte."""
    data = b""
    for piece in pieces:
        data += piece
        if len(data) >= end:
            break
    return data[start:end]
