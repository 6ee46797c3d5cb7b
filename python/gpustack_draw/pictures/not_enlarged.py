"""The error of a picture that was drawn, and could not be enlarged."""

from gpustack_draw.errors import EngineError
from gpustack_draw.pictures.picture import Picture


class NotEnlargedError(EngineError):
    """A picture was drawn, and could not be enlarged by the upscaling model of ``upscale``.

    Attributes:
        picture: The picture as it was drawn; its method ``to_image`` returns a PIL image.
    """

    def __init__(
        self, message: str, *, picture: Picture, hint: str = "", argument: str | None = "upscale"
    ) -> None:
        """Store the message, the hint, the name of the argument and the picture."""
        super().__init__(message, hint=hint, argument=argument)
        self.picture = picture
