"""Stable Diffusion 1, 2, XL and 3, and the families made from them."""

from dataclasses import replace

from gpustack_draw.request.options import SKIP_OPTIONS
from gpustack_draw.resolver import component_sources as sources
from gpustack_draw.resolver.families.family import (
    COMMON_OPTIONS,
    FLOW_OPTIONS,
    Defaults,
    Family,
    SimilarVae,
)
from gpustack_draw.resolver.families.picture_inputs import PictureInputs
from gpustack_draw.resolver.families.shared import ANIMATES_A_PICTURE

_512 = (512, 512)
_SD1 = Defaults(20, 7.0, native_size=_512)
_SDXS = Defaults(1, 1.0, native_size=_512)
_INPAINT = Defaults(50, 7.0, native_size=_512)
_MASKED = PictureInputs(concatenated=("mask",), required=("mask",), draws_alone=False)
_EDITED = PictureInputs(
    concatenated=("reference",),
    required=("reference",),
    draws_alone=False,
    references="trained",
    most_references=1,
)
_IMAGE_GUIDANCE = "img_cfg_scale"
_LCM = Defaults(4, 1.0, "lcm")
_LCM_512 = Defaults(4, 1.0, "lcm", native_size=_512)

_sd1 = Family(
    name="sd1",
    title="Stable Diffusion 1",
    defaults=_SD1,
    variants={
        "turbo": Defaults(4, 1.0, native_size=_512),
        "lightning": Defaults(4, 1.0, "sgm_uniform", native_size=_512),
        "hyper": Defaults(4, 1.0, "sgm_uniform", native_size=_512),
        "lcm": _LCM_512,
    },
    requires=("vae", "clip_l"),
    sources={"vae": sources.SD_VAE, "clip_l": sources.CLIP_L},
    # Other families use some of these names for other text encoders.
    component_prefixes=(
        ("cond_stage_model.1.", "clip_g"),
        ("conditioner.embedders.1.", "clip_g"),
        ("te2.", "clip_g"),
        ("te.1.", "clip_g"),
        ("text_encoder.2.", "clip_g"),
        ("cond_stage_model.", "clip_l"),
        ("conditioner.embedders.0.", "clip_l"),
        ("te1.", "clip_l"),
        ("te.", "clip_l"),
        ("text_encoder.", "clip_l"),
    ),
    size_multiple=64,
    has_ays=True,
    options=(*COMMON_OPTIONS, "tile", "clip_skip"),
    unet=True,
    latent_channels=4,
    token_pixels=8,
    heads=8,
    hidden=320,
    similar_vae=SimilarVae("Stable Diffusion XL", r"sd_?xl|(^|[^a-z])xl([^a-z]|$)"),
)
_sd2 = replace(
    _sd1,
    name="sd2",
    title="Stable Diffusion 2",
    defaults=replace(_SD1, native_size=(768, 768)),
    variants={"turbo": Defaults(6, 1.0, native_size=_512), "base": _SD1, "lcm": _LCM_512},
    sources={"vae": sources.SD_VAE, "clip_l": sources.CLIP_H},
    has_ays=False,
    heads=5,
    clip_title="the OpenCLIP-H text encoder",
    clip_width=1024,
)
_sdxl = replace(
    _sd1,
    name="sdxl",
    title="Stable Diffusion XL",
    defaults=Defaults(25, 5.0, "karras"),
    variants={
        "turbo": Defaults(4, 1.0, native_size=_512),
        "lightning": Defaults(4, 1.0, "sgm_uniform"),
        "hyper": Defaults(4, 1.0, "sgm_uniform"),
        "lcm": _LCM,
    },
    requires=("vae", "clip_l", "clip_g"),
    sources={"vae": sources.SDXL_VAE, "clip_l": sources.CLIP_L, "clip_g": sources.CLIP_G},
    token_pixels=16,
    heads=10,
    hidden=640,
    similar_vae=SimilarVae(
        "Stable Diffusion 1", r"sd[_-]?v?[12]|v1-5|v2-1|ft-(mse|ema)|[58][64]0000|kl-f8"
    ),
)
_sd3 = Family(
    name="sd3",
    title="Stable Diffusion 3",
    defaults=Defaults(28, 4.5),
    variants={
        "turbo": Defaults(5, 1.0),
        "large": Defaults(25, 4.5),
        "medium": Defaults(28, 4.5),
        "3.0 medium": Defaults(25, 4.0),
    },
    requires=("vae", "clip_l", "clip_g"),
    optional=("t5xxl",),
    sources={
        "vae": sources.SD3_VAE,
        "clip_l": sources.CLIP_L,
        "clip_g": sources.CLIP_G,
        "t5xxl": sources.T5XXL,
    },
    evidence=("joint_blocks.",),
    variant_evidence=(("joint_blocks.37.", "large"), ("", "medium")),
    # Versions 3.0 and 3.5 both have a model called medium; only 3.5's has a second attention.
    older_variants={"medium": ("x_block.attn2", "3.0 medium")},
    # As llama-box numbers them; cpp/engine/tensor_name_aliases.cpp renames them for the engine.
    component_prefixes=(
        ("cond_stage_model.2.", "t5xxl"),
        ("cond_stage_model.1.", "clip_g"),
        ("cond_stage_model.", "clip_l"),
    ),
    max_side=192 * 16,  # the engine's table of positions; twice as large for 3.5 medium
    options=(*FLOW_OPTIONS, *SKIP_OPTIONS, "clip_skip"),
    network="mmdit",
    heads=38,
    hidden=2432,
    similar_vae=SimilarVae("FLUX.1", r"^ae[._-]|flux|taef1"),
)

