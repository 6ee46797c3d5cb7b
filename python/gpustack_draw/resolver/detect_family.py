"""Which family a model is of, what its file brings, which variant its name tells.

The engine tells families apart by tensor names (``get_sd_version()`` in its ``src/model.cpp``). The
same questions are asked here in the same order, so that both come to the same answer.
"""

import re
from collections.abc import Iterable

from gpustack_draw.headers.header import ModelHeader
from gpustack_draw.resolver.families import FAMILIES, Defaults, Family

__all__ = [
    "FAMILIES",
    "Defaults",
    "Family",
    "clip_width",
    "components_inside",
    "defaults_of",
    "detect_family",
    "kind_of",
    "variant_of",
]

# Words of a file's name, in the order in which they decide: "sdxl-lightning-lcm" is a lightning.
_VARIANT_WORDS: tuple[str, ...] = (
    "highnoise",
    "lownoise",
    "schnell",
    "lightning",
    "hyper",
    "turbo",
    "lcm",
    "kontext",
    "edit",
    "base",
    "large",
    "medium",
    "dev",
)
# "sd_xl_base_1.0" is the plain model: these words decide only in the families that have them.
_WORDS_OF_SOME = {"base", "edit", "highnoise", "lownoise"}
# These are found inside of other words too, as in "sdxlturbo".
_LONG_WORDS = {"schnell", "lightning", "turbo", "kontext"}

# Which part of an all-in-one file a tensor belongs to, by the beginning of its name.
_PARTS: tuple[tuple[str, str], ...] = (
    ("first_stage_model.", "vae"),
    ("vae.", "vae"),
    ("tae.", "taesd"),
    ("text_encoders.clip_l.", "clip_l"),
    ("text_encoders.clip_g.", "clip_g"),
    ("text_encoders.t5xxl.", "t5xxl"),
    ("text_encoders.llm.", "llm"),
    ("te3.", "t5xxl"),
)
# The same names mean other text encoders in other families. Longer beginnings come first.
_UNET_PARTS: tuple[tuple[str, str], ...] = (
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
)
# As llama-box numbers them, which cpp/engine/tensor_name_aliases.cpp tells the engine.
_SD3_PARTS: tuple[tuple[str, str], ...] = (
    ("cond_stage_model.2.", "t5xxl"),
    ("cond_stage_model.1.", "clip_g"),
    ("cond_stage_model.", "clip_l"),
)
_FLUX1_PARTS: tuple[tuple[str, str], ...] = (
    ("te1.", "clip_l"),
    ("cond_stage_model.2.", "t5xxl"),
    ("cond_stage_model.1.", "t5xxl"),
    ("cond_stage_model.", "clip_l"),
)

_TOKEN_EMBEDDINGS = (
    "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight",
    "cond_stage_model.model.token_embedding.weight",
    "text_model.embeddings.token_embedding.weight",
    "te.text_model.embeddings.token_embedding.weight",
    "conditioner.embedders.0.model.token_embedding.weight",
    "conditioner.embedders.0.transformer.text_model.embeddings.token_embedding.weight",
)

# Networks by what only they have, less the prefix.
_EVIDENCE: tuple[tuple[str, str], ...] = (
    ("nerf_final_layer_conv.", "chroma-radiance"),
    ("joint_blocks.", "sd3"),
    ("transformer_blocks.0.img_mod.1.weight", "qwen-image"),
    ("llm_adapter.blocks.0.cross_attn.q_proj.weight", "anima"),
    ("double_blocks.0.img_mlp.gate_proj.weight", "ovis-image"),
    ("cap_embedder.0.weight", "z-image"),
    ("layers.0.adaLN_sa_ln.weight", "ernie-image"),
    ("blocks.0.cross_attn.norm_k.weight", "wan"),
    ("input_blocks.8.0.time_mixer.mix_factor", "svd"),
    ("temporal_transformer_blocks.", "svd"),
    # None of the following is known to the engine.
    ("txt_in.individual_token_refiner.", "hunyuan"),
    ("patchify_proj.weight", "ltx-video"),
    ("cond_seq_linear.weight", "auraflow"),
    ("double_stream_blocks.", "hidream"),
)
_SDXL_TEXT_WIDTH = 2048  # its two text encoders side by side
_LUMINA_2_WIDTH = 2304  # of cap_embedder.0, where Z-Image's is 2560
# What GGUF files call a family in general.architecture, where their tensors do not show it.
_ARCHITECTURES = {
    "hyvid": "hunyuan",
    "ltxv": "ltx-video",
    "aura": "auraflow",
    "hidream": "hidream",
    "lumina2": "lumina-2",
    "cosmos": "cosmos",
}

