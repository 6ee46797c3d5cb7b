"""The fields of a request for a picture, as each backend reads them."""

from collections.abc import Mapping
from typing import Any

from gpustack_draw.gpustack_server.choose_method import Method
from gpustack_draw.request.draw_request import DrawRequest
from gpustack_draw.request.loras import Lora
from gpustack_draw.request.options import SAMPLING_OPTIONS

_HIRES_FIELDS = ("hires", "hires_upscaler", "hires_steps", "hires_strength")


def write_body(request: DrawRequest, name: str, size: str, method: Method) -> dict[str, Any]:
    """Spell a request for the backends of GPUStack: each ignores the names that are another's.

    A null is not the same as nothing: llama-box stumbles over some.

    Args:
        request: The request.
        name: The model's name on the server.
        size: ``WIDTHxHEIGHT``.
        method: The sampler and the scheduler.
    """
    numbers = {
        field: getattr(request, option.name)
        for option in SAMPLING_OPTIONS
        for field in option.server_fields
    }
    if "flux" in name.lower():
        # For FLUX it is the distilled guidance, another thing than cfg_scale.
        numbers["guidance_scale"] = request.guidance
    pictures = {
        "strength": request.pictures.strength,
        "negative_sampler": request.negative_prompt or None,  # llama-box's name of it in forms
    }
    return _without_none(
        {
            **_common(request, name, size, method),
            **numbers,
            **(pictures if request.pictures else {}),
        }
    )


def write_own_body(
    request: DrawRequest,
    name: str,
    size: str,
    method: Method,
    numbers: Mapping[str, Any],
    loras: tuple[Lora, ...],
    mask_blur: int | None,
) -> dict[str, Any]:
    """Spell a request for this program's own server, whose fields have the names of options.

    Args:
        request: The request.
        name: The model's name on the server.
        size: ``WIDTHxHEIGHT``.
        method: The sampler and the scheduler.
        numbers: The sampling options that have an effect, by name.
        loras: The LoRAs.
        mask_blur: Blur of the mask in pixels of the drawing; ``None`` without a mask.
    """
    pictures = request.pictures
    fields = {
        **{name: getattr(request, name) for name in _HIRES_FIELDS},
        "loras": [_without_none({"name": each.reference, "weight": each.weight}) for each in loras]
        or None,
        "strength": pictures.strength,
        "mask_blur": mask_blur,
        "control_strength": pictures.control_strength,
        "canny": pictures.canny or None,
    }
    return _without_none({**_common(request, name, size, method), **numbers, **fields})


def _common(request: DrawRequest, name: str, size: str, method: Method) -> dict[str, Any]:
    return {
        "model": name,
        "prompt": request.prompt,
        "n": 1,
        "size": size,
        "response_format": "b64_json",  # SGLang's default is an address that nobody can open
        "negative_prompt": request.negative_prompt or None,
        "sampler": method.sampler,
        "scheduler": method.scheduler,
    }


def _without_none(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
