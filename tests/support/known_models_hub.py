"""The files of all models with a short name on a loopback hub: headers, then holes.

Sizes are those of the hub's pages where these are known, else what the tensors take. Types of the
all-in-one files follow their cards: matrices of the diffusion model have the type of the tag, CLIP
and VAE have 16 bits, and T5 has 8; with the published sizes of SD 1 and 2, CLIP has 8, too.
"""

from collections.abc import Mapping

from architectures import (
    Named,
    clip,
    dense,
    flux1,
    klein,
    sd1_unet,
    sd3,
    sdxl_unet,
    t5,
    unet,
    vae,
    wan_vae,
)
from loopback_hub import Content, LoopbackHub
from model_files import gguf_start, prefixed, safetensors_start
from qwen_architectures import language_model, qwen_image, vision_encoder

_CLIP_L = clip(768, 12, weight_type="F16")
_CLIP_G = clip(1280, 32, projection=1280, weight_type="F16")
_CLIP_H = clip(1024, 24, weight_type="Q8_0")
_T5 = t5(4096, 24, 10_240, weight_type="Q8_0")
_SD_VAE = vae(latent=4, quant=True)

_FIRST, _SECOND, _THIRD = (f"cond_stage_model.{number}transformer." for number in ("", "1.", "2."))


def add_known_models(hub: LoopbackHub) -> None:
    """Add the repositories of all models with a short name, and of their components."""
    for repository, files in _REPOSITORIES.items():
        hub.add(repository, {path: _content(path, *file) for path, file in files.items()})


def _content(path: str, tensors: Named, size: int = 0) -> Content:
    is_gguf = path.endswith(".gguf")
    start, weights = gguf_start(tensors) if is_gguf else safetensors_start(tensors)
    # A digest of its own, because nobody reads gigabytes of zeros.
    return Content(start, max(size, len(start) + weights), f"{abs(hash(path)):064x}"[:64])


def _all_in_one(diffusion: Named, encoders: Mapping[str, Named], decoder: Named) -> Named:
    model = prefixed("model.diffusion_model.", diffusion) | prefixed("first_stage_model.", decoder)
    for prefix, encoder in encoders.items():
        model |= prefixed(prefix, encoder)
    return model


def _inpainting(network: Named) -> Named:
    """Return a UNet that takes the mask and the masked picture beside the latent."""
    return network | {"input_blocks.0.0.weight": ((3, 3, 9, 320), "F16")}


def _sd1(network: Named) -> Named:
    return _all_in_one(network, {_FIRST: clip(768, 12, weight_type="Q8_0")}, _SD_VAE)


def _sdxl(network: Named) -> Named:
    return _all_in_one(network, {_FIRST: _CLIP_L, _SECOND: _CLIP_G}, _SD_VAE)


def _sd3(network: Named) -> Named:
    encoders = {_FIRST: _CLIP_L, _SECOND: _CLIP_G, _THIRD: _T5}
    return _all_in_one(network, encoders, vae())


def _flux(network: Named) -> Named:
    return _all_in_one(network, {_FIRST: _CLIP_L, _SECOND: _T5}, vae())


def _without_guidance(network: Named) -> Named:
    return {name: value for name, value in network.items() if "guidance_in" not in name}


def _filling(network: Named) -> Named:
    return network | {"img_in.weight": ((384, 3072), "Q4_0")}


def _z_image() -> Named:
    """Return the tensors of Z-Image."""
    width, inner, kind = 3840, 10_240, "Q4_0"
    model: Named = {
        "cap_embedder.0.weight": ((2560,), "F32"),
        **dense("cap_embedder.1", 2560, width, kind),
        **dense("x_embedder", 64, width, kind),
        **dense("t_embedder.mlp.0", 256, 1024, kind),
        **dense("t_embedder.mlp.2", 1024, 256, kind),
        **dense("final_layer.linear", width, 64, kind),
    }
    layers = [f"layers.{number}." for number in range(30)]
    refiners = [f"{half}_refiner.{number}." for half in ("noise", "context") for number in "01"]
    for prefix in (*layers, *refiners):
        model[f"{prefix}attention.qkv.weight"] = ((width, 3 * width), kind)
        model[f"{prefix}attention.out.weight"] = ((width, width), kind)
        for name, shape in (("w1", (width, inner)), ("w2", (inner, width)), ("w3", (width, inner))):
            model[f"{prefix}feed_forward.{name}.weight"] = (shape, kind)
        for name in ("attention_norm1", "attention_norm2", "ffn_norm1", "ffn_norm2"):
            model[f"{prefix}{name}.weight"] = ((width,), "F32")
        if not prefix.startswith("context"):
            model |= dense(f"{prefix}adaLN_modulation.0", 256, 4 * width, kind)
    return model


def _qwen3_4b() -> Named:
    """Return the language model of FLUX.2 klein 4B and Z-Image."""
    width, inner, kind = 2560, 9728, "Q4_0"
    model: Named = {"token_embd.weight": ((width, 151_936), kind)}
    shapes = {
        "attn_q": (width, 4096),
        "attn_k": (width, 1024),
        "attn_v": (width, 1024),
        "attn_output": (4096, width),
        "ffn_gate": (width, inner),
        "ffn_up": (width, inner),
        "ffn_down": (inner, width),
    }
    for layer in range(36):
        for name, shape in shapes.items():
            model[f"blk.{layer}.{name}.weight"] = (shape, kind)
    return model


