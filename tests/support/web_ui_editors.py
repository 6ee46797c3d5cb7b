"""The requests of plugins of picture editors to a web UI, and what they read of the answers.

Each table was written from the source that it names. Sizes and numbers of steps are smaller,
prompts are those of the demo model, and seeds are fixed; the other values are defaults of the
programs.
"""

from collections.abc import Mapping
from types import NoneType

from web_ui_exchange import (
    CIRCLE,
    GREEN_STAR,
    MIDDLE,
    NUMBER,
    RED_CIRCLE,
    SIDE,
    Exchange,
    exchanges,
)

PHOTOSHOP_PLUGIN = exchanges(
    "AbdullahAlfaraj/Auto-Photoshop-StableDiffusion-Plugin utility/session.js,"
    " utility/sdapi/python_replacement.js, typescripts/session/progress.ts 6f6d490",
    {
        "method": "GET",
        "path": "/sdapi/v1/progress?skip_current_image=false",
        "reads": {"progress": NUMBER, "current_image": (str, NoneType)},
    },
    {
        "method": "GET",
        "path": "/sdapi/v1/scripts",
        "reads": {"txt2img": list, "img2img": list},
    },
    {"method": "GET", "path": "/sdapi/v1/loras", "reads": {"": list}},
    {
        "method": "POST",
        "path": "/sdapi/v1/options",
        "json": {"inpainting_mask_weight": 1},
        "reads": {"": NoneType},
    },
    {
        "method": "POST",
        "path": "/sdapi/v1/img2img",
        "json": {
            "selection_info": {"left": 0, "top": 0, "right": SIDE, "bottom": SIDE},
            "inpaint_full_res": False,
            "inpaint_full_res_padding": 0,
            "inpainting_fill": 1,
            "mask_expansion": 0,
            "mask": MIDDLE,
            "expanded_mask": MIDDLE,
            "denoising_strength": 1,
            "init_images": [CIRCLE],
            "prompt": GREEN_STAR,
            "negative_prompt": "",
            "steps": 4,
            "cfg_scale": 1,
            "sampler_name": "Euler a",
            "sampler_index": "Euler a",
            "width": SIDE,
            "height": SIDE,
            "seed": "7",
            "batch_size": 1,
            "n_iter": 1,
            "mask_blur": 0,
            "restore_faces": False,
            "tiling": False,
            "use_prompt_shortcut": False,
            "prompt_shortcut_ui_dict": {},
            "uniqueDocumentId": "b1946ac9",
            "alwayson_scripts": {},
        },
        "reads": {"images.0": str},
        "drawn": ("green", "star", "blue"),
    },
)

GIMP_PLUGIN = exchanges(
    "ArtBIT/stable-gimpfusion stable_gimpfusion.py 3a92fcf",
    {"method": "GET", "path": "/sdapi/v1/options?", "reads": {"sd_model_checkpoint": str}},
    {"method": "GET", "path": "/sdapi/v1/sd-models?", "reads": {"0.title": str}},
    {
        "method": "POST",
        "path": "/sdapi/v1/img2img?",
        "json": {
            "mask": MIDDLE,
            "inpaint_full_res": 0,
            "inpaint_full_res_padding": 10,
            "inpainting_mask_invert": 0,
            "resize_mode": 0,
            "init_images": [CIRCLE],
            "prompt": GREEN_STAR,
            "negative_prompt": "",
            "denoising_strength": 1.0,
            "steps": 4,
            "cfg_scale": 1.0,
            "width": float(SIDE),
            "height": float(SIDE),
            "sampler_index": "Euler a",
            "batch_size": 1.0,
            "seed": 7,
        },
        "reads": {
            "images.0": str,
            "info.json.infotexts.0": str,
            "info.json.all_seeds.0": int,
        },
        "drawn": ("green", "star", "blue"),
    },
)

_KRITA_FIELDS = {
    "sd_model": "demo",
    "sd_vae": "Automatic",
    "clip_skip": 1,
    "batch_count": 1,
    "batch_size": 1,
    "base_size": SIDE,
    "max_size": 256,
    "disable_sddebz_highres": False,
    "tiling": False,
    "upscaler_name": "None",
    "restore_faces": False,
    "face_restorer": "None",
    "codeformer_weight": 0.5,
    "filter_nsfw": False,
    "do_exact_steps": True,
    "include_grid": False,
    "save_samples": False,
    "negative_prompt": "",
    "sampler_name": "Euler",
    "cfg_scale": 1.0,
    "seed": 7,
    "script": "None",
    "script_args": [],
}
KRITA_PLUGIN = exchanges(
    "Interpause/auto-sd-paint-ext frontends/krita/krita_diff/client.py, script.py 0071435",
    {
        # It refuses a server where one of these lists is empty.
        "method": "GET",
        "path": "/sdapi/interpause/config",
        "reads": {
            "sample_path": str,
            "upscalers.0": str,
            "samplers.0": str,
            "samplers_img2img.0": str,
            "face_restorers.0": str,
            "sd_models.0": str,
            "sd_vaes.0": str,
            "scripts_txt2img.None": list,
            "scripts_img2img.None": list,
        },
    },
    {"method": "GET", "path": "/sdapi/v1/progress", "reads": {"eta_relative": NUMBER}},
    {"method": "POST", "path": "/sdapi/v1/interrupt", "json": {}, "reads": {"": dict}},
    {
        "method": "POST",
        "path": "/sdapi/interpause/txt2img",
        "json": _KRITA_FIELDS
        | {
            "orig_width": SIDE,
            "orig_height": SIDE,
            "prompt": RED_CIRCLE,
            "steps": 4,
            "highres_fix": False,
            "denoising_strength": 0.7,
        },
        "reads": {"outputs.0": str},
        "drawn": ("red", "circle", "blue"),
    },
    {
        "method": "POST",
        "path": "/sdapi/interpause/img2img",
        "json": _KRITA_FIELDS
        | {
            "is_inpaint": False,
            "src_img": CIRCLE,
            "prompt": GREEN_STAR,
            "steps": 7,
            "denoising_strength": 0.9,
            "color_correct": True,
        },
        "reads": {"outputs.0": str},
        "drawn": ("green", "star", "blue"),
    },
    {
        "method": "POST",
        "path": "/sdapi/interpause/upscale",
        "json": {"src_img": CIRCLE, "upscaler_name": "Lanczos", "downscale_first": True},
        "reads": {"output": str},
    },
)

EDITORS: Mapping[str, tuple[Exchange, ...]] = {
    "Photoshop plugin": PHOTOSHOP_PLUGIN,
    "GIMP plugin": GIMP_PLUGIN,
    "Krita plugin": KRITA_PLUGIN,
}
