"""A picture in the gallery, and its parameters as fields of a request."""

import io
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, BinaryIO

from gpustack_draw import Parameters, SamplingOptions, read_parameters
from gpustack_draw.errors import UsageError, quoted

_THUMBNAIL_SIDE = 384  # longer side in pixels: twice that on the page, for screens of high density


@dataclass(frozen=True, kw_only=True)
class StoredPicture:
    """A picture in the gallery.

    Attributes:
        id: Its name in addresses; says nothing about its file.
        created: When it was drawn, in seconds since 1970.
        name: The name of its file, without a folder.
        width: Width in pixels.
        height: Height in pixels.
        parameters: How it was drawn.
    """

    id: str
    created: float
    name: str
    width: int
    height: int
    parameters: Parameters

    def to_json(self, served_model: str | None) -> dict[str, Any]:
        """Return the picture as the gallery's API lists it.

        Args:
            served_model: The name that the server has for its model; ``None`` if it does not serve
                that model.
        """
        read = self.parameters
        return {
            "id": self.id,
            "created": int(self.created),
            "name": self.name,
            "width": self.width,
            "height": self.height,
            "model": read.model,
            "served_model": served_model,
            # As text: the largest seeds are not exact as numbers of JavaScript.
            "seed": None if read.seed is None else str(read.seed),
            "from_pictures": bool(read.inputs),
            "fields": request_fields(read),
            "parameters": read.text,
        }


def request_fields(read: Parameters) -> dict[str, Any]:
    """Return the parameters as fields of a request to draw the picture again.

    Without the seed, the model and the input pictures.
    """
    values: dict[str, Any] = {
        "prompt": read.prompt,
        "negative_prompt": read.negative_prompt,
        "size": None if read.size is None else "{}x{}".format(*read.size),
        "sampler": read.sampler,
        "scheduler": read.scheduler,
        **{field.name: getattr(read, field.name) for field in fields(SamplingOptions)},
        **read.hires_options,
        **_plain(read.inputs.options),
    }
    if read.sigmas is not None:  # they are the steps and the schedule
        values["sample_steps"] = values["scheduler"] = None
    return {name: value for name, value in values.items() if value is not None and value != ""}


def _plain(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options as JSON has them: a tuple of numbers as text, as the command takes it."""
    return {
        name: ",".join(map(str, value)) if isinstance(value, tuple) else value
        for name, value in options.items()
    }


def read_stored(file: BinaryIO, *, name: str, picture_id: str, created: float) -> StoredPicture:
    """Read the parameters and the size of a picture.

    Args:
        file: The file; only its headers are read.
        name: Its name.
        picture_id: Its name in addresses.
        created: When it was drawn.

    Raises:
        UsageError: It is not a picture that this program has drawn.
    """
    from PIL import Image

    parameters = read_parameters(file)
    if not parameters.is_of_this_program:
        raise UsageError(f"{quoted(name)} was drawn by another program", argument="picture")
    file.seek(0)
    try:
        with Image.open(file) as image:
            width, height = image.size
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UsageError(f"{quoted(name)} is damaged", argument="picture") from error
    return StoredPicture(
        id=picture_id,
        created=created,
        name=name,
        width=width,
        height=height,
        parameters=parameters,
    )


def thumbnail(data: bytes) -> bytes:
    """Return a small JPEG file of a picture."""
    from PIL import Image

    with Image.open(io.BytesIO(data)) as image:
        image.draft("RGB", (_THUMBNAIL_SIDE, _THUMBNAIL_SIDE))
        small = image.convert("RGB")
    small.thumbnail((_THUMBNAIL_SIDE, _THUMBNAIL_SIDE))
    file = io.BytesIO()
    small.save(file, format="JPEG", quality=85)
    return file.getvalue()
