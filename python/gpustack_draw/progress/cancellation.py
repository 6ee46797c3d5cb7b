"""The end of drawings that another thread asks for."""

import threading

from gpustack_draw.errors import EngineError
from gpustack_draw.progress.callbacks import ProgressFunction
from gpustack_draw.progress.progress import Progress


class Cancellation:
    """Ends the drawings that were begun with it, once it is requested from any thread."""

    def __init__(self) -> None:
        """Create a cancellation that is not requested."""
        self._event = threading.Event()

    def request(self) -> None:
        """End the drawings."""
        self._event.set()

    def check(self) -> None:
        """Check that it is not requested.

        Raises:
            EngineError: It is.
        """
        if self._event.is_set():
            raise EngineError("the drawing was canceled")

    def checked(self, on_progress: ProgressFunction | None) -> ProgressFunction | None:
        """Return a progress function that ends its drawing once this is requested."""
        if on_progress is None:
            return None

        def report(progress: Progress) -> None:
            self.check()
            on_progress(progress)

        return report