_SDXL = sdxl_unet(weight_type="Q8_0")
_SD2 = unet(context=1024, linear=True, weight_type="Q8_0")
_FLUX = flux1(3072, 19, 38)
_REPOSITORIES: dict[str, dict[str, tuple[Named] | tuple[Named, int]]] = {
    "gpustack/stable-diffusion-v1-5-GGUF": {
        "stable-diffusion-v1-5-Q8_0.gguf": (_sd1(sd1_unet(weight_type="Q8_0")), 1_752_000_000)
    },
    "gpustack/stable-diffusion-v1-5-inpainting-GGUF": {
        "stable-diffusion-v1-5-inpainting-Q8_0.gguf": (
            _sd1(_inpainting(sd1_unet(weight_type="Q8_0"))),
        )
    },
    "Green-Sky/SD-Turbo-GGUF": {
        "sd_turbo-f16-q8_0.gguf": (_all_in_one(_SD2, {_FIRST: _CLIP_H}, _SD_VAE), 2_023_745_376)
    },
    "gpustack/stable-diffusion-xl-base-1.0-GGUF": {
        "stable-diffusion-xl-base-1.0-Q8_0.gguf": (_sdxl(_SDXL),)
    },
    "gpustack/stable-diffusion-xl-1.0-turbo-GGUF": {
        "stable-diffusion-xl-1.0-turbo-Q8_0.gguf": (_sdxl(_SDXL), 5_040_000_000)
    },
    "gpustack/stable-diffusion-xl-inpainting-1.0-GGUF": {
        "stable-diffusion-xl-inpainting-1.0-Q8_0.gguf": (_sdxl(_inpainting(_SDXL)), 4_870_000_000)
    },
    "gpustack/stable-diffusion-v3-5-medium-GGUF": {
        "stable-diffusion-v3-5-medium-Q4_0.gguf": (_sd3(sd3(24, dual=13, positions=384)),)
    },
    "gpustack/stable-diffusion-v3-5-large-GGUF": {
        "stable-diffusion-v3-5-large-Q4_0.gguf": (_sd3(sd3(38)),)
    },
    "gpustack/stable-diffusion-v3-5-large-turbo-GGUF": {
        "stable-diffusion-v3-5-large-turbo-Q4_0.gguf": (_sd3(sd3(38)), 12_000_000_000)
    },
    "gpustack/FLUX.1-schnell-GGUF": {
        "FLUX.1-schnell-Q4_0.gguf": (_flux(_without_guidance(_FLUX)),)
    },
    "gpustack/FLUX.1-dev-GGUF": {"FLUX.1-dev-Q4_0.gguf": (_flux(_FLUX),)},
    "gpustack/FLUX.1-Fill-dev-GGUF": {"FLUX.1-Fill-dev-Q4_0.gguf": (_flux(_filling(_FLUX)),)},
    "QuantStack/FLUX.1-Kontext-dev-GGUF": {
        "flux1-kontext-dev-Q8_0.gguf": (flux1(3072, 19, 38, weight_type="Q8_0"),)
    },
    "leejet/FLUX.2-klein-4B-GGUF": {
        "flux-2-klein-4b-Q4_0.gguf": (
            klein(3072, 5, 20, context=7680, weight_type="Q4_0"),
            2_460_000_000,
        )
    },
    "leejet/Z-Image-Turbo-GGUF": {"z_image_turbo-Q4_K.gguf": (_z_image(), 3_864_250_304)},
    "QuantStack/Qwen-Image-GGUF": {
        "Qwen_Image-Q4_K_M.gguf": (qwen_image(), 13_065_746_976),
        "VAE/Qwen_Image-VAE.safetensors": (wan_vae(), 253_806_246),
    },
    "unsloth/Qwen-Image-Edit-2511-GGUF": {
        "qwen-image-edit-2511-Q4_K_M.gguf": (qwen_image(), 13_244_758_624)
    },
    "Comfy-Org/z_image_turbo": {"split_files/vae/ae.safetensors": (vae(), 335_304_388)},
    "Comfy-Org/flux2-dev": {
        "split_files/vae/flux2-vae.safetensors": (vae(latent=32, quant=True), 336_213_556)
    },
    "Comfy-Org/Qwen-Image_ComfyUI": {
        "split_files/vae/qwen_image_vae.safetensors": (wan_vae(), 253_806_246)
    },
    "comfyanonymous/flux_text_encoders": {"clip_l.safetensors": (_CLIP_L, 246_144_152)},
    "second-state/stable-diffusion-3.5-medium-GGUF": {"t5xxl-Q8_0.gguf": (_T5, 5_199_794_784)},
    "unsloth/Qwen3-4B-GGUF": {"Qwen3-4B-Q4_K_M.gguf": (_qwen3_4b(), 2_497_281_312)},
    "unsloth/Qwen3-4B-Instruct-2507-GGUF": {
        "Qwen3-4B-Instruct-2507-Q4_K_M.gguf": (_qwen3_4b(), 2_497_281_120)
    },
    "unsloth/Qwen2.5-VL-7B-Instruct-GGUF": {
        "Qwen2.5-VL-7B-Instruct-Q4_K_M.gguf": (language_model(), 4_683_000_000),
        "mmproj-F16.gguf": (vision_encoder(),),
    },
}
