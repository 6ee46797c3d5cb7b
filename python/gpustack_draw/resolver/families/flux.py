"""FLUX.1, FLUX.2 and the families made from them."""

from dataclasses import replace

from gpustack_draw.request.options import SKIP_OPTIONS
from gpustack_draw.resolver import component_sources as sources
from gpustack_draw.resolver.component_sources import Source
from gpustack_draw.resolver.families.family import (
    COMMON_OPTIONS,
    FLOW_OPTIONS,
    Defaults,
    Family,
    SimilarVae,
)
from gpustack_draw.resolver.families.picture_inputs import EditModel, PictureInputs
from gpustack_draw.resolver.families.shared import QWEN_VOCABULARY

FLUX1_VAE_IS_NOT_SD3S = SimilarVae("Stable Diffusion 3", r"(sd|stable-diffusion)[_-]?v?3")
# The engine appends reference pictures to the tokens of every FLUX network, and would place several
# of them side by side.
_UNTRAINED_REFERENCES = PictureInputs(
    references="untrained", reference_multiple=16, increase_ref_index=True
)

_flux1 = Family(
    name="flux1",
    title="FLUX.1",
    defaults=Defaults(20, 1.0, guidance=3.5),
    variants={
        "schnell": Defaults(4, 1.0),
        "kontext": Defaults(24, 1.0, guidance=2.5),
        "turbo": Defaults(8, 1.0, guidance=3.5),
        "hyper": Defaults(8, 1.0, guidance=3.5),
    },
    requires=("vae", "clip_l", "t5xxl"),
    sources={"vae": sources.FLUX_VAE, "clip_l": sources.CLIP_L, "t5xxl": sources.T5XXL},
    # FLUX.1 dev takes its guidance as an input; schnell has no weights for it.
    variant_evidence=(("guidance_in.in_layer.weight", "dev"), ("", "schnell")),
    # As llama-box numbers them; cpp/engine/tensor_name_aliases.cpp renames them for the engine.
    component_prefixes=(
        ("te1.", "clip_l"),
        ("cond_stage_model.2.", "t5xxl"),
        ("cond_stage_model.1.", "t5xxl"),
        ("cond_stage_model.", "clip_l"),
    ),
    options=(*FLOW_OPTIONS, "tile", *SKIP_OPTIONS, "guidance"),
    option_tensors={"guidance": "guidance_in.in_layer.weight"},
    network="flux",
    similar_vae=FLUX1_VAE_IS_NOT_SD3S,
    pictures=_UNTRAINED_REFERENCES,
    edit_models=(EditModel(title="FLUX.1 Kontext", file_name="kontext"),),
)
_flux1_derivative = replace(_flux1, variants={}, variant_evidence=(), edit_models=())
_chroma = replace(
    _flux1_derivative,
    name="chroma",
    title="Chroma",
    defaults=Defaults(40, 4.0),
    requires=("vae", "t5xxl"),
    sources={"vae": sources.FLUX_VAE, "t5xxl": sources.T5XXL},
    component_prefixes=(),
    options=(*FLOW_OPTIONS, "tile", *SKIP_OPTIONS),
)
_flux2 = Family(
    name="flux2",
    title="FLUX.2 dev",
    defaults=Defaults(24, 1.0, guidance=4.0),
    variants={"turbo": Defaults(8, 1.0, guidance=4.0)},
    sources={
        "vae": sources.FLUX2_VAE,
        "llm": (Source("unsloth/Mistral-Small-3.2-24B-Instruct-2506-GGUF", "Q4_K_M"),),
    },
    size_multiple=16,
    options=(*COMMON_OPTIONS, "tile", *SKIP_OPTIONS, "guidance"),
    network="flux",
    latent_channels=32,
    heads=48,
    hidden=6144,
    text_input="txt_in.weight",
    llm_layers=3,
    # The engine numbers the references of FLUX.2 by itself.
    pictures=PictureInputs(references="trained", reference_multiple=16),
)

FAMILIES = (
    _flux1,
    replace(
        _flux1_derivative,
        name="flux1-fill",
        title="FLUX.1 Fill",
        defaults=Defaults(20, 1.0, guidance=30.0),
        options=(*_flux1.options, "img_cfg_scale"),
        pictures=replace(
            _UNTRAINED_REFERENCES, concatenated=("mask",), required=("mask",), draws_alone=False
        ),
    ),
    replace(
        _flux1_derivative,
        name="flux1-controls",
        title="FLUX.1 Control",
        defaults=Defaults(20, 1.0, guidance=30.0),
        variants={"depth": Defaults(20, 1.0, guidance=10.0)},
        options=(*_flux1.options, "img_cfg_scale"),
        pictures=replace(_UNTRAINED_REFERENCES, concatenated=("control",), draws_alone=False),
    ),
    replace(
        _flux1_derivative,
        name="flex2",
        title="Flex.2",
        defaults=Defaults(25, 1.0, guidance=3.5),
        # It replaces the mask, the picture and the control picture by the last one alone, and the
        # network then reads past its end (generate_image() in its src/stable-diffusion.cpp).
        why_not="the engine ends its process while it draws",
        instead="use FLUX.1 Control for a control picture, FLUX.1 Fill for a mask",
    ),
    _chroma,
    replace(
        _chroma,
        name="chroma-radiance",
        title="Chroma Radiance",
        defaults=Defaults(30, 4.0),
        requires=("t5xxl",),
        sources={"t5xxl": sources.T5XXL},
        # The engine counts reference pictures as tokens and leaves them out, which crashes.
        pictures=PictureInputs(),
        evidence=("nerf_final_layer_conv.",),
        size_multiple=16,  # the engine takes any size; the network works on patches of 16 pixels
        latent_channels=3,
        takes_taesd=False,  # it draws pixels
    ),
    _flux2,
    replace(
        _flux2,
        name="flux2-klein",
        title="FLUX.2 klein",
        defaults=Defaults(4, 1.0),
        variants={"base": Defaults(20, 4.0)},
        sources={
            "vae": sources.FLUX2_VAE,
            "llm": (
                Source("unsloth/Qwen3-4B-GGUF", "Q4_K_M", bytes=2_497_281_312, width=2560),
                Source("unsloth/Qwen3-8B-GGUF", "Q4_K_M", bytes=5_027_784_512, width=4096),
            ),
        },
        options=(*COMMON_OPTIONS, "tile", *SKIP_OPTIONS),
        heads=32,
        hidden=4096,
        vocabulary=QWEN_VOCABULARY,
    ),
)
