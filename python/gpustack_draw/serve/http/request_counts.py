"""Counts of the requests of a server."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class RequestKind:
    """Requests that are counted together.

    Attributes:
        route: Path of their route, or ``other``: never the path as the client typed it, because
            every kind takes memory.
        method: HTTP method, or ``other``.
        status: HTTP status; 499 if the client was gone before the response.
    """

    route: str
    method: str
    status: int


class RequestCounts:
    """Counts of requests since the start. Used by the event loop's thread only."""

    def __init__(self) -> None:
        """Start at 0."""
        self._counts: Counter[RequestKind] = Counter()

    def add(self, kind: RequestKind) -> None:
        """Count a request."""
        self._counts[kind] += 1

    def all(self) -> Mapping[RequestKind, int]:
        """Return the number of requests of each kind."""
        return dict(self._counts)
