"""The requests of chat programs and bots to AUTOMATIC1111's API, and what they read of the answers.

Each table was written from the source that it names. Sizes and numbers of steps are smaller,
prompts are those of the demo model, and seeds are fixed; the other values are defaults of the
programs.
"""

from collections.abc import Mapping
from types import NoneType

from web_ui_exchange import (
    CIRCLE,
    GREEN_STAR,
    NUMBER,
    RED_CIRCLE,
    SIDE,
    Exchange,
    exchanges,
)

OPEN_WEBUI = exchanges(
    "open-webui/open-webui backend/open_webui/routers/images.py 02530d5",
    {
        "method": "GET",
        "path": "/sdapi/v1/options",
        "reads": {"sd_model_checkpoint": str},
    },
    {
        "method": "GET",
        "path": "/sdapi/v1/sd-models",
        "reads": {"0.title": str, "0.model_name": str},
    },
    {
        # The whole answer of GET options comes back with another model.
        "method": "POST",
        "path": "/sdapi/v1/options",
        "json": {"sd_model_checkpoint": "demo", "sd_vae": "Automatic", "samples_format": "png"},
        "reads": {"": NoneType},
    },
    {
        "method": "POST",
        "path": "/sdapi/v1/txt2img",
        "json": {
            "prompt": RED_CIRCLE,
            "batch_size": 2,
            "width": SIDE,
            "height": SIDE,
            "steps": 4,
            "negative_prompt": "green",
            # AUTOMATIC1111_PARAMS, "Additional parameters" of its settings
            "cfg_scale": 1,
            "sampler_name": "Euler",
            "scheduler": "Automatic",
            "seed": 7,
        },
        "reads": {"images.0": str, "images.1": str, "info": str},
        "drawn": ("red", "circle", "blue"),
        "pictures": 2,
    },
)

SILLY_TAVERN = exchanges(
    "SillyTavern/SillyTavern src/endpoints/stable-diffusion.js 02903fd,"
    " public/scripts/extensions/stable-diffusion/index.js ba6f7b7",
    {"method": "GET", "path": "/sdapi/v1/options"},
    {"method": "GET", "path": "/sdapi/v1/upscalers", "reads": {"0.name": str}},
    {"method": "GET", "path": "/sdapi/v1/latent-upscale-modes", "reads": {"0.name": str}},
    {"method": "GET", "path": "/sdapi/v1/sd-vae", "reads": {"": list}},
    {"method": "GET", "path": "/sdapi/v1/samplers", "reads": {"0.name": str}},
    {"method": "GET", "path": "/sdapi/v1/schedulers", "reads": {"0.name": str}},
    {"method": "GET", "path": "/sdapi/v1/sd-models", "reads": {"0.title": str}},
    {
        "method": "POST",
        "path": "/sdapi/v1/options",
        "json": {"sd_model_checkpoint": "demo"},
        "reads": {"": NoneType},
    },
    {
        # It waits for 0 and 0 before it draws with another model.
        "method": "GET",
        "path": "/sdapi/v1/progress",
        "reads": {"progress": NUMBER, "state.job_count": int},
    },
    {
        "method": "POST",
        "path": "/sdapi/v1/txt2img",
        "json": {
            "url": "http://127.0.0.1:1234",
            "auth": "user:key",
            "prompt": RED_CIRCLE,
            "negative_prompt": "",
            "sampler_name": "Euler a",
            "scheduler": "normal",
            "steps": 4,
            "cfg_scale": 1,
            "width": SIDE,
            "height": SIDE,
            "restore_faces": False,
            "enable_hr": False,
            "hr_upscaler": "Latent",
            "hr_scale": 2,
            "hr_additional_modules": [],
            "denoising_strength": 0.7,
            "hr_second_pass_steps": 0,
            "seed": 7,
            "override_settings": {"CLIP_stop_at_last_layers": 1},
            "override_settings_restore_afterwards": True,
            "clip_skip": 1,
            "save_images": True,
            "send_images": True,
            "do_not_save_grid": False,
            "do_not_save_samples": False,
            "alwayson_scripts": {
                "ADetailer": {"args": [True, True, {"ad_model": "face_yolov8n.pt"}]}
            },
        },
        "reads": {"images.0": str},
        "drawn": ("red", "circle", "blue"),
    },
    {"method": "POST", "path": "/sdapi/v1/interrupt"},
)

