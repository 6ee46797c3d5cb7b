"""Diffusion transformers whose text encoder is a language model."""

from gpustack_draw.request.options import SKIP_OPTIONS
from gpustack_draw.resolver import component_sources as sources
from gpustack_draw.resolver.component_sources import Source
from gpustack_draw.resolver.families.family import FLOW_OPTIONS, Defaults, Family
from gpustack_draw.resolver.families.flux import FLUX1_VAE_IS_NOT_SD3S
from gpustack_draw.resolver.families.picture_inputs import EditModel, PictureInputs
from gpustack_draw.resolver.families.shared import QWEN_VOCABULARY

# Marks a network for which reference pictures are free of noise (timestep 0).
_QWEN_2511 = "__index_timestep_zero__"
_QWEN_EDIT = r"(^|[^a-z]|image)edit([^a-z]|$)"
_QWEN_EDIT_MODELS = (
    EditModel(
        title="Qwen-Image-Edit-2511",
        file_name=rf"{_QWEN_EDIT}.*2511",
        evidence=_QWEN_2511,
        most_references=3,
        requires=("llm_vision",),
        switches=("qwen_image_zero_cond_t",),
    ),
    EditModel(
        title="Qwen-Image-Edit-2509",
        file_name=rf"{_QWEN_EDIT}.*2509",
        most_references=3,
        requires=("llm_vision",),
    ),
    EditModel(title="Qwen-Image-Edit", file_name=_QWEN_EDIT, requires=("llm_vision",)),
)

FAMILIES = (
    Family(
        name="qwen-image",
        title="Qwen-Image",
        defaults=Defaults(20, 2.5),
        variants={"lightning": Defaults(8, 1.0), "edit": Defaults(20, 2.5)},
        options=(*FLOW_OPTIONS, "tile"),
        sources={
            "vae": sources.QWEN_VAE,
            "llm": (
                Source("unsloth/Qwen2.5-VL-7B-Instruct-GGUF", "Q4_K_M"),
                Source("mradermacher/Qwen2.5-VL-7B-Instruct-GGUF", "Q4_K_S", bytes=4_457_767_936),
            ),
            "llm_vision": (
                Source("unsloth/Qwen2.5-VL-7B-Instruct-GGUF", "mmproj-F16.gguf"),
                Source(
                    "mradermacher/Qwen2.5-VL-7B-Instruct-GGUF",
                    "Qwen2.5-VL-7B-Instruct.mmproj-Q8_0.gguf",
                ),
            ),
        },
        evidence=("transformer_blocks.0.img_mod.1.weight",),
        text_input="txt_norm.weight",
        vocabulary=QWEN_VOCABULARY,
        video_vae=True,
        pictures=PictureInputs(references="untrained", reference_multiple=32),
        edit_models=_QWEN_EDIT_MODELS,
        variant_evidence=((_QWEN_2511, "edit"),),
    ),
    Family(
        name="z-image",
        title="Z-Image",
        defaults=Defaults(20, 4.0),
        variants={"turbo": Defaults(8, 1.0)},
        options=(*FLOW_OPTIONS, "tile"),
        sources={
            "vae": sources.FLUX_VAE,
            "llm": (
                Source("unsloth/Qwen3-4B-Instruct-2507-GGUF", "Q4_K_M", bytes=2_497_281_120),
                Source("unsloth/Qwen3-4B-GGUF", "Q4_K_M", bytes=2_497_281_312),
            ),
        },
        evidence=("cap_embedder.0.weight",),
        heads=30,
        hidden=3840,
        text_input="cap_embedder.0.weight",
        vocabulary=QWEN_VOCABULARY,
        pictures=PictureInputs(),  # with a reference picture the engine reads past a list's end
        similar_vae=FLUX1_VAE_IS_NOT_SD3S,
    ),
    Family(
        name="ovis-image",
        title="Ovis-Image",
        defaults=Defaults(50, 5.0),
        options=(*FLOW_OPTIONS, "tile", *SKIP_OPTIONS),
        sources={
            "vae": sources.FLUX_VAE,
            "llm": (Source("Comfy-Org/Ovis-Image", "ovis_2.5.safetensors"),),
        },
        evidence=("double_blocks.0.img_mlp.gate_proj.weight",),
        network="flux",
        pictures=PictureInputs(
            references="untrained", reference_multiple=16, increase_ref_index=True
        ),
        text_input="txt_in.weight",
        vocabulary=QWEN_VOCABULARY,
        similar_vae=FLUX1_VAE_IS_NOT_SD3S,
    ),
    Family(
        name="anima",
        title="Anima",
        defaults=Defaults(30, 5.0),
        options=FLOW_OPTIONS,  # the engine joins the edges in the VAE only
        sources={
            "vae": sources.QWEN_VAE,
            "llm": (Source("Qwen/Qwen3-0.6B-Base", "model.safetensors"),),
        },
        evidence=("llm_adapter.blocks.0.cross_attn.q_proj.weight",),
        heads=16,
        hidden=2048,
        text_input="llm_adapter.blocks.0.cross_attn.k_proj.weight",
        vocabulary=QWEN_VOCABULARY,
        video_vae=True,
    ),
    Family(
        name="ernie-image",
        title="ERNIE-Image",
        defaults=Defaults(50, 4.5),
        variants={"turbo": Defaults(8, 1.0)},
        options=(*FLOW_OPTIONS, "tile"),
        sources={
            "vae": sources.FLUX2_VAE,
            "llm": (Source("unsloth/Ministral-3-3B-Instruct-2512-GGUF", "Q4_K_M"),),
        },
        evidence=("layers.0.adaLN_sa_ln.weight",),
        size_multiple=16,
        latent_channels=32,
        heads=32,
        hidden=4096,
        text_input="text_proj.weight",
        takes_taesd=False,  # the engine expects one of 16 channels for it
    ),
)
