"""Build the request for pictures from the fields of txt2img and img2img.

Names and defaults are those of AUTOMATIC1111's web UI 1.10 (modules/processing.py,
modules/api/models.py) and of its fork Forge (``distilled_cfg_scale``). Steps, guidance, sampler and
size are those of the model where the client leaves them out.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from gpustack_draw import DrawRequest, PictureOptions
from gpustack_draw.errors import UsageError
from gpustack_draw.serve.webui.body import Body
from gpustack_draw.serve.webui.control_unit import CONTROL_NET, ControlUnit, read_control_unit
from gpustack_draw.serve.webui.pictures_in import decode_picture

MAX_PICTURES = 16  # the answer holds all of them

# The field that sets an argument of the library, for messages.
FIELD_OF: Mapping[str, str] = {
    "sample_steps": "steps",
    "size": "width",
    "count": "batch_size",
    "sampler": "sampler_name",
    "guidance": "distilled_cfg_scale",
    "img_cfg_scale": "image_cfg_scale",
    "tile": "tiling",
    "image": "init_images",
    "strength": "denoising_strength",
    "hires_strength": "denoising_strength",
    "fit": "resize_mode",
    "mask_invert": "inpainting_mask_invert",
    "masked_only": "inpaint_full_res",
    "control_image": "alwayson_scripts",
    "control_strength": "weight",
    "control_net": "serve --control-net",
    "hires": "hr_scale",
    "hires_upscaler": "hr_upscaler",
    "hires_steps": "hr_second_pass_steps",
}

_DEFAULT_SIDE = 512
_FITS = {0: "stretch", 1: "crop", 2: "pad", 3: "stretch"}
# Fields that would change a picture, and the values that leave it as it is.
_WITHOUT_EFFECT: Mapping[str, tuple[object, ...]] = {
    "styles": ([], [""], ["None"]),
    "restore_faces": (False,),
    "subseed_strength": (0,),
    "refiner_checkpoint": ("", "None"),
    "infotext": ("",),
    "hr_checkpoint_name": ("", "Use same checkpoint"),
    "hr_sampler_name": ("", "Use same sampler"),
    "hr_scheduler": ("", "Use same scheduler"),
    "hr_prompt": ("",),
    "hr_negative_prompt": ("",),
}


@dataclass(frozen=True, kw_only=True)
class PictureRequest:
    """A request for pictures, and how the client wants the answer.

    Attributes:
        request: The request.
        model: Name of the model; empty for the server's current one.
        control_net: Name of the ControlNet; empty for that of the model.
        batch_size: Pictures of one batch, which only the answer repeats.
        sends_images: Whether the answer has the pictures.
        echo: The fields of the request that the answer repeats.
        ignored: Names of fields that have no effect here.
    """

    request: DrawRequest
    model: str
    control_net: str
    batch_size: int
    sends_images: bool
    echo: Mapping[str, object]
    ignored: tuple[str, ...]


def text_to_image(values: Mapping[str, object]) -> PictureRequest:
    """Read the fields of txt2img.

    Raises:
        UsageError: A value is not allowed.
    """
    body = Body(values)
    options = {**_common(body), **_second_pass(body)}
    unit = read_control_unit(body)
    if unit is not None:
        fit = None if options["size"] is None else unit.fit
        options["pictures"] = PictureOptions(**unit.pictures, fit=fit)
    return _picture_request(body, options, unit)


def image_to_image(values: Mapping[str, object]) -> PictureRequest:
    """Read the fields of img2img.

    Raises:
        UsageError: A value is not allowed, or there is no picture.
    """
    body = Body(values)
    images = body.items("init_images")
    if not images:
        raise UsageError("there is no picture to start from", argument="init_images")
    options = _common(body)
    unit = read_control_unit(body, images[0])
    mask = body.values.get("mask") or None
    pictures = PictureOptions(
        image=[decode_picture(image, "init_images") for image in images],
        strength=body.number("denoising_strength"),
        fit=None if options["size"] is None else _fit(body),
        **({} if mask is None else _mask_options(body, mask)),
        **({} if unit is None else unit.pictures),
    )
    return _picture_request(body, {**options, "pictures": pictures}, unit)


def _picture_request(
    body: Body, options: Mapping[str, Any], unit: ControlUnit | None
) -> PictureRequest:
    _refuse_script(body)
    overrides = body.part("override_settings")
    ignored = (name for name in _WITHOUT_EFFECT if _would_change(body, name))
    return PictureRequest(
        request=DrawRequest(**options),
        model=overrides.text("sd_model_checkpoint"),
        control_net="" if unit is None else unit.model,
        batch_size=_whole(body, "batch_size", 1),
        sends_images=body.flag("send_images", default=True),
        echo=_echo(body),
        ignored=(*ignored, *_other_scripts(body), *(() if unit is None else unit.ignored)),
    )


def _common(body: Body) -> dict[str, Any]:
    """Return the arguments of txt2img and of img2img alike."""
    return {
        "prompt": body.text("prompt"),
        "negative_prompt": body.text("negative_prompt"),
        "size": _size(body),
        "count": _count(body),
        "seed": body.whole("seed"),
        # Open WebUI cannot leave the field out, but send 0.
        "sample_steps": body.whole("steps") or None,
        "cfg_scale": body.number("cfg_scale"),
        "guidance": body.number("distilled_cfg_scale"),
        "img_cfg_scale": body.number("image_cfg_scale"),
        "sampler": body.text("sampler_name") or body.text("sampler_index") or None,
        "scheduler": body.text("scheduler") or None,
        "eta": body.number("eta"),
        "clip_skip": _clip_skip(body),
        "tile": "both" if body.flag("tiling") else None,
    }


def _size(body: Body) -> tuple[int, int] | None:
    if not body.values.keys() & {"width", "height"}:
        return None
    return _whole(body, "width", _DEFAULT_SIDE), _whole(body, "height", _DEFAULT_SIDE)


def _count(body: Body) -> int:
    batches, size = _whole(body, "n_iter", 1), _whole(body, "batch_size", 1)
    for name, number in (("n_iter", batches), ("batch_size", size)):
        if number < 1:
            raise UsageError(f"{number} is not a number of pictures", argument=name)
    if batches * size > MAX_PICTURES:
        raise UsageError(
            f"{batches * size} pictures are too many for one request",
            hint=f"ask for at most {MAX_PICTURES}",
            argument="batch_size" if size > 1 else "n_iter",
        )
    return batches * size


def _whole(body: Body, name: str, default: int) -> int:
    number = body.whole(name)
    return default if number is None else number


def _clip_skip(body: Body) -> int | None:
    """Return the layer of CLIP; the web UI's 1, its default, stands for the model's own."""
    own = body.whole("clip_skip")
    layers = (
        body.part("override_settings").whole("CLIP_stop_at_last_layers") if own is None else own
    )
    return None if layers is None or layers <= 1 else layers


def _second_pass(body: Body) -> dict[str, Any]:
    """Return the arguments of the second pass; empty without one."""
    if not body.flag("enable_hr"):
        return {}
    scale = _scale(body)
    if scale <= 1:
        return {}
    strength = body.number("denoising_strength")
    upscaler = body.text("hr_upscaler")
    options: dict[str, Any] = {"hires": scale, "hires_strength": strength}
    if upscaler not in ("", "None"):
        # As a path, an unknown name is passed on without a look at the files of this machine.
        options["hires_upscaler"] = PurePosixPath(upscaler)
    # The web UI counts the steps of a whole drawing; the share that the strength names is run.
    steps = body.whole("hr_second_pass_steps")
    if steps:
        options["hires_steps"] = max(1, int(steps * (0.5 if strength is None else strength)))
    return options


def _scale(body: Body) -> float:
    """Return the factor of the second pass, which may be written as a size."""
    width, height = _size(body) or (_DEFAULT_SIDE, _DEFAULT_SIDE)
    target = _whole(body, "hr_resize_x", 0), _whole(body, "hr_resize_y", 0)
    if any(target) and width > 0 and height > 0:
        return max(target[0] / width, target[1] / height)
    scale = body.number("hr_scale")
    return 2.0 if scale is None else scale


def _fit(body: Body) -> str:
    mode = _whole(body, "resize_mode", 0)
    if mode not in _FITS:
        raise UsageError(f"{mode} is not a resize mode, 0 to 3", argument="resize_mode")
    return _FITS[mode]


def _mask_options(body: Body, mask: object) -> dict[str, Any]:
    padding = _whole(body, "inpaint_full_res_padding", 0)
    return {
        "mask": decode_picture(mask, "mask"),
        "mask_invert": body.flag("inpainting_mask_invert"),
        "mask_blur": body.whole("mask_blur"),
        "masked_only": padding if body.flag("inpaint_full_res", default=True) else None,
    }


def _refuse_script(body: Body) -> None:
    name = body.text("script_name")
    if name not in ("", "None"):
        raise UsageError(
            f"there is no script {name!r}", hint="leave it out", argument="script_name"
        )


def _other_scripts(body: Body) -> Iterator[str]:
    for name in body.part("alwayson_scripts").values:
        if name.lower() != CONTROL_NET:
            yield f"alwayson_scripts.{name}"


def _would_change(body: Body, name: str) -> bool:
    value = body.values.get(name)
    return value is not None and value not in _WITHOUT_EFFECT[name]


def _echo(body: Body) -> dict[str, object]:
    """Return the fields that the answer repeats: all but those with pictures."""
    echo = {**body.values}
    echo.pop("alwayson_scripts", None)
    if not body.flag("include_init_images"):
        echo |= {name: None for name in ("init_images", "mask") if name in echo}
    return echo
