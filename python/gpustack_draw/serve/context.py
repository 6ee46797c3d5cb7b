"""The state that the parts of the server share."""

from dataclasses import dataclass, field

from gpustack_draw.serve.http.request_counts import RequestCounts
from gpustack_draw.serve.options import ServeOptions
from gpustack_draw.serve.studio import Studio


@dataclass(frozen=True)
class Context:
    """The options and the studio of a server.

    Attributes:
        options: The options.
        studio: Draws for all clients.
        request_counts: Requests since the start.
    """

    options: ServeOptions
    studio: Studio
    request_counts: RequestCounts = field(default_factory=RequestCounts)
