"""The end of a drawing whose picture could not be enlarged, without losing the picture."""

from collections.abc import Iterator
from contextlib import contextmanager

from gpustack_draw.errors import DrawError, EngineError
from gpustack_draw.phrases import phrase
from gpustack_draw.pictures.picture import Picture


class NotEnlargedError(EngineError):
    """A picture was drawn, and could not be enlarged.

    Either the upscaling model of ``upscale`` or the second pass of ``hires`` failed;
    ``__cause__`` is its error.

    Attributes:
        picture: The picture as it was drawn; its method ``to_image`` returns a PIL image.
    """

    def __init__(
        self, message: str, *, picture: Picture, hint: str = "", argument: str | None = "upscale"
    ) -> None:
        """Store the message, the hint, the name of the argument and the picture."""
        super().__init__(message, hint=hint, argument=argument)
        self.picture = picture


@contextmanager
def keep_drawn(picture: Picture, *, problem: str, argument: str) -> Iterator[None]:
    """Attach a drawn picture to the error or interruption that ends its enlarging.

    Args:
        picture: The picture as it was drawn.
        problem: The problem, to which the message of the error is added.
        argument: Name of the argument that asks for the enlarging.

    Raises:
        NotEnlargedError: The block has raised a DrawError. Anything else that it raises, such as
            KeyboardInterrupt, gets an attribute ``picture``.
    """
    try:
        yield
    except DrawError as error:
        raise NotEnlargedError(
            phrase("{}: {}", problem, error.message),
            hint=error.hint,
            picture=picture,
            argument=argument,
        ) from error
    except BaseException as end:
        vars(end)["picture"] = picture
        raise


def drawn_before(end: BaseException) -> Picture | None:
    """Return the picture whose enlarging an error or an interruption has ended, if it did."""
    picture = getattr(end, "picture", None)
    return picture if isinstance(picture, Picture) else None