# A LoRA and a ControlNet have names of the network that they add to.
_ADDITION = re.compile(
    r"(lora_up|lora_down|lora_[AB]|lora\.up|lora\.down|hada_w1|lokr_w)[._]"
    r"|^(control_model|controlnet\w*|input_hint_block|zero_convs)\."
)
# What a file is that holds no network of a family: pattern in a name, component or description.
_KINDS: tuple[tuple[str, str], ...] = (
    (r"(lora_up|lora_down|lora_[AB]|lora\.up|lora\.down|hada_w1|lokr_w)[._]", "a LoRA"),
    (_ADDITION.pattern, "a ControlNet"),
    (r"^(emb_params|string_to_param|clip_g$|clip_l$)", "a textual inversion"),
    (r"^(v\.blk|mm\.|visual)\.?", "a vision encoder of a language model"),
    (r"^(tae\.)?decoder\.(layers\.)?[0-9]+\.", "taesd"),
    (r"^(vae\.)?decoder\.(conv_in|conv1|mid|mid_block|middle)\.", "vae"),
    (r"^(.*\.)?(encoder\.block\.0\.layer\.0|enc\.blk\.0)\.", "t5xxl"),
    (r"^(.*model\.)?layers\.0\.self_attn\.q_proj\.weight$", "llm"),
    (r"^(blk\.0\.attn_q|token_embd|.*model\.embed_tokens)\.weight$", "llm"),
    (r"^(body\.0\.rdb1|model\.1\.sub\.0|RRDB_trunk)\.", "an upscaler"),
)


def detect_family(*headers: ModelHeader) -> Family | None:  # noqa: PLR0911 - one a question
    """Tell the family of a model from the tensors of its files together.

    Args:
        headers: Of the main file; of a folder's parts, with the engine's prefixes to their names.

    Returns:
        The family; ``None`` when the tensors hold no network of a family known here.
    """
    names = _Names(headers)
    if any(_ADDITION.search(name) for name in names.shapes):
        return None
    for evidence, family in _EVIDENCE:
        if names.have(evidence):
            if names.side("cap_embedder.0.weight", 0) == _LUMINA_2_WIDTH:
                return FAMILIES["lumina-2"]
            return _detect_wan(names) if family == "wan" else FAMILIES[family]
    if names.have("double_stream_modulation_img.lin.weight"):
        return FAMILIES["flux2" if names.have("single_blocks.47.linear1.weight") else "flux2-klein"]
    if names.have("double_blocks."):
        if names.have("distilled_guidance_layer.in_proj.weight"):
            return FAMILIES["chroma"]
        by_input = {384: "flux1-fill", 128: "flux1-controls", 196: "flex2"}
        return FAMILIES[by_input.get(names.side("img_in.weight", 0), "flux1")]
    if names.have("\ninput_blocks.") or names.have("\ndown_blocks."):
        return _detect_unet(names)
    architectures = (header.metadata.get("general.architecture") for header in headers)
    named = (_ARCHITECTURES.get(str(architecture), "") for architecture in architectures)
    return next((FAMILIES[family] for family in named if family), None)


def components_inside(header: ModelHeader, family: Family) -> set[str]:
    """Tell which components a file brings, as the engine will see it for that family.

    Returns:
        Names among ``COMPONENTS``.
    """
    parts = _PARTS
    if family.unet:
        parts += _UNET_PARTS
    elif family.name == "sd3":
        parts += _SD3_PARTS
    elif family.name == "flex2" or family.name.startswith("flux1"):
        parts += _FLUX1_PARTS
    inside = set()
    for name in header.tensors:
        for prefix, component in parts:
            if name.startswith(prefix):
                inside.add(component)
                break
    if family.name.startswith("sdxs") and "vae" in inside:
        inside.add("taesd")  # the engine reads the VAE of these families as a tiny one
    return inside


def kind_of(header: ModelHeader) -> str:
    """Tell what a file is that holds no whole model.

    Returns:
        A name among ``COMPONENTS``; or, for anything else, a description
        such as ``a LoRA``; empty when nothing fits.
    """
    # Stable Diffusion 2 has another encoder in the place of CLIP-L.
    by_width = {768: "clip_l", 1024: "clip_l", 1280: "clip_g"}
    if clip_width(header) in by_width:
        return by_width[clip_width(header)]
    for pattern, kind in _KINDS:
        search = re.compile(pattern).search
        if any(search(name) for name in header.tensors):
            return kind
    return ""


def clip_width(header: ModelHeader) -> int:
    """Return how wide the tokens of a CLIP text encoder are; 0 for any other file."""
    widths = (
        tensor.shape[0]
        for name, tensor in header.tensors.items()
        if name.endswith("token_embedding.weight")
    )
    return next(widths, 0)


def variant_of(family: Family, *names: str, header: ModelHeader | None = None) -> str:
    """Tell the variant of a model from the words of its name; little of it shows in its tensors.

    Args:
        family: The model's family.
        names: Its file name, without folder, and its repository's; the first one that tells counts.
        header: Of its main file, for when no name tells.

    Returns:
        A word such as ``turbo``, ``schnell`` or ``base``; empty when the name has none.
    """
    known = {*family.variants, *family.why_not_variant}
    for name in names:
        text = re.sub(r"(high|low)[ _-]noise", r"\1noise", name.lower())
        words = set(re.split(r"[^a-z]+", text))
        for word in _VARIANT_WORDS:
            is_there = word in words or (word in _LONG_WORDS and word in text)
            if is_there and (word not in _WORDS_OF_SOME or word in known):
                return word
    return _variant_by_tensors(family, header) if header is not None else ""


