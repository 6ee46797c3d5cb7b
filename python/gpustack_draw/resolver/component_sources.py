"""Where the components of a model usually are, when its file lacks them. Data, not code.

A component is looked for in the model's own repository first, then in the places here, in this
order. They need no account, so far as is known: the list was gathered from model cards and other
programs' documentation on 2026-11-22, on a machine that could not reach the hub. So no revision is
pinned yet, ``main`` is what will be fetched, and sizes are those of the day.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from gpustack_draw.resolver.families import Family


@dataclass(frozen=True)
class Source:
    """A place of a component.

    Attributes:
        repository: ``OWNER/REPO``.
        file: Its name or path there, or a quantisation.
        revision: A commit where one is known to be right, else ``main``.
        bytes: About how large it is; 0 where that is not known.
        width: Of a language model: numbers a token has. A family may come in sizes that need
            different ones.
    """

    repository: str
    file: str
    revision: str = "main"
    bytes: int = 0
    width: int = 0


_FLUX_VAE = (
    Source("Comfy-Org/z_image_turbo", "split_files/vae/ae.safetensors", bytes=335_304_388),
    Source("second-state/FLUX.1-schnell-GGUF", "ae.safetensors", bytes=335_304_388),
)
_FLUX2_VAE = (
    Source("Comfy-Org/flux2-dev", "split_files/vae/flux2-vae.safetensors", bytes=336_213_556),
    Source("unsloth/FLUX.2-VAE", "flux2-vae.safetensors", bytes=336_213_556),
)
_QWEN_VAE = (
    Source(
        "Comfy-Org/Qwen-Image_ComfyUI",
        "split_files/vae/qwen_image_vae.safetensors",
        bytes=253_806_246,
    ),
)
_SD3_VAE = (
    # FLUX.1's has the same shape but other numbers, and must not be used.
    Source("Shio-Koube/SD-3.5-vae", "diffusion_pytorch_model.safetensors", bytes=167_666_902),
    # Gated: needs an account that has accepted its licence.
    Source(
        "stabilityai/stable-diffusion-3.5-large",
        "vae/diffusion_pytorch_model.safetensors",
        bytes=167_666_902,
    ),
)
_CLIP_L = (
    Source("comfyanonymous/flux_text_encoders", "clip_l.safetensors", bytes=246_144_152),
    Source("second-state/stable-diffusion-3.5-medium-GGUF", "clip_l-Q8_0.gguf", bytes=130_864_000),
)
_CLIP_G = (
    Source(
        "Comfy-Org/stable-diffusion-3.5-fp8",
        "text_encoders/clip_g.safetensors",
        bytes=1_389_382_176,
    ),
    Source("second-state/stable-diffusion-3.5-medium-GGUF", "clip_g-Q8_0.gguf", bytes=738_543_360),
)
# Half the size of the 16-bit one, and no worse to the eye.
_T5XXL = (
    Source("second-state/stable-diffusion-3.5-medium-GGUF", "t5xxl-Q8_0.gguf", bytes=5_199_794_784),
    Source("city96/t5-v1_1-xxl-encoder-gguf", "Q8_0"),
    Source("comfyanonymous/flux_text_encoders", "t5xxl_fp16.safetensors"),
)
_SD_VAE = (
    Source("stabilityai/sd-vae-ft-mse-original", "vae-ft-mse-840000-ema-pruned.safetensors"),
)
# The model's own overflows in 16 bits.
_SDXL_VAE = (Source("madebyollin/sdxl-vae-fp16-fix", "sdxl_vae.safetensors"),)
# The paths of Wan's are those of the engine's own documentation (its ``docs/wan.md``).
_WAN_VAE = (
    Source("Comfy-Org/Wan_2.1_ComfyUI_repackaged", "split_files/vae/wan_2.1_vae.safetensors"),
)
_WAN22_VAE = (
    Source("Comfy-Org/Wan_2.2_ComfyUI_Repackaged", "split_files/vae/wan2.2_vae.safetensors"),
)
_UMT5XXL = (
    Source("city96/umt5-xxl-encoder-gguf", "Q8_0"),
    Source(
        "Comfy-Org/Wan_2.1_ComfyUI_repackaged",
        "split_files/text_encoders/umt5_xxl_fp16.safetensors",
    ),
)
_FLUX1 = {"vae": _FLUX_VAE, "clip_l": _CLIP_L, "t5xxl": _T5XXL}

# Stable Diffusion 2's, in the layout of Hugging Face: SD-Turbo, made from 2.1, has it unchanged.
_CLIP_H = (
    Source("stabilityai/sd-turbo", "text_encoder/model.fp16.safetensors"),
    Source("stabilityai/stable-diffusion-2-1", "text_encoder/model.fp16.safetensors"),
)
_SD1 = {"vae": _SD_VAE, "clip_l": _CLIP_L}
_SD2 = {"vae": _SD_VAE, "clip_l": _CLIP_H}
_SDXL = {"vae": _SDXL_VAE, "clip_l": _CLIP_L, "clip_g": _CLIP_G}

# By family, then by component.
SOURCES: dict[str, dict[str, tuple[Source, ...]]] = {
    "sd1": _SD1,
    "sd1-tiny": _SD1,
    "sd1-inpaint": _SD1,
    "sdxs": {"clip_l": _CLIP_L},
    "sd2": _SD2,
    "sd2-tiny": _SD2,
    "sd2-inpaint": _SD2,
    "sdxs-09": {"clip_l": _CLIP_H},
    "sdxl": _SDXL,
    "sdxl-inpaint": _SDXL,
    "sdxl-ssd1b": _SDXL,
    "sdxl-vega": _SDXL,
    "sd3": {"vae": _SD3_VAE, "clip_l": _CLIP_L, "clip_g": _CLIP_G, "t5xxl": _T5XXL},
    "flux1": _FLUX1,
    "flux1-fill": _FLUX1,
    "flux1-controls": _FLUX1,
    "flex2": _FLUX1,
    "chroma": {"vae": _FLUX_VAE, "t5xxl": _T5XXL},
    "chroma-radiance": {"t5xxl": _T5XXL},
    "flux2": {
        "vae": _FLUX2_VAE,
        "llm": (Source("unsloth/Mistral-Small-3.2-24B-Instruct-2506-GGUF", "Q4_K_M"),),
    },
    "flux2-klein": {
        "vae": _FLUX2_VAE,
        "llm": (
            Source("unsloth/Qwen3-4B-GGUF", "Q4_K_M", bytes=2_497_281_312, width=2560),
            Source("unsloth/Qwen3-8B-GGUF", "Q4_K_M", bytes=5_027_784_512, width=4096),
        ),
    },
    "qwen-image": {
        "vae": _QWEN_VAE,
        "llm": (
            Source("unsloth/Qwen2.5-VL-7B-Instruct-GGUF", "Q4_K_M"),
            Source("mradermacher/Qwen2.5-VL-7B-Instruct-GGUF", "Q4_K_S", bytes=4_457_767_936),
        ),
    },
    "z-image": {
        "vae": _FLUX_VAE,
        "llm": (
            Source("unsloth/Qwen3-4B-Instruct-2507-GGUF", "Q4_K_M", bytes=2_497_281_120),
            Source("unsloth/Qwen3-4B-GGUF", "Q4_K_M", bytes=2_497_281_312),
        ),
    },
    "ovis-image": {
        "vae": _FLUX_VAE,
        "llm": (Source("Comfy-Org/Ovis-Image", "ovis_2.5.safetensors"),),
    },
    "anima": {
        "vae": _QWEN_VAE,
        "llm": (Source("Qwen/Qwen3-0.6B-Base", "model.safetensors"),),
    },
    "ernie-image": {
        "vae": _FLUX2_VAE,
        "llm": (Source("unsloth/Ministral-3-3B-Instruct-2512-GGUF", "Q4_K_M"),),
    },
    "wan": {"vae": _WAN_VAE, "t5xxl": _UMT5XXL},
    "wan-ti2v": {"vae": _WAN22_VAE, "t5xxl": _UMT5XXL},
}

# Words of a file's name by which a component beside the model is told; its header has the last say.
_NAMES: dict[str, str] = {
    "vae": r"vae|(^|[/_.-])ae([_.-]|$)|decoder",
    "taesd": r"tae|decoder",
    "clip_l": r"clip[_.-]?[lh]([^a-z]|$)|text_encoder/",
    "clip_g": r"clip[_.-]?g([^a-z]|$)|text_encoder_2/",
    "t5xxl": r"t5",
    "llm": r"llm|qwen[23]|mistral|ministral|ovis_?2|encoder",
}

# A piece of a file in several is no part by itself.
_NO_PART = re.compile(r"mmproj|imatrix|-[0-9]{5}-of-[0-9]{5}\.", re.IGNORECASE)


def sources_of(family: Family, component: str, text_width: int = 0) -> tuple[Source, ...]:
    """Give the places of a component, first the one to try first.

    Args:
        family: The model's family.
        component: One of :data:`gpustack_draw.request.names.COMPONENTS`.
        text_width: Numbers a token of the prompt has in this model; 0 when that is not known.
    """
    sources = SOURCES.get(family.name, {}).get(component, ())
    return tuple(
        sorted(sources, key=lambda source: bool(source.width and text_width % source.width))
    )


def beside(paths: Sequence[str], component: str) -> list[str]:
    """Return the files beside a model that may be a component, by their names.

    Those that stand for more precision come first, except that no one needs 32 bits.

    Args:
        paths: All files of the model's repository or folder.
        component: One of :data:`gpustack_draw.request.names.COMPONENTS`.
    """
    pattern = re.compile(_NAMES[component], re.IGNORECASE)
    found = [path for path in paths if may_be_part(path) and pattern.search(path)]
    return sorted(found, key=lambda path: (_order(path), path.count("/"), path))


def may_be_part(path: str) -> bool:
    """Tell whether a file is a model file, and whole, by its name."""
    return path.lower().endswith((".gguf", ".safetensors")) and not _NO_PART.search(path)


def _order(path: str) -> int:
    words = ("q8_0", "fp16", "f16", "bf16")
    lower = path.lower()
    return next((index for index, word in enumerate(words) if word in lower), len(words))
