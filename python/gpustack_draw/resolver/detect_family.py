"""Detect a model's family, its variant and the components in its file.

The engine detects families by tensor names (``get_sd_version()`` in its ``src/model.cpp``). The
same tests run here in the same order, so that both get the same result.
"""

import re
from collections.abc import Iterable

from gpustack_draw.headers.header import ModelHeader
from gpustack_draw.resolver.families import FAMILIES, Defaults, EditModel, Family

# Words in file names, by precedence: "sdxl-lightning-lcm" is a lightning.
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
    "depth",
    "base",
    "large",
    "medium",
    "dev",
)
# "sd_xl_base_1.0" is the plain model: these words count only in families with such a variant.
_FAMILY_WORDS = {"base", "depth", "edit", "highnoise", "lownoise"}
# Words that count inside other words, too, as in "sdxlturbo".
_LONG_WORDS = {"schnell", "lightning", "turbo", "kontext"}

# Components in an all-in-one file, by the prefix of their tensor names.
_PREFIXES: tuple[tuple[str, str], ...] = (
    ("first_stage_model.", "vae"),
    ("vae.", "vae"),
    ("tae.", "taesd"),
    ("text_encoders.clip_l.", "clip_l"),
    ("text_encoders.clip_g.", "clip_g"),
    ("text_encoders.t5xxl.", "t5xxl"),
    ("text_encoders.llm.visual.", "llm_vision"),
    ("text_encoders.llm.", "llm"),
    ("te3.", "t5xxl"),
)

_TOKEN_EMBEDDINGS = (
    "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight",
    "cond_stage_model.model.token_embedding.weight",
    "text_model.embeddings.token_embedding.weight",
    "te.text_model.embeddings.token_embedding.weight",
    "conditioner.embedders.0.model.token_embedding.weight",
    "conditioner.embedders.0.transformer.text_model.embeddings.token_embedding.weight",
)

_SDXL_TEXT_WIDTH = 2048  # its two text encoders side by side

# LoRAs and ControlNets also have tensor names of the network that they extend.
_LORA = (
    r"(lora_(up|down|[AB])|lora\.(up|down)|lora_linear_layer|hada_w[12]_[ab]|lokr_w[12])([._]|$)"
    r"|\.(diff|diff_b|dora_scale|oft_blocks)$"
)
_ADDITION = re.compile(_LORA + r"|^(control_model|controlnet\w*|input_hint_block|zero_convs)\.")
# Files without a diffusion model: pattern of a tensor name, component or description.
_OTHER_FILES: tuple[tuple[str, str], ...] = (
    (_LORA, "a LoRA"),
    (_ADDITION.pattern, "control_net"),
    (r"^(emb_params|string_to_param|clip_g$|clip_l$)", "a textual inversion"),
    (r"^(tae\.)?decoder\.(layers\.)?[0-9]+\.", "taesd"),
    (r"^(vae\.)?decoder\.(conv_in|conv1|mid|mid_block|middle)\.", "vae"),
    (r"^(.*\.)?(encoder\.block\.0\.layer\.0|enc\.blk\.0)\.", "t5xxl"),
    (r"^(.*model\.)?layers\.0\.self_attn\.q_proj\.weight$", "llm"),
    (r"^(blk\.0\.attn_q|token_embd|.*model\.embed_tokens)\.weight$", "llm"),
    # The engine finds it in a file of its own only by llama.cpp's names.
    (r"^(v\.blk|mm)\.", "llm_vision"),
    (r"^visual\.", "a vision encoder of a language model"),
    (r"^(body\.0\.rdb1|model\.1\.sub\.0|RRDB_trunk)\.", "an upscaler"),
)


# A family whose evidence has a size goes before one that shares the tensor.
_BY_EVIDENCE = sorted(
    (family for family in FAMILIES.values() if family.evidence),
    key=lambda family: not family.evidence_side,
)


def detect_family(*headers: ModelHeader) -> Family | None:
    """Detect the family of a model from the tensors of its files together.

    Args:
        headers: Header of the main file; for a folder, headers of its components, whose tensor
            names have the engine's prefixes.

    Returns:
        The family; ``None`` if the tensors are not a diffusion model of a known family.
    """
    names = _Names(headers)
    if any(_ADDITION.search(name) for name in names.shapes):
        return None
    family = _by_evidence(names) or _detect_flux(names)
    if family is not None:
        return _detect_wan(names) if family.name == "wan" else family
    if names.have("\ninput_blocks.") or names.have("\ndown_blocks."):
        return _detect_unet(names)
    architectures = {str(header.metadata.get("general.architecture")) for header in headers}
    named = (family for family in FAMILIES.values() if family.architecture)
    return next((family for family in named if family.architecture in architectures), None)


