"""The addresses that the Krita plugin auto-sd-paint-ext draws with.

The plugin brings an extension for AUTOMATIC1111's web UI, whose addresses are below
``/sdapi/interpause``; names and rules are those of its backend (backend/app.py, backend/config.py
of Interpause/auto-sd-paint-ext). It draws near the size that models were trained for, and scales
the picture to the selection in the document.
"""

import json
import math
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio.to_thread

import gpustack_draw
from gpustack_draw import SAMPLER_TITLES
from gpustack_draw.errors import UsageError
from gpustack_draw.serve.webui import picture_request
from gpustack_draw.serve.webui.body import Body
from gpustack_draw.serve.webui.drawing import Finish, draw_pictures, info_of
from gpustack_draw.serve.webui.extras import Enlargement, enlarge
from gpustack_draw.serve.webui.listings import NO_UPSCALER, PIXEL_UPSCALERS
from gpustack_draw.serve.webui.picture_request import PictureRequest
from gpustack_draw.serve.webui.pictures_in import decode_picture

if TYPE_CHECKING:
    import PIL.Image

    from gpustack_draw.serve.studio import Studio

Size = tuple[int, int]
ReadRequest = Callable[[Mapping[str, object]], tuple[PictureRequest, Finish]]

_STRIDE = 8  # the plugin draws in multiples of it
_MAX_SIDE = 8192
_MAX_PIXELS = 16_000_000  # of a selection, which each picture is scaled to
_MAX_STEPS = 10_000
# Its fields that have the same meaning in the web UI's API, and their names there.
_SAME = {
    "prompt": "prompt",
    "negative_prompt": "negative_prompt",
    "sampler_name": "sampler_name",
    "steps": "steps",
    "cfg_scale": "cfg_scale",
    "seed": "seed",
    "clip_skip": "clip_skip",
    "tiling": "tiling",
    "batch_count": "n_iter",
    "batch_size": "batch_size",
    "denoising_strength": "denoising_strength",
    "restore_faces": "restore_faces",
    "script": "script_name",
}


# The field that sets an argument of the library, for messages.
FIELD_OF: Mapping[str, str] = {
    **picture_request.FIELD_OF,
    "size": "base_size",
    "count": "batch_count",
    "n_iter": "batch_count",
    "image": "src_img",
    "init_images": "src_img",
    "mask": "mask_img",
    "mask_invert": "invert_mask",
    "script_name": "script",
    "hires": "orig_width",
    "hires_upscaler": "upscaler_name",
}


def config_record(models: Iterable[str], upscalers: Iterable[str]) -> dict[str, Any]:
    """Return the answer of ``config``, in which no list may be empty.

    Args:
        models: Names of the models.
        upscalers: Names of the upscaling models.
    """
    samplers = list(SAMPLER_TITLES.values())
    return {
        "sample_path": "",
        "save_samples": False,
        "upscalers": [NO_UPSCALER, *PIXEL_UPSCALERS, *upscalers],
        "samplers": samplers,
        "samplers_img2img": samplers,
        "scripts_txt2img": {"None": []},
        "scripts_img2img": {"None": []},
        "face_restorers": ["None"],
        "sd_models": list(models),
        "sd_vaes": ["None", "Automatic"],
    }


async def answer_drawing(
    studio: "Studio",
    values: Mapping[str, object],
    read: ReadRequest,
    default_model: str,
) -> bytes:
    """Answer ``txt2img`` or ``img2img``.

    Args:
        studio: The studio.
        values: The fields of the request.
        read: :func:`read_text_to_image` or :func:`read_image_to_image`.
        default_model: Name of the model where the request names none.

    Raises:
        DrawError: The request is not allowed, or the drawing failed.
    """
    asked, finish = await anyio.to_thread.run_sync(partial(read, values))
    pictures = await draw_pictures(studio, asked, default_model=default_model, finish=finish)
    answer = {"outputs": [each.data for each in pictures], "info": info_of(asked, pictures)}
    return await anyio.to_thread.run_sync(lambda: json.dumps(answer).encode("ascii"))


def read_text_to_image(values: Mapping[str, object]) -> tuple[PictureRequest, Finish]:
    """Read the fields of ``txt2img``.

    Returns:
        The request, and the function that scales a picture to the selection.

    Raises:
        UsageError: A value is not allowed.
    """
    body = Body(values)
    target = _target(body)
    fields = {**_fields(body), **_drawn_size(body, target)}
    if body.flag("highres_fix"):
        fields |= {"enable_hr": True, "hr_upscaler": body.text("upscaler_name")}
        fields |= {"hr_resize_x": target[0], "hr_resize_y": target[1]}
    asked = picture_request.text_to_image(fields)
    return asked, partial(_resized, size=target)


