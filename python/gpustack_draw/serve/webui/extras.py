"""Enlarge pictures, as the web UI's tab "Extras" does, and read their parameters."""

import base64
import io
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio.to_thread

import gpustack_draw
from gpustack_draw.errors import UsageError
from gpustack_draw.serve.studio import Enlarged
from gpustack_draw.serve.webui.body import Body
from gpustack_draw.serve.webui.listings import NO_UPSCALER, PIXEL_UPSCALERS
from gpustack_draw.serve.webui.picture_request import MAX_PICTURES
from gpustack_draw.serve.webui.pictures_in import decode_picture

if TYPE_CHECKING:
    import PIL.Image

    from gpustack_draw.serve.studio import Studio

_MAX_FACTOR_OF_SIZE = 2  # pictures may be larger than drawn ones by it, on both sides
_MAX_FACTOR = 32.0


@dataclass(frozen=True, kw_only=True)
class Enlargement:
    """How a picture is enlarged.

    Attributes:
        upscaler: Name of the upscaler; "None" to leave the picture as it is.
        factor: Factor of both sides; ``None`` if ``size`` decides.
        size: Width and height to reach.
        crops: Whether the edges that ``size`` has no place for are cut off.
    """

    upscaler: str
    factor: float | None
    size: tuple[int, int]
    crops: bool

    def factor_for(self, size: tuple[int, int]) -> float:
        """Return the factor for a picture of a width and height."""
        if self.factor is not None:
            return self.factor
        return max(self.size[0] / size[0], self.size[1] / size[1])


async def enlarge_one(
    studio: "Studio", values: Mapping[str, object], max_size: tuple[int, int]
) -> dict[str, Any]:
    """Answer ``extra-single-image``.

    Args:
        studio: The studio.
        values: The fields of the request.
        max_size: Largest width and height of drawings; pictures may have twice of both.

    Raises:
        DrawError: A value is not allowed, or the upscaling failed.
    """
    body = Body(values)
    how = read_enlargement(body)
    picture = await enlarge(studio, body.values.get("image"), "image", how, max_size)
    return {"html_info": "", "image": picture}


async def enlarge_all(
    studio: "Studio", values: Mapping[str, object], max_size: tuple[int, int]
) -> dict[str, Any]:
    """Answer ``extra-batch-images``, with the arguments of :func:`enlarge_one`.

    Raises:
        DrawError: A value is not allowed, or the upscaling failed.
    """
    body = Body(values)
    how = read_enlargement(body)
    items = body.items("imageList")
    if len(items) > MAX_PICTURES:
        raise UsageError(
            f"{len(items)} pictures are too many for one request",
            hint=f"send at most {MAX_PICTURES}",
            argument="imageList",
        )
    pictures = []
    for item in items:
        data = item.get("data") if isinstance(item, dict) else item
        pictures.append(await enlarge(studio, data, "imageList", how, max_size))
    return {"html_info": "", "images": pictures}


def read_info(values: Mapping[str, object]) -> dict[str, Any]:
    """Answer ``png-info``; a picture without parameters has empty ones.

    Raises:
        UsageError: There is no picture.
    """
    data = decode_picture(Body(values).values.get("image"), "image")
    gpustack_draw.picture_size(data)
    try:
        read = gpustack_draw.read_parameters(data)
    except UsageError:
        return {"info": "", "items": {}, "parameters": {}}
    return {"info": read.text, "items": {"parameters": read.text}, "parameters": _pairs(read)}


def _pairs(read: gpustack_draw.Parameters) -> dict[str, Any]:
    """Return parameters by their names in the web UI."""
    width, height = read.size or (None, None)
    known = {
        "Prompt": read.prompt,
        "Negative prompt": read.negative_prompt,
        "Steps": read.sample_steps,
        "Sampler": gpustack_draw.SAMPLER_TITLES.get(read.sampler, read.sampler) or None,
        "Schedule type": (
            gpustack_draw.SCHEDULER_TITLES.get(read.scheduler, read.scheduler) or None
        ),
        "CFG scale": read.cfg_scale,
        "Distilled CFG Scale": read.guidance,
        "Seed": read.seed,
        "Size-1": width,
        "Size-2": height,
        "Model": read.model or None,
        "Clip skip": read.clip_skip,
    }
    texts = {name: str(value) for name, value in known.items() if value is not None}
    return {**texts, **read.extra}