KOBOLD_LITE = exchanges(
    "LostRuins/lite.koboldai.net index.html 27eb1dc",
    {"method": "GET", "path": "/sdapi/v1/sd-models", "reads": {"0.title": str}},
    {
        # Without samples_format it takes the server for another program.
        "method": "GET",
        "path": "/sdapi/v1/options",
        "reads": {"samples_format": str, "sd_model_checkpoint": str},
    },
    {
        "method": "POST",
        "path": "/sdapi/v1/img2img",
        "json": {
            "prompt": GREEN_STAR,
            "seed": 41,
            "sampler_name": "Euler",
            "batch_size": 1,
            "n_iter": 1,
            "steps": 8,
            "cfg_scale": 1,
            "width": SIDE,
            "height": SIDE,
            "negative_prompt": "",
            "do_not_save_samples": True,
            "do_not_save_grid": True,
            "enable_hr": False,
            "eta": 0,
            "s_churn": 0,
            "s_tmax": 0,
            "s_tmin": 0,
            "s_noise": 1,
            "override_settings": {
                "sd_model_checkpoint": "demo",
                "eta_noise_seed_delta": 0.0,
                "CLIP_stop_at_last_layers": 1.0,
                "ddim_discretize": "uniform",
                "img2img_fix_steps": False,
                "sd_hypernetwork": "None",
                "inpainting_mask_weight": 1.0,
                "initial_noise_multiplier": 1.0,
                "comma_padding_backtrack": 20.0,
            },
            "init_images": [CIRCLE],
            "denoising_strength": 0.9,
        },
        "reads": {"images.0": str},
        "drawn": ("green", "star", "blue"),
    },
)

LIBRE_CHAT = exchanges(
    "danny-avila/LibreChat api/app/clients/tools/structured/StableDiffusion.js 00b3bc3",
    {
        "method": "POST",
        "path": "/sdapi/v1/txt2img",
        "json": {
            "prompt": RED_CIRCLE,
            "negative_prompt": "blurry",
            "cfg_scale": 1,
            "steps": 4,
            "width": SIDE,
            "height": SIDE,
        },
        "reads": {
            "images.0": str,
            "info.json.width": int,
            "info.json.height": int,
            "info.json.seed": int,
            "info.json.infotexts.0": str,
        },
        "drawn": ("red", "circle", "blue"),
    },
)

TEXT_GENERATION_WEBUI = exchanges(
    "oobabooga/text-generation-webui extensions/sd_api_pictures/script.py 027757e",
    {"method": "GET", "path": "/sdapi/v1/sd-models", "reads": {"0.title": str}},
    {"method": "GET", "path": "/sdapi/v1/options", "reads": {"sd_model_checkpoint": str}},
    {"method": "GET", "path": "/sdapi/v1/samplers", "reads": {"0.name": str}},
    {"method": "POST", "path": "/sdapi/v1/unload-checkpoint", "json": ""},
    {"method": "POST", "path": "/sdapi/v1/reload-checkpoint", "json": ""},
    {
        "method": "POST",
        "path": "/sdapi/v1/txt2img",
        "json": {
            "prompt": f"({RED_CIRCLE}:1)",
            "seed": 7,
            "sampler_name": "DPM++ 2M",
            "enable_hr": False,
            "hr_scale": "1.0",
            "hr_upscaler": "ESRGAN_4x",
            "denoising_strength": 0.61,
            "steps": 4,
            "cfg_scale": 1,
            "width": SIDE,
            "height": SIDE,
            "restore_faces": False,
            "override_settings_restore_afterwards": True,
            "negative_prompt": "(worst quality, low quality:1.3)",
        },
        "reads": {"images.0": str},
        "drawn": ("red", "circle", "blue"),
    },
)

