"""Draws for the clients of the server."""

from gpustack_draw.serve.studio.busy import (
    BusyError,
    InterruptedDrawingError,
    NotLoadedError,
    QueueFullError,
    StoppingError,
    TimeLimitError,
)
from gpustack_draw.serve.studio.events import (
    Accepted,
    Current,
    Drawn,
    Enlarged,
    Event,
    LoadState,
    Queued,
    Statistics,
    UpscaleEvent,
)
from gpustack_draw.serve.studio.picture_uses import PictureUses
from gpustack_draw.serve.studio.served_models import ServedModel
from gpustack_draw.serve.studio.studio import Studio

__all__ = [
    "Accepted",
    "BusyError",
    "Current",
    "Drawn",
    "Enlarged",
    "Event",
    "InterruptedDrawingError",
    "LoadState",
    "NotLoadedError",
    "PictureUses",
    "QueueFullError",
    "Queued",
    "ServedModel",
    "Statistics",
    "StoppingError",
    "Studio",
    "TimeLimitError",
    "UpscaleEvent",
]