def components_inside(header: ModelHeader, family: Family) -> set[str]:
    """Return the components in a file, as the engine finds them for that family.

    Returns:
        Names among ``COMPONENTS``.
    """
    inside = {component_of(name, family) for name in header.tensors} - {""}
    if family.vae_is_taesd and "vae" in inside:
        inside.add("taesd")
    return inside


def component_of(name: str, family: Family) -> str:
    """Return the component that a tensor in the file of a model belongs to.

    Args:
        name: Name of the tensor.
        family: Family of the model.

    Returns:
        A name among ``COMPONENTS``; empty for the diffusion model.
    """
    prefixes = _PREFIXES + family.component_prefixes
    return next((component for prefix, component in prefixes if name.startswith(prefix)), "")


def identify_file(header: ModelHeader) -> str:
    """Identify a file that holds no diffusion model.

    Returns:
        A name among ``COMPONENTS``, or a description such as ``a LoRA``; empty if unknown.
    """
    # Stable Diffusion 2 has another encoder in place of CLIP-L.
    by_width = {768: "clip_l", 1024: "clip_l", 1280: "clip_g"}
    if clip_width(header) in by_width:
        return by_width[clip_width(header)]
    for pattern, component in _OTHER_FILES:
        search = re.compile(pattern).search
        if any(search(name) for name in header.tensors):
            return component
    return ""


def can_encode_pictures(header: ModelHeader, *, is_vae: bool) -> bool:
    """Return True if a VAE or tiny autoencoder has its encoder, too.

    Args:
        header: Header of its file.
        is_vae: Whether the file is a VAE alone; False for a model that contains one.
    """
    prefixes = tuple(
        f"{prefix}encoder." for prefix, component in _PREFIXES if component in {"vae", "taesd"}
    )
    prefixes += ("encoder.",) if is_vae else ()
    return any(name.startswith(prefixes) for name in header.tensors)


def clip_width(header: ModelHeader) -> int:
    """Return the width of a CLIP text encoder; 0 for any other file."""
    widths = (
        tensor.shape[0]
        for name, tensor in header.tensors.items()
        if name.endswith("token_embedding.weight")
    )
    return next(widths, 0)


def variant_of(family: Family, *names: str, header: ModelHeader | None = None) -> str:
    """Return the variant of a model by its names, or else by its tensors.

    Args:
        family: The model's family.
        names: Its file name, without folder, and its repository's; the first one with a word of a
            variant counts.
        header: Header of its main file, for names without such a word.

    Returns:
        A word such as ``turbo``, ``schnell`` or ``base``; empty if the variant is unknown.
    """
    known = {*family.variants, *family.why_not_variant}
    for name in names:
        text = re.sub(r"(high|low)[ _-]noise", r"\1noise", name.lower())
        words = set(re.split(r"[^a-z]+", text))
        for word in _VARIANT_WORDS:
            is_named = word in words or (word in _LONG_WORDS and word in text)
            if is_named and (word not in _FAMILY_WORDS or word in known):
                return word
    if header is None:
        return ""
    evidence = family.variant_evidence
    return next((variant for tensor, variant in evidence if _has(header, tensor)), "")


def defaults_of(family: Family, variant: str, header: ModelHeader | None = None) -> Defaults:
    """Return the default settings of a variant.

    Args:
        family: The family.
        variant: From :func:`variant_of`.
        header: Header of the main file; decides between two models of one variant.
    """
    if header is not None and variant in family.older_variants:
        tensor, older = family.older_variants[variant]
        variant = variant if _has(header, tensor) else older
    return family.variants.get(variant, family.defaults)


def edit_model_of(family: Family, *names: str, header: ModelHeader) -> EditModel | None:
    """Return which of a family's models that were trained to edit pictures a model is.

    Args:
        family: The model's family.
        names: Its file name, without folder, and its repository's.
        header: Header of its main file, whose tensors go before the names.

    Returns:
        The facts of these models; ``None`` for the family's other models.
    """
    models = family.edit_models
    proven = (model for model in models if model.evidence and _has(header, model.evidence))
    named = (model for model in models if any(map(model.has_name, names)))
    return next(proven, None) or next(named, None)


def _has(header: ModelHeader, text: str) -> bool:
    return any(text in name for name in header.tensors)