AIYABOT = exchanges(
    "Kilvoctu/aiyabot core/settings.py, core/stablecog.py, core/viewhandler.py eb8ff68",
    {"method": "GET", "path": "/sdapi/v1/cmd-flags"},
    {"method": "GET", "path": "/sdapi/v1/samplers", "reads": {"0.name": str}},
    {"method": "GET", "path": "/sdapi/v1/prompt-styles", "reads": {"": list}},
    {"method": "GET", "path": "/sdapi/v1/face-restorers", "reads": {"": list}},
    {
        "method": "GET",
        "path": "/sdapi/v1/embeddings",
        "reads": {"loaded": dict, "skipped": dict},
    },
    {"method": "GET", "path": "/sdapi/v1/hypernetworks", "reads": {"": list}},
    {"method": "GET", "path": "/sdapi/v1/upscalers", "reads": {"0.name": str}},
    {"method": "GET", "path": "/sdapi/v1/loras", "reads": {"": list}},
    {
        "method": "GET",
        "path": "/sdapi/v1/sd-models",
        "reads": {
            "0.title": str,
            "0.model_name": str,
            "0.hash": (str, NoneType),
            "0.filename": str,
        },
    },
    {
        "method": "POST",
        "path": "/sdapi/v1/options",
        "json": {"sd_model_checkpoint": "demo"},
        "reads": {"": NoneType},
    },
    {
        "method": "POST",
        "path": "/sdapi/v1/txt2img",
        "json": {
            "prompt": RED_CIRCLE,
            "negative_prompt": "",
            "steps": 4,
            "width": SIDE,
            "height": SIDE,
            "cfg_scale": "1.0",
            "sampler_index": "Euler a",
            "seed": 1234,
            "seed_resize_from_h": -1,
            "seed_resize_from_w": -1,
            "denoising_strength": None,
            "n_iter": 2,
            "batch_size": 1,
            "styles": [""],
            "override_settings": {"CLIP_stop_at_last_layers": 1},
        },
        "reads": {"images.0": str, "images.1": str},
        "drawn": ("red", "circle", "blue"),
        "pictures": 2,
    },
    {
        "method": "POST",
        "path": "/sdapi/v1/png-info",
        "json": {"image": f"data:image/png;base64,{CIRCLE}"},
        "reads": {"info": str},
    },
    {
        "method": "GET",
        "path": "/sdapi/v1/progress",
        "reads": {
            "state.job": str,
            "state.sampling_step": int,
            "progress": NUMBER,
            "eta_relative": NUMBER,
            "current_image": (str, NoneType),
        },
    },
    {
        "method": "POST",
        "path": "/sdapi/v1/extra-single-image",
        "json": {
            "upscaling_resize": "2",
            "upscaler_1": "Lanczos",
            "image": f"data:image/png;base64,{CIRCLE}",
            "gfpgan_visibility": 0,
            "codeformer_visibility": 0,
            "upscale_first": False,
        },
        "reads": {"image": str},
    },
    {"method": "POST", "path": "/sdapi/v1/interrupt"},
    {"method": "POST", "path": "/sdapi/v1/skip"},
)

CHATS: Mapping[str, tuple[Exchange, ...]] = {
    "Open WebUI": OPEN_WEBUI,
    "SillyTavern": SILLY_TAVERN,
    "Kobold Lite": KOBOLD_LITE,
    "LibreChat": LIBRE_CHAT,
    "text-generation-webui": TEXT_GENERATION_WEBUI,
    "aiyabot": AIYABOT,
}
