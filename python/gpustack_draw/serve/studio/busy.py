"""The errors of a server that cannot draw yet, and can later."""

from gpustack_draw import Raster
from gpustack_draw.errors import DrawError


class BusyError(DrawError):
    """The server cannot draw now; the same request can succeed later.

    Attributes:
        code: Name of the reason for programs.
        retry_after: Seconds after which the client should try again, at least 1.
    """

    code = "busy"

    def __init__(self, message: str, *, hint: str = "", retry_after: int = 1) -> None:
        """Store the message, the hint and the seconds."""
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class QueueFullError(BusyError):
    """The queue has its maximum length."""

    code = "queue_full"


class NotLoadedError(BusyError):
    """The server still loads its first model."""

    code = "loading"


class StoppingError(BusyError):
    """The server stops."""

    code = "stopping"


class TimeLimitError(DrawError):
    """A request took longer than the server allows."""


class InterruptedDrawingError(DrawError):
    """A client has ended the drawing that ran, whoever had asked for it.

    Attributes:
        preview: The last preview of the picture that was drawn; ``None`` without any.
    """

    def __init__(self, message: str, *, preview: Raster | None = None) -> None:
        """Store the message and the preview."""
        super().__init__(message)
        self.preview = preview
