"""Draw the pictures of txt2img and img2img."""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio.to_thread

import gpustack_draw
from gpustack_draw import Picture
from gpustack_draw.serve.log import LOGGER
from gpustack_draw.serve.png_file import png_file
from gpustack_draw.serve.studio import Drawn, InterruptedDrawingError
from gpustack_draw.serve.webui.drawing_info import DrawnPicture, drawing_info
from gpustack_draw.serve.webui.picture_request import PictureRequest

if TYPE_CHECKING:
    import PIL.Image

    from gpustack_draw.serve.studio import Studio


ReadRequest = Callable[[Mapping[str, object]], PictureRequest]
Finish = Callable[["PIL.Image.Image"], "PIL.Image.Image"]


async def answer_drawing(
    studio: "Studio", values: Mapping[str, object], read: ReadRequest, *, default_model: str
) -> bytes:
    """Draw the pictures of a request.

    Args:
        studio: The studio.
        values: The fields of the request.
        read: Reads them.
        default_model: Name of the model where the request names none.

    Returns:
        The answer as JSON. It has the finished pictures if the drawing was interrupted.

    Raises:
        DrawError: The request is not allowed, or the drawing failed.
    """
    asked = await anyio.to_thread.run_sync(read, values)
    pictures = await draw_pictures(studio, asked, default_model=default_model)
    return await anyio.to_thread.run_sync(partial(_answer, asked, pictures))


async def draw_pictures(
    studio: "Studio", asked: PictureRequest, *, default_model: str, finish: Finish | None = None
) -> list[DrawnPicture]:
    """Draw pictures; the finished ones if the drawing is interrupted.

    Args:
        studio: The studio.
        asked: The request.
        default_model: Name of the model where the request names none.
        finish: Changes each picture before it is encoded, in a thread of its own.

    Raises:
        DrawError: The request is not allowed, or the drawing failed.
    """
    if asked.ignored:
        LOGGER.info("fields without effect: %s", ", ".join(asked.ignored))
    model = studio.find(asked.model or default_model)
    pictures: list[DrawnPicture] = []
    try:
        drawn = studio.draw(model, asked.request, preview=True, progress=False)
        async with aclosing(drawn) as events:
            async for event in events:
                if isinstance(event, Drawn):
                    encode = partial(_encode, event.picture, model.name, finish)
                    pictures.append(await anyio.to_thread.run_sync(encode))
    except InterruptedDrawingError:
        LOGGER.info("interrupted after %d of %d pictures", len(pictures), asked.request.count)
    return pictures


def info_of(asked: PictureRequest, pictures: Sequence[DrawnPicture]) -> str:
    """Return the JSON text that tells how pictures were drawn."""
    version = f"gpustack-draw {gpustack_draw.__version__}"
    return drawing_info(pictures, batch_size=asked.batch_size, version=version)


def _encode(picture: Picture, model: str, finish: Finish | None) -> DrawnPicture:
    image = picture.to_image()
    text = image.info["parameters"]
    if finish is None:
        data = png_file(picture)
    else:
        image = finish(image)
        image.info["parameters"] = text
        data = gpustack_draw.encode(image, fast=True)
    return DrawnPicture(
        settings=picture.settings,
        model=model,
        size=image.size,
        text=text,
        data=base64.b64encode(data).decode("ascii"),
    )


def _answer(asked: PictureRequest, pictures: Sequence[DrawnPicture]) -> bytes:
    answer: dict[str, Any] = {
        "images": [picture.data for picture in pictures] if asked.sends_images else [],
        "parameters": asked.echo,
        "info": info_of(asked, pictures),
    }
    return json.dumps(answer).encode("ascii")
