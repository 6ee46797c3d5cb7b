"""Every error a user can expect, with its exit status and a hint on what to type."""


class DrawError(Exception):
    """An expected failure: what is wrong, and what to do about it.

    Attributes:
        message: What is wrong, with the value as typed. Lower case, no full stop.
        hint: What to type or change; empty when there is nothing to say.
        exit_status: What the command ends with.
    """

    exit_status = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        """Keep the message and the hint."""
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        """Give the message, and the hint on a line of its own."""
        return f"{self.message}\n{self.hint}" if self.hint else self.message

    def _render_traceback_(self) -> list[str]:
        """Return the lines that IPython shows instead of the traceback."""
        return f"{type(self).__name__}: {self}".splitlines()

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle with every attribute: the worker process sends its errors to its parent."""
        return _rebuild, (type(self), self.__dict__.copy())


class UsageError(DrawError, ValueError):
    """The command line, or an argument of the library, is wrong."""

    exit_status = 2


class ModelNotFoundError(DrawError):
    """There is no such model, or a part of it is missing."""

    exit_status = 3


class ModelFileError(DrawError):
    """A model file is there, but cannot be used."""

    exit_status = 3


class FetchError(DrawError):
    """A model is there, but could not be fetched."""

    exit_status = 3


class NotYetSupportedError(DrawError):
    """The request is understood, but this version cannot do it."""

    exit_status = 3


class EngineError(DrawError):
    """The engine failed."""


class EngineCrashed(EngineError):  # noqa: N818 - "the engine crashed" is how people say it
    """The engine's process ended while it worked.

    Attributes:
        last_lines: The last lines the engine wrote, oldest first.
    """

    def __init__(self, message: str, *, hint: str = "", last_lines: tuple[str, ...] = ()) -> None:
        """Keep the message, the hint and the engine's last words."""
        super().__init__(message, hint=hint)
        self.last_lines = last_lines


class NotEnoughMemoryError(EngineError):
    """The model, or a picture of this size, needs more memory than is free."""


class BlankPictureError(EngineError):
    """The numbers of a picture overflowed, or it has one single color."""


class ServerError(DrawError):
    """A GPUStack server cannot be asked, or gave no picture."""


class OutputError(DrawError):
    """The picture could not be written."""

    exit_status = 4


def quoted(value: object, *, limit: int = 100) -> str:
    """Write a value for a message: in quotes, as typed, shortened when it is long.

    Args:
        value: What the user gave; text comes out in quotes.
        limit: The most characters to show of it.
    """
    if isinstance(value, str):
        return repr(value) if len(value) <= limit else repr(value[: limit - 3] + "...")
    try:
        text = repr(value)
    except ValueError:  # an int of more digits than Python writes out
        return "a number of thousands of digits"
    return text if len(text) <= limit else text[: limit - 3] + "..."


def _rebuild(kind: type[DrawError], attributes: dict[str, object]) -> DrawError:
    error = kind.__new__(kind)
    error.args = (attributes.get("message", ""),)
    error.__dict__.update(attributes)
    return error