FAMILIES = (
    replace(_sd1, takes_control_net=True),
    replace(_sd1, name="sd1-tiny", title="Stable Diffusion 1, small"),
    replace(
        _sd1,
        name="sd1-inpaint",
        title="Stable Diffusion 1 inpainting",
        defaults=_INPAINT,
        options=(*_sd1.options, _IMAGE_GUIDANCE),
        pictures=_MASKED,
        takes_control_net=True,
    ),
    replace(
        _sd1,
        name="sd1-pix2pix",
        title="InstructPix2Pix",
        defaults=Defaults(20, 7.5, native_size=_512, img_cfg_scale=1.5),
        variants={},
        options=(*_sd1.options, _IMAGE_GUIDANCE),
        pictures=replace(_EDITED, start=False, unscaled=True),
    ),
    replace(
        _sd1,
        name="sdxs",
        title="SDXS",
        defaults=_SDXS,
        requires=("taesd", "clip_l"),
        sources={"clip_l": sources.CLIP_L},
        has_ays=False,
        vae_is_taesd=True,
    ),
    replace(_sd2, takes_control_net=True),
    replace(_sd2, name="sd2-tiny", title="Stable Diffusion 2, small", defaults=_SD1),
    replace(
        _sd2,
        name="sd2-inpaint",
        title="Stable Diffusion 2 inpainting",
        defaults=_INPAINT,
        options=(*_sd2.options, _IMAGE_GUIDANCE),
        pictures=_MASKED,
        takes_control_net=True,
    ),
    replace(
        _sd2,
        name="sdxs-09",
        title="SDXS 0.9",
        defaults=_SDXS,
        requires=("taesd", "clip_l"),
        sources={"clip_l": sources.CLIP_H},
        vae_is_taesd=True,
    ),
    _sdxl,
    replace(
        _sdxl,
        name="sdxl-inpaint",
        title="Stable Diffusion XL inpainting",
        defaults=Defaults(50, 5.0, "karras"),
        options=(*_sdxl.options, _IMAGE_GUIDANCE),
        pictures=_MASKED,
    ),
    replace(
        _sdxl,
        name="cosxl-edit",
        title="CosXL-Edit",
        defaults=Defaults(20, 7.0, "exponential", img_cfg_scale=1.5),
        variants={},
        options=(*_sdxl.options, _IMAGE_GUIDANCE),
        pictures=_EDITED,
    ),
    replace(
        _sdxl,
        name="sdxl-pix2pix",
        title="SDXL InstructPix2Pix",
        pictures=_EDITED,
        why_not="the engine scales input pictures as CosXL-Edit needs them, not as these models do",
        # By that tensor the engine, too, tells CosXL-Edit from others.
        instead="use CosXL-Edit from a file that has its tensor edm_vpred.sigma_max, or"
        " InstructPix2Pix",
    ),
    replace(_sdxl, name="sdxl-ssd1b", title="SSD-1B"),
    replace(_sdxl, name="sdxl-vega", title="Segmind Vega"),
    replace(
        _sdxl,
        name="sdxl-refiner",
        title="Stable Diffusion XL refiner",
        why_not="it refines pictures of another model, and the engine does not know it",
    ),
    replace(
        _sdxl,
        name="svd",
        title="Stable Video Diffusion",
        evidence=("input_blocks.8.0.time_mixer.mix_factor", "temporal_transformer_blocks."),
        why_not=ANIMATES_A_PICTURE,
    ),
    _sd3,
)