def read_enlargement(body: Body) -> Enlargement:
    """Read how pictures are enlarged.

    Raises:
        UsageError: A value is not allowed.
    """
    by_size = body.whole("resize_mode") == 1
    factor = body.number("upscaling_resize")
    factor = 2.0 if factor is None else factor
    if not by_size and not 0 < factor <= _MAX_FACTOR:
        raise UsageError(
            f"{factor:g} is not a factor above 0 and up to {_MAX_FACTOR:g}",
            argument="upscaling_resize",
        )
    size = body.whole("upscaling_resize_w"), body.whole("upscaling_resize_h")
    width, height = (512 if side is None else side for side in size)
    if by_size and (width < 1 or height < 1):
        raise UsageError(f"{width}x{height} is not a size", argument="upscaling_resize_w")
    return Enlargement(
        upscaler=body.text("upscaler_1") or NO_UPSCALER,
        factor=None if by_size else factor,
        size=(width, height),
        crops=body.flag("upscaling_crop", default=True),
    )


async def enlarge(
    studio: "Studio", data: object, name: str, how: Enlargement, max_size: tuple[int, int]
) -> str:
    """Enlarge a picture.

    Args:
        studio: The studio.
        data: The picture's file in base64.
        name: Name of its field.
        how: How it is enlarged.
        max_size: Largest width and height of drawings; pictures may have twice of both.

    Returns:
        The PNG file of the result in base64.

    Raises:
        DrawError: The picture or a value is not allowed, or the upscaling failed.
    """
    image = await anyio.to_thread.run_sync(partial(_decode, data, name, how, max_size))
    if how.upscaler != NO_UPSCALER:
        factor = how.factor_for(image.size)
        if how.upscaler in PIXEL_UPSCALERS:
            image = await anyio.to_thread.run_sync(_resize, image, factor, how.upscaler)
        else:
            async with aclosing(studio.upscale(how.upscaler, image, factor)) as events:
                async for event in events:
                    if isinstance(event, Enlarged):
                        image = event.image
        if how.factor is None and how.crops:
            image = _cropped(image, how.size)
    return await anyio.to_thread.run_sync(partial(_encode, image))


def _decode(
    data: object, name: str, how: Enlargement, max_size: tuple[int, int]
) -> "PIL.Image.Image":
    """Decode a picture, unless it or the result is too large."""
    import PIL.Image

    file = decode_picture(data, name)
    size = gpustack_draw.picture_size(file)
    largest = (max_size[0] * _MAX_FACTOR_OF_SIZE, max_size[1] * _MAX_FACTOR_OF_SIZE)
    _check_size("the picture", size, largest, name)
    if how.upscaler != NO_UPSCALER:
        factor = how.factor_for(size)
        result = (round(size[0] * factor), round(size[1] * factor))
        _check_size("the enlarged picture", result, largest, "upscaling_resize")
    picture = gpustack_draw.read_picture(file)
    image = PIL.Image.fromarray(picture.pixels)
    if picture.alpha is not None:
        image.putalpha(PIL.Image.fromarray(picture.alpha))
    return image


def _check_size(title: str, size: tuple[int, int], largest: tuple[int, int], argument: str) -> None:
    if size[0] > largest[0] or size[1] > largest[1]:
        raise UsageError(
            f"{title} has {size[0]}x{size[1]} pixels, more than {largest[0]}x{largest[1]}",
            hint="choose a smaller size",
            argument=argument,
        )


def _resize(image: "PIL.Image.Image", factor: float, upscaler: str) -> "PIL.Image.Image":
    import PIL.Image

    methods = {"Lanczos": PIL.Image.Resampling.LANCZOS, "Nearest": PIL.Image.Resampling.NEAREST}
    width, height = (max(1, round(side * factor)) for side in image.size)
    return image.resize((width, height), methods[upscaler])


def _cropped(image: "PIL.Image.Image", size: tuple[int, int]) -> "PIL.Image.Image":
    """Return the middle of an image."""
    width, height = (min(pair) for pair in zip(size, image.size, strict=True))
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))


def _encode(image: "PIL.Image.Image") -> str:
    """Return a PNG file in base64, with the parameters that the upscaler has written."""
    if isinstance(image.info.get("parameters"), str):
        return base64.b64encode(gpustack_draw.encode(image, ".png")).decode("ascii")
    file = io.BytesIO()
    image.save(file, format="PNG")
    return base64.b64encode(file.getvalue()).decode("ascii")
