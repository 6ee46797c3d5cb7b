"""Checks of the functions that callers pass in."""

from collections.abc import Callable

from gpustack_draw.errors import UsageError, quoted
from gpustack_draw.progress.progress import Progress


def check_function(value: object, argument: str) -> None:
    """Check that an argument is a function or None.

    Raises:
        UsageError: It is neither.
    """
    if value is not None and not callable(value):
        raise UsageError(f"{argument} is {type(value).__name__}, not a function: {quoted(value)}")


def checked_progress(
    on_progress: Callable[[Progress], None] | None,
) -> Callable[[Progress], None] | None:
    """Return a progress function whose errors all reach the caller of an iterator.

    Raises:
        UsageError: It is not a function.
    """
    check_function(on_progress, "on_progress")
    if on_progress is None:
        return None

    def call(progress: Progress) -> None:
        try:
            on_progress(progress)
        except StopIteration as error:
            # An iterator that raises it ends as if all pictures were drawn.
            raise UsageError(
                "on_progress raised StopIteration", hint="raise another error to end the drawing"
            ) from error

    return call
