"""Where the components of models are on the hub: data, not code.

None of these repositories needs an account, except as stated in a comment. The list is from model
cards and the documentation of other programs, as of 2026-11-22. It was written without access to
the hub, so no revision is pinned (``main`` is downloaded) and sizes can have changed.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """A place on the hub where a component is.

    Attributes:
        repository: ``OWNER/REPO``.
        file: File name or path in the repository, or a quantization.
        revision: A commit that is known to work, else ``main``.
        bytes: Approximate size; 0 if unknown.
        width: Width of a language model, for families whose sizes need different ones; 0 for any.
    """

    repository: str
    file: str
    revision: str = "main"
    bytes: int = 0
    width: int = 0


FLUX_VAE = (
    Source("Comfy-Org/z_image_turbo", "split_files/vae/ae.safetensors", bytes=335_304_388),
    Source("second-state/FLUX.1-schnell-GGUF", "ae.safetensors", bytes=335_304_388),
)
FLUX2_VAE = (
    Source("Comfy-Org/flux2-dev", "split_files/vae/flux2-vae.safetensors", bytes=336_213_556),
    Source("unsloth/FLUX.2-VAE", "flux2-vae.safetensors", bytes=336_213_556),
)
QWEN_VAE = (
    Source(
        "Comfy-Org/Qwen-Image_ComfyUI",
        "split_files/vae/qwen_image_vae.safetensors",
        bytes=253_806_246,
    ),
)
SD3_VAE = (
    # FLUX.1's has the same shapes and would decode wrong colors.
    Source("Shio-Koube/SD-3.5-vae", "diffusion_pytorch_model.safetensors", bytes=167_666_902),
    # Gated: needs an account that has accepted its license.
    Source(
        "stabilityai/stable-diffusion-3.5-large",
        "vae/diffusion_pytorch_model.safetensors",
        bytes=167_666_902,
    ),
)
CLIP_L = (
    Source("comfyanonymous/flux_text_encoders", "clip_l.safetensors", bytes=246_144_152),
    Source("second-state/stable-diffusion-3.5-medium-GGUF", "clip_l-Q8_0.gguf", bytes=130_864_000),
)
CLIP_G = (
    Source(
        "Comfy-Org/stable-diffusion-3.5-fp8",
        "text_encoders/clip_g.safetensors",
        bytes=1_389_382_176,
    ),
    Source("second-state/stable-diffusion-3.5-medium-GGUF", "clip_g-Q8_0.gguf", bytes=738_543_360),
)
# 8 bits: half the size of 16, without a visible loss.
T5XXL = (
    Source("second-state/stable-diffusion-3.5-medium-GGUF", "t5xxl-Q8_0.gguf", bytes=5_199_794_784),
    Source("city96/t5-v1_1-xxl-encoder-gguf", "Q8_0"),
    Source("comfyanonymous/flux_text_encoders", "t5xxl_fp16.safetensors"),
)
SD_VAE = (Source("stabilityai/sd-vae-ft-mse-original", "vae-ft-mse-840000-ema-pruned.safetensors"),)
# The VAE inside of SDXL models overflows in 16 bits.
SDXL_VAE = (Source("madebyollin/sdxl-vae-fp16-fix", "sdxl_vae.safetensors"),)
# Paths from the engine's documentation (its ``docs/wan.md``).
WAN_VAE = (
    Source("Comfy-Org/Wan_2.1_ComfyUI_repackaged", "split_files/vae/wan_2.1_vae.safetensors"),
)
WAN22_VAE = (
    Source("Comfy-Org/Wan_2.2_ComfyUI_Repackaged", "split_files/vae/wan2.2_vae.safetensors"),
)
UMT5XXL = (
    Source("city96/umt5-xxl-encoder-gguf", "Q8_0"),
    Source(
        "Comfy-Org/Wan_2.1_ComfyUI_repackaged",
        "split_files/text_encoders/umt5_xxl_fp16.safetensors",
    ),
)
# Stable Diffusion 2's, in diffusers layout; SD-Turbo, made from 2.1, has it unchanged.
CLIP_H = (
    Source("stabilityai/sd-turbo", "text_encoder/model.fp16.safetensors"),
    Source("stabilityai/stable-diffusion-2-1", "text_encoder/model.fp16.safetensors"),
)

_DIFFUSERS_FILE = "diffusion_pytorch_model.safetensors"
_TAEF1 = (Source("madebyollin/taef1", _DIFFUSERS_FILE),)
_TAEW21 = (
    Source("Kijai/WanVideo_comfy", "taew2_1.safetensors", bytes=22_642_902),
    Source("lightx2v/Autoencoders", "taew2_1.safetensors", bytes=22_642_902),
)
# Tiny decoders, by the VAE whose latents they decode.
TINY_DECODERS = {
    SD_VAE: (Source("madebyollin/taesd", _DIFFUSERS_FILE),),
    SDXL_VAE: (Source("madebyollin/taesdxl", _DIFFUSERS_FILE),),
    SD3_VAE: (Source("madebyollin/taesd3", _DIFFUSERS_FILE),),
    FLUX_VAE: _TAEF1,
    FLUX2_VAE: (Source("madebyollin/taef2", "taef2.safetensors"),),
    QWEN_VAE: _TAEW21,
    WAN_VAE: _TAEW21,
    WAN22_VAE: (Source("lightx2v/Autoencoders", "taew2_2.safetensors"),),
}