def read_image_to_image(values: Mapping[str, object]) -> tuple[PictureRequest, Finish]:
    """Read the fields of ``img2img``, for a whole picture or its masked part.

    Returns:
        The request, and the function that makes a picture fit the document.

    Raises:
        UsageError: A value or a picture is not allowed.
    """
    body = Body(values)
    file = decode_picture(body.values.get("src_img"), "src_img")
    target = _checked_target(gpustack_draw.picture_size(file), "src_img")
    fields = {
        **_fields(body),
        **_drawn_size(body, target),
        "init_images": [body.values.get("src_img")],
        "steps": _exact_steps(body),
    }
    if not body.flag("is_inpaint"):
        return picture_request.image_to_image(fields), partial(_resized, size=target)
    inverted = body.flag("invert_mask")
    fields |= {
        "mask": body.values.get("mask_img"),
        "mask_blur": 0,
        "inpaint_full_res": False,
        "inpainting_mask_invert": inverted,
    }
    mask = _read_mask(body.values.get("mask_img"), target, inverted=inverted)
    return picture_request.image_to_image(fields), partial(_cut_out, mask=mask)


async def answer_upscale(
    studio: "Studio", values: Mapping[str, object], max_size: Size
) -> dict[str, Any] | None:
    """Answer ``upscale``; ``None`` without an upscaler.

    Raises:
        DrawError: The request is not allowed, or the upscaling failed.
    """
    body = Body(values)
    upscaler = body.text("upscaler_name", NO_UPSCALER)
    if upscaler == NO_UPSCALER:
        return None
    factor = 4.0 * (0.5 if body.flag("downscale_first") else 1)
    how = Enlargement(upscaler=upscaler, factor=factor, size=(1, 1), crops=False)
    return {"output": await enlarge(studio, body.values.get("src_img"), "src_img", how, max_size)}


def drawn_size(target: Size, *, base: int, largest: int) -> Size:
    """Return the size to draw for a size in the document.

    The shorter side is that of the pictures that models were trained for; the longer one is at most
    the largest that they draw well.

    Args:
        target: Width and height in the document.
        base: Shorter side in pixels.
        largest: Longest side in pixels.
    """
    short, long = sorted(target)
    longer = _rounded_up(base * long / short)
    sides = (base, longer)
    if longer > largest:
        sides = (_rounded_up(largest * short / long), largest)
    return sides if target[0] <= target[1] else sides[::-1]


def _rounded_up(side: float) -> int:
    return math.ceil(side / _STRIDE) * _STRIDE


def _fields(body: Body) -> dict[str, object]:
    """Return the fields of the web UI's API that stand for those of the plugin."""
    fields = {name: body.values[own] for own, name in _SAME.items() if own in body.values}
    model = body.text("sd_model")
    return {**fields, "override_settings": {"sd_model_checkpoint": model}} if model else fields


def _target(body: Body) -> Size:
    size = body.whole("orig_width") or 0, body.whole("orig_height") or 0
    return _checked_target(size, "orig_width")


def _checked_target(size: Size, name: str) -> Size:
    width, height = size
    if width < 1 or height < 1:
        raise UsageError(f"{width}x{height} is not a size", argument=name)
    if max(size) > _MAX_SIDE or width * height > _MAX_PIXELS:
        raise UsageError(
            f"a selection of {width}x{height} pixels is too large",
            hint=f"select at most {_MAX_PIXELS // 10**6} megapixels",
            argument=name,
        )
    return size


def _drawn_size(body: Body, target: Size) -> dict[str, int]:
    base, largest = body.whole("base_size") or 512, body.whole("max_size") or 768
    for name, side in (("base_size", base), ("max_size", largest)):
        if not 0 < side <= _MAX_SIDE:
            raise UsageError(f"{side} is not a side from 1 to {_MAX_SIDE}", argument=name)
    if body.flag("disable_sddebz_highres"):
        width, height = map(_rounded_up, target)
    else:
        width, height = drawn_size(target, base=base, largest=largest)
    return {"width": width, "height": height}


def _exact_steps(body: Body) -> int | None:
    """Return the steps of a whole drawing whose share, the strength, is the number asked for."""
    steps, strength = body.whole("steps"), body.number("denoising_strength")
    if not steps or not strength or not body.flag("do_exact_steps", default=True):
        return steps
    return min(_MAX_STEPS, round(steps / min(1.0, max(0.01, strength))))


def _read_mask(value: object, size: Size, *, inverted: bool) -> "PIL.Image.Image":
    """Return the layer of the mask: the opaque part of it is redrawn."""
    import PIL.Image
    import PIL.ImageOps

    file = decode_picture(value, "mask_img")
    found = gpustack_draw.picture_size(file, role="mask")
    if found != size:
        raise UsageError(
            f"the mask has {found[0]}x{found[1]} pixels, and the picture {size[0]}x{size[1]}",
            argument="mask_img",
        )
    picture = gpustack_draw.read_picture(file, role="mask")
    if picture.alpha is None:
        mask = PIL.Image.fromarray(picture.pixels).convert("L")
    else:
        mask = PIL.Image.fromarray(picture.alpha)
    return PIL.ImageOps.invert(mask) if inverted else mask


def _resized(image: "PIL.Image.Image", *, size: Size) -> "PIL.Image.Image":
    import PIL.Image

    return image.resize(size, PIL.Image.Resampling.LANCZOS) if image.size != size else image


def _cut_out(image: "PIL.Image.Image", *, mask: "PIL.Image.Image") -> "PIL.Image.Image":
    """Return the redrawn part in the document's size; the rest is transparent."""
    image = _resized(image, size=mask.size)
    image.putalpha(mask)
    return image
