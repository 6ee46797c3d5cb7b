"""Draw the pictures of txt2img and img2img."""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio.to_thread

import gpustack_draw
from gpustack_draw import DrawSettings, Picture, Raster
from gpustack_draw.serve.log import LOGGER
from gpustack_draw.serve.png_file import png_file
from gpustack_draw.serve.studio import Accepted, Drawn, InterruptedDrawingError
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
        The answer as JSON; see :func:`draw_pictures` for that of an interrupted drawing.

    Raises:
        DrawError: The request is not allowed, or the drawing failed.
    """
    asked = await anyio.to_thread.run_sync(read, values)
    pictures = await draw_pictures(studio, asked, default_model=default_model)
    return await anyio.to_thread.run_sync(partial(_answer, asked, pictures))


async def draw_pictures(
    studio: "Studio", asked: PictureRequest, *, default_model: str, finish: Finish | None = None
) -> list[DrawnPicture]:
    """Draw pictures.

    If the drawing is interrupted, the last one is a preview in the size of the finished picture, as
    web UIs answer, unless only a part of a picture was drawn.

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
    if asked.control_net:
        studio.references.check_control_net(asked.control_net)
    pictures: list[DrawnPicture] = []
    settings: tuple[DrawSettings, ...] = ()
    try:
        drawn = studio.draw(model, asked.request, preview=True, progress=False)
        async with aclosing(drawn) as events:
            async for event in events:
                if isinstance(event, Accepted):
                    settings = event.settings
                elif isinstance(event, Drawn):
                    encode = partial(_encode, event.picture, model.name, finish)
                    pictures.append(await anyio.to_thread.run_sync(encode))
    except InterruptedDrawingError as error:
        LOGGER.info("interrupted after %d of %d pictures", len(pictures), asked.request.count)
        is_whole = asked.request.pictures.masked_only is None
        if error.preview is not None and is_whole and len(pictures) < len(settings):
            half = _unfinished(error.preview, settings[len(pictures)], model.name)
            encode = partial(_encode, half, model.name, finish)
            pictures.append(await anyio.to_thread.run_sync(encode))
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


def _unfinished(preview: Raster, settings: DrawSettings, model: str) -> Picture:
    """Return a preview in the size of the finished picture, with its parameters."""
    last = settings.hires or settings
    image = preview.to_image().resize((last.width, last.height))
    return Picture(
        image.tobytes(),
        settings,
        model=model,
        family="",
        device="",
        seconds={},
        size=image.size,
    )


def _answer(asked: PictureRequest, pictures: Sequence[DrawnPicture]) -> bytes:
    answer: dict[str, Any] = {
        "images": [picture.data for picture in pictures] if asked.sends_images else [],
        "parameters": asked.echo,
        "info": info_of(asked, pictures),
    }
    return json.dumps(answer).encode("ascii")
