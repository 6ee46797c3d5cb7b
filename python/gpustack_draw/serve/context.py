"""The state that the parts of the server share."""

from dataclasses import dataclass

from gpustack_draw.serve.options import ServeOptions
from gpustack_draw.serve.studio import Studio


@dataclass(frozen=True)
class Context:
    """The options and the studio of a server.

    Attributes:
        options: The options.
        studio: Draws for all clients.
    """

    options: ServeOptions
    studio: Studio
