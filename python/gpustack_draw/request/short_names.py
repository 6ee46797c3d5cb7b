"""Short names of models on Hugging Face: data, not code.

The repositories and tags are from model cards and the documentation of other programs, as of
2026-11-22. The list was written without access to the hub. Licenses are those that the cards name.
Shells complete these names, so this module imports nothing.
"""

_APACHE = "Apache-2.0"
_FLUX_DEV = "FLUX.1 dev Non-Commercial"
_OPENRAIL = "CreativeML OpenRAIL-M"
_OPENRAIL_XL = "CreativeML OpenRAIL++-M"
_STABILITY = "Stability AI Community"

# Name, title, reference, tasks and license; see ``KnownModel`` in ``known_models.py``.
SHORT_NAMES: tuple[tuple[str, str, str, tuple[str, ...], str], ...] = (
    (
        "sd1.5",
        "Stable Diffusion 1.5",
        "hf.co/gpustack/stable-diffusion-v1-5-GGUF:Q8_0",
        ("draw",),
        _OPENRAIL,
    ),
    (
        "sd1.5-inpainting",
        "Stable Diffusion 1.5 Inpainting",
        "hf.co/gpustack/stable-diffusion-v1-5-inpainting-GGUF:Q8_0",
        ("inpaint",),
        _OPENRAIL,
    ),
    (
        "sd-turbo",
        "SD-Turbo",
        "hf.co/Green-Sky/SD-Turbo-GGUF:Q8_0",
        ("draw",),
        _STABILITY,
    ),
    (
        "sdxl",
        "Stable Diffusion XL",
        "hf.co/gpustack/stable-diffusion-xl-base-1.0-GGUF:Q8_0",
        ("draw",),
        _OPENRAIL_XL,
    ),
    (
        "sdxl-turbo",
        "SDXL-Turbo",
        "hf.co/gpustack/stable-diffusion-xl-1.0-turbo-GGUF:Q8_0",
        ("draw",),
        "Stability AI Non-Commercial",
    ),
    (
        "sdxl-inpainting",
        "Stable Diffusion XL Inpainting",
        "hf.co/gpustack/stable-diffusion-xl-inpainting-1.0-GGUF:Q8_0",
        ("inpaint",),
        _OPENRAIL_XL,
    ),
    (
        "sd3.5-medium",
        "Stable Diffusion 3.5 Medium",
        "hf.co/gpustack/stable-diffusion-v3-5-medium-GGUF:Q4_0",
        ("draw",),
        _STABILITY,
    ),
    (
        "sd3.5-large",
        "Stable Diffusion 3.5 Large",
        "hf.co/gpustack/stable-diffusion-v3-5-large-GGUF:Q4_0",
        ("draw",),
        _STABILITY,
    ),
    (
        "sd3.5-large-turbo",
        "Stable Diffusion 3.5 Large Turbo",
        "hf.co/gpustack/stable-diffusion-v3-5-large-turbo-GGUF:Q4_0",
        ("draw",),
        _STABILITY,
    ),
    (
        "flux1-schnell",
        "FLUX.1 schnell",
        "hf.co/gpustack/FLUX.1-schnell-GGUF:Q4_0",
        ("draw",),
        _APACHE,
    ),
    (
        "flux1-dev",
        "FLUX.1 dev",
        "hf.co/gpustack/FLUX.1-dev-GGUF:Q4_0",
        ("draw",),
        _FLUX_DEV,
    ),
    (
        "flux1-fill",
        "FLUX.1 Fill",
        "hf.co/gpustack/FLUX.1-Fill-dev-GGUF:Q4_0",
        ("inpaint",),
        _FLUX_DEV,
    ),
    (
        "flux1-kontext",
        "FLUX.1 Kontext",
        "hf.co/QuantStack/FLUX.1-Kontext-dev-GGUF:Q8_0",
        ("edit",),
        _FLUX_DEV,
    ),
    (
        "flux2-klein",
        "FLUX.2 klein 4B",
        "hf.co/leejet/FLUX.2-klein-4B-GGUF:Q4_0",
        ("draw", "edit"),
        _APACHE,
    ),
    (
        "z-image-turbo",
        "Z-Image-Turbo",
        "hf.co/leejet/Z-Image-Turbo-GGUF:Q4_K",
        ("draw",),
        _APACHE,
    ),
    (
        "qwen-image",
        "Qwen-Image",
        "hf.co/QuantStack/Qwen-Image-GGUF:Q4_K_M",
        ("draw",),
        _APACHE,
    ),
    (
        "qwen-image-edit",
        "Qwen-Image-Edit 2511",
        "hf.co/unsloth/Qwen-Image-Edit-2511-GGUF:Q4_K_M",
        ("edit",),
        _APACHE,
    ),
)