class _Names:
    """The tensors of a model's files, without the prefix of the diffusion model."""

    def __init__(self, headers: Iterable[ModelHeader]) -> None:
        self.shapes: dict[str, tuple[int, ...]] = {}
        for header in headers:
            for name, tensor in header.tensors.items():
                bare = name.removeprefix("model.").removeprefix("diffusion_model.")
                self.shapes[bare.removeprefix("unet.")] = tensor.shape
        self._all = "".join(f"\n{name}" for name in self.shapes)

    def have(self, text: str) -> bool:
        """Return True if a name contains the text; a leading newline anchors it at the start."""
        return text in self._all

    def side(self, name: str, dimension: int) -> int:
        shape = self.shapes.get(name, ())
        return shape[dimension] if dimension < len(shape) else 0

    def first_side(self, ending: str, dimension: int) -> int:
        """Return a dimension of the first tensor with that ending; 0 if there is none."""
        named = (name for name in self.shapes if name.endswith(ending))
        return self.side(next(named, ""), dimension)


def _by_evidence(names: _Names) -> Family | None:
    for family in _BY_EVIDENCE:
        for tensor in family.evidence:
            side = family.evidence_side
            if names.have(tensor) and side in (0, names.side(tensor, 0)):
                return family
    return None


def _detect_flux(names: _Names) -> Family | None:
    if names.have("double_stream_modulation_img.lin.weight"):
        return FAMILIES["flux2" if names.have("single_blocks.47.linear1.weight") else "flux2-klein"]
    if not names.have("double_blocks."):
        return None
    if names.have("distilled_guidance_layer.in_proj.weight"):
        return FAMILIES["chroma"]
    by_input = {384: "flux1-fill", 128: "flux1-controls", 196: "flex2"}
    return FAMILIES[by_input.get(names.side("img_in.weight", 0), "flux1")]


def _detect_wan(names: _Names) -> Family:
    if names.have("vace_blocks."):
        return FAMILIES["wan-vace"]
    # Input channels times the network's width, as the engine joins dimensions.
    inputs = names.side("patch_embedding.weight", 3)
    if names.have("img_emb"):
        return FAMILIES["wan-i2v"]
    if inputs == 48 * 3072:
        return FAMILIES["wan-ti2v"]
    width = names.side("blocks.0.cross_attn.norm_k.weight", 0)
    # Image-to-video adds the channels of a picture and its mask to the 16 of the latents.
    return FAMILIES["wan-i2v" if inputs > 16 * width else "wan"]


def _text_width(names: _Names) -> int:
    """Return the width of the text that a UNet attends to, which differs by family."""
    second_encoders = ("\nconditioner.embedders.1.", "\ncond_stage_model.1.", "\nte.1.")
    if any(names.have(text) for text in second_encoders):
        return _SDXL_TEXT_WIDTH
    inside = (names.side(name, 0) for name in _TOKEN_EMBEDDINGS if name in names.shapes)
    width = next(inside, 0)
    if width or names.have("\nencoder_hid_proj."):
        return width  # Kolors, for example, has SDXL's UNet and another text encoder
    return names.first_side(".attn2.to_k.weight", 0)


def _detect_unet(names: _Names) -> Family | None:
    channels = names.side("input_blocks.0.0.weight", 2) or names.side("conv_in.weight", 2)
    suffix = {9: "-inpaint", 8: "-pix2pix"}.get(channels, "")
    has_middle = names.have("middle_block.1.") or names.have("\nmid_block.resnets.1.")
    width = _text_width(names)
    if width == _SDXL_TEXT_WIDTH:
        is_cosxl_edit = suffix == "-pix2pix" and names.have("edm_vpred.sigma_max")
        if has_middle or suffix:
            return FAMILIES["cosxl-edit" if is_cosxl_edit else "sdxl" + suffix]
        deep = names.have("output_blocks.3.1.transformer_blocks.1") or names.have(
            "\nup_blocks.1.attentions.0.transformer_blocks.1"
        )
        return FAMILIES["sdxl-ssd1b" if deep else "sdxl-vega"]
    if width == 768:
        deep = names.have("output_blocks.7.1") or names.have("\nup_blocks.2.attentions.1")
        small = "sd1-tiny" if deep else "sdxs"
        return FAMILIES["sd1" + suffix if suffix or has_middle else small]
    if width == 1024:
        to_k = "output_blocks.7.1.transformer_blocks.0.attn1.to_k.weight"
        small = "sdxs-09" if names.side(to_k, 0) == 1024 else "sd2-tiny"
        if suffix == "-inpaint":
            return FAMILIES["sd2-inpaint"]
        return FAMILIES["sd2" if has_middle else small]
    # The refiner has only SDXL's second text encoder, in place of the first.
    return FAMILIES["sdxl-refiner"] if width == 1280 else None
