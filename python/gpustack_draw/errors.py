"""The errors that users can expect, each with a hint and an exit status."""


class DrawError(Exception):
    """An expected failure.

    Message and hint name arguments as Python does, such as ``sample_steps=2``; the command prints
    its options instead.

    Attributes:
        message: The problem, with the value as typed. Lower case, no full stop.
        hint: What to do about it; empty for none.
        argument: Name of the argument that it is about, such as ``sample_steps``; ``None`` if it is
            about no single argument.
        exit_status: Exit status of the command.
    """

    exit_status = 1

    def __init__(self, message: str, *, hint: str = "", argument: str | None = None) -> None:
        """Store the message, the hint and the name of the argument."""
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.argument = argument

    def __str__(self) -> str:
        """Return the message, and the hint on a line of its own."""
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
    """A model, or a component of it, does not exist."""

    exit_status = 3


class ModelFileError(DrawError):
    """A model file exists and cannot be used."""

    exit_status = 3


class FetchError(DrawError):
    """A model exists and could not be downloaded."""

    exit_status = 3


class NotYetSupportedError(DrawError):
    """The request is valid, but this version does not support it."""

    exit_status = 3


class EngineError(DrawError):
    """The engine failed."""


class EngineCrashed(EngineError):  # noqa: N818 - "the engine crashed" is how people say it
    """The engine's process ended while it worked.

    Attributes:
        last_lines: The last lines the engine wrote, oldest first.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        argument: str | None = None,
        last_lines: tuple[str, ...] = (),
    ) -> None:
        """Store the message, the hint and the engine's last lines."""
        super().__init__(message, hint=hint, argument=argument)
        self.last_lines = last_lines


class NotEnoughMemoryError(EngineError):
    """The model, or a picture of this size, needs more memory than is free."""


class BlankPictureError(EngineError):
    """The numbers of a picture overflowed, or it has a single color."""


class ServerError(DrawError):
    """A GPUStack server is unavailable, or returned no picture."""


class OutputError(DrawError):
    """The picture could not be written."""

    exit_status = 4

    def __init__(self, message: str, *, hint: str = "", argument: str | None = "path") -> None:
        """Store the message and the hint; the error is about the argument ``path``."""
        super().__init__(message, hint=hint, argument=argument)


def quoted(value: object, *, limit: int = 100) -> str:
    """Return a value for a message: text in quotes, shortened if it is long.

    Args:
        value: The value as the user typed or passed it.
        limit: Maximum length in characters.
    """
    if isinstance(value, str):
        return repr(value) if len(value) <= limit else repr(value[: limit - 3] + "...")
    try:
        text = repr(value)
    except ValueError:  # an int of more digits than Python writes out
        return "a number of thousands of digits"
    return text if len(text) <= limit else text[: limit - 3] + "..."


def _rebuild(error_type: type[DrawError], attributes: dict[str, object]) -> DrawError:
    error = error_type.__new__(error_type)
    error.args = (attributes.get("message", ""),)
    error.__dict__.update(attributes)
    return error