def _variant_by_tensors(family: Family, header: ModelHeader) -> str:
    if family.name == "flux1":
        # FLUX.1 dev takes its guidance as an input; schnell has no weights for it.
        return "dev" if _has(header, "guidance_in.in_layer.weight") else "schnell"
    if family.name == "sd3":
        return "large" if _has(header, "joint_blocks.37.") else "medium"
    return ""


def defaults_of(family: Family, variant: str, header: ModelHeader | None = None) -> Defaults:
    """Give the defaults of a variant.

    Args:
        family: The family.
        variant: From :func:`variant_of`.
        header: Of the main file, where it tells more than its name does.
    """
    if family.name == "sd3" and variant == "medium" and header is not None:
        # Both versions are called medium; only 3.5's has a second attention.
        variant = "medium" if _has(header, "x_block.attn2") else "3.0 medium"
    return family.variants.get(variant, family.defaults)


def _has(header: ModelHeader, text: str) -> bool:
    return any(text in name for name in header.tensors)


class _Names:
    """The tensors of a model's files, with the diffusion model's prefix taken off."""

    def __init__(self, headers: Iterable[ModelHeader]) -> None:
        self.shapes: dict[str, tuple[int, ...]] = {}
        for header in headers:
            for name, tensor in header.tensors.items():
                bare = name.removeprefix("model.").removeprefix("diffusion_model.")
                self.shapes[bare.removeprefix("unet.")] = tensor.shape
        self._all = "".join(f"\n{name}" for name in self.shapes)

    def have(self, text: str) -> bool:
        """Tell whether the text is in a name; a newline in front stands for the name's start."""
        return text in self._all

    def side(self, name: str, dimension: int) -> int:
        shape = self.shapes.get(name, ())
        return shape[dimension] if dimension < len(shape) else 0

    def first_side(self, ending: str, dimension: int) -> int:
        """Return a dimension of the first tensor whose name ends so; 0 where there is none."""
        named = (name for name in self.shapes if name.endswith(ending))
        return self.side(next(named, ""), dimension)


def _detect_wan(names: _Names) -> Family:
    if names.have("vace_blocks."):
        return FAMILIES["wan-vace"]
    # Numbers of a place of the picture times the network's width, as the engine joins dimensions.
    inputs = names.side("patch_embedding.weight", 3)
    if names.have("img_emb"):
        return FAMILIES["wan-i2v"]
    if inputs == 48 * 3072:
        return FAMILIES["wan-ti2v"]
    width = names.side("blocks.0.cross_attn.norm_k.weight", 0)
    # A given picture, and a mask of it, come beside the 16 of the one that is drawn.
    return FAMILIES["wan-i2v" if inputs > 16 * width else "wan"]


def _text_width(names: _Names) -> int:
    """Return the width of the text that a UNet attends to, by which its family shows."""
    second_encoders = ("\nconditioner.embedders.1.", "\ncond_stage_model.1.", "\nte.1.")
    if any(names.have(text) for text in second_encoders):
        return _SDXL_TEXT_WIDTH
    inside = (names.side(name, 0) for name in _TOKEN_EMBEDDINGS if name in names.shapes)
    width = next(inside, 0)
    if width or names.have("\nencoder_hid_proj."):
        return width  # Kolors has SDXL's UNet and another text encoder, for example
    return names.first_side(".attn2.to_k.weight", 0)


def _detect_unet(names: _Names) -> Family | None:
    channels = names.side("input_blocks.0.0.weight", 2) or names.side("conv_in.weight", 2)
    kind = {9: "-inpaint", 8: "-pix2pix"}.get(channels, "")
    has_middle = names.have("middle_block.1.") or names.have("\nmid_block.resnets.1.")
    width = _text_width(names)
    if width == _SDXL_TEXT_WIDTH:
        if has_middle or kind:
            return FAMILIES["sdxl" + kind]
        deep = names.have("output_blocks.3.1.transformer_blocks.1") or names.have(
            "\nup_blocks.1.attentions.0.transformer_blocks.1"
        )
        return FAMILIES["sdxl-ssd1b" if deep else "sdxl-vega"]
    if width == 768:
        deep = names.have("output_blocks.7.1") or names.have("\nup_blocks.2.attentions.1")
        small = "sd1-tiny" if deep else "sdxs"
        return FAMILIES["sd1" + kind if kind or has_middle else small]
    if width == 1024:
        to_k = "output_blocks.7.1.transformer_blocks.0.attn1.to_k.weight"
        small = "sdxs-09" if names.side(to_k, 0) == 1024 else "sd2-tiny"
        if kind == "-inpaint":
            return FAMILIES["sd2-inpaint"]
        return FAMILIES["sd2" if has_middle else small]
    # The refiner's only encoder is SDXL's second one, in the first one's place.
    return FAMILIES["sdxl-refiner"] if width == 1280 else None
