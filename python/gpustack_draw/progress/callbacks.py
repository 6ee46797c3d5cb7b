"""Types and checks of callback functions."""

from collections.abc import Callable

from gpustack_draw.errors import UsageError, quoted
from gpustack_draw.progress.progress import Progress

ProgressFunction = Callable[[Progress], None]
# Receives the level and the text of a line.
LogFunction = Callable[[str, str], None]


def check_function(value: object, argument: str) -> None:
    """Check that a callback is a function or None.

    Args:
        value: The callback.
        argument: Name of the argument, for the message.

    Raises:
        UsageError: It is neither.
    """
    if value is not None and not callable(value):
        raise UsageError(
            f"{argument} is {type(value).__name__}, not a function: {quoted(value)}",
            argument=argument,
        )


def checked_progress(
    on_progress: ProgressFunction | None,
) -> ProgressFunction | None:
    """Wrap a progress function so that all its errors reach the caller of an iterator.

    Raises:
        UsageError: It is neither a function nor None.
    """
    check_function(on_progress, "on_progress")
    if on_progress is None:
        return None

    def call(progress: Progress) -> None:
        try:
            on_progress(progress)
        except StopIteration as error:
            # Raised inside an iterator, it would end the iteration as if all pictures were drawn.
            raise UsageError(
                "on_progress raised StopIteration",
                hint="raise another error to end the drawing",
                argument="on_progress",
            ) from error

    return call
