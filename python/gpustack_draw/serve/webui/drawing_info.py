"""The field ``info`` of an answer: how its pictures were drawn, as the web UI writes it.

Names are those of ``Processed.js`` in modules/processing.py of AUTOMATIC1111's web UI 1.10. A value
that this program does not have is null, 0 or empty, in the web UI's type.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass

from gpustack_draw import SAMPLER_TITLES, DrawSettings

_DEFAULT_CLIP_SKIP = 1


@dataclass(frozen=True, kw_only=True)
class DrawnPicture:
    """A drawn picture as an answer has it.

    Attributes:
        settings: All settings of the drawing.
        model: The model's name.
        size: Width and height of the picture in pixels.
        text: Its parameters.
        data: The PNG file in base64.
    """

    settings: DrawSettings
    model: str
    size: tuple[int, int]
    text: str
    data: str


def drawing_info(pictures: Sequence[DrawnPicture], *, batch_size: int, version: str) -> str:
    """Return the JSON text that tells how pictures were drawn; ``{}`` without any.

    Args:
        pictures: The pictures of one request, in their order.
        batch_size: Pictures of one batch, as the client asked for.
        version: Name and version of this program.
    """
    if not pictures:
        return "{}"
    first, settings = pictures[0], pictures[0].settings
    count = len(pictures)
    info = {
        "prompt": settings.prompt,
        "all_prompts": [settings.prompt] * count,
        "negative_prompt": settings.negative_prompt,
        "all_negative_prompts": [settings.negative_prompt] * count,
        "seed": settings.seed,
        "all_seeds": [picture.settings.seed for picture in pictures],
        "subseed": settings.seed,
        "all_subseeds": [picture.settings.seed for picture in pictures],
        "subseed_strength": 0,
        "width": first.size[0],
        "height": first.size[1],
        "sampler_name": SAMPLER_TITLES.get(settings.sampler or "", settings.sampler),
        "cfg_scale": settings.cfg_scale,
        "steps": settings.sample_steps,
        "batch_size": batch_size,
        "restore_faces": False,
        "face_restoration_model": None,
        "sd_model_name": first.model,
        "sd_model_hash": "",
        "sd_vae_name": None,
        "sd_vae_hash": None,
        "seed_resize_from_w": -1,
        "seed_resize_from_h": -1,
        "denoising_strength": _strength(settings),
        "extra_generation_params": {},
        "index_of_first_image": 0,
        "infotexts": [picture.text for picture in pictures],
        "styles": [],
        "job_timestamp": time.strftime("%Y%m%d%H%M%S"),
        "clip_skip": settings.clip_skip or _DEFAULT_CLIP_SKIP,
        "is_using_inpainting_conditioning": settings.mode == "inpaint",
        "version": version,
    }
    return json.dumps(info)


def _strength(settings: DrawSettings) -> float | None:
    return settings.hires.strength if settings.hires is not None else settings.strength
