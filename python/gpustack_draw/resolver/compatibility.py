"""Check that the sizes of a model and its components fit together.

The engine divides by zero or aborts where they do not.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace

from gpustack_draw.errors import ModelFileError, quoted
from gpustack_draw.headers.header import ModelHeader
from gpustack_draw.headers.tensor_table import damaged
from gpustack_draw.phrases import phrase
from gpustack_draw.resolver.control_net import check_control_net_fits
from gpustack_draw.resolver.families import Family
from gpustack_draw.resolver.vision_encoder import check_vision_encoder

_HEAD_SIZES = (
    "single_blocks.0.norm.key_norm.scale",
    "double_blocks.0.txt_attn.norm.key_norm.scale",
)
_FLUX_BLOCK = re.compile(r"(?:double|single)_blocks\.[0-9]+\.")
_WAN_BLOCK = re.compile(r"blocks\.([0-9]+)")
_WAN_WIDTH = "blocks.0.cross_attn.norm_k.weight"
_NOT_DIFFUSION = ("first_stage_model.", "text_encoders.", "vae.")
_EMBEDDINGS = ("embed_tokens.weight", "token_embd.weight")
_CLIP_EMBEDDING = "token_embedding.weight"
_CLIP_POSITIONS = "position_embedding.weight"
_CLIP_TOKENS = 77
_T5_EMBEDDINGS = ("shared.weight", "token_embd.weight")
_T5_WIDTH = 4096
_VAE_START = "decoder.conv_in.weight"
_VIDEO_VAE_START = "decoder.conv1"
_TAESD_START = "decoder.layers.0.weight"
_VIDEO_TAESD_START = "decoder.1.weight"
_BLOCK = re.compile(r"joint_blocks\.([0-9]+)\.")
_SD35_MEDIUM_SIDE = 384 * 16


def fit_family(family: Family, header: ModelHeader, label: str) -> Family:
    """Check the sizes from which the engine builds the diffusion model, and apply them.

    Args:
        family: The model's family.
        header: Header of its main file.
        label: Name of that file in messages.

    Returns:
        The family with ``heads``, ``hidden``, ``layers``, ``max_side`` and ``options`` of this
        model.

    Raises:
        ModelFileError: A tensor that the engine divides by is missing or of a wrong size.
    """
    ignored = {
        option
        for option, tensor in family.option_tensors.items()
        if not any(tensor in name for name in header.tensors)
    }
    options = tuple(option for option in family.options if option not in ignored)
    fit = _FIT.get(family.network)
    return replace(family if fit is None else fit(family, header, label), options=options)


def _fit_flux(family: Family, header: ModelHeader, label: str) -> Family:
    # The engine divides the width by the head size without a check.
    head_size = max((_side(header, name, 0) for name in _HEAD_SIZES), default=0)
    hidden = _side(header, "txt_in.weight", 1)
    if not head_size or not hidden or hidden % head_size:
        raise damaged(
            label,
            f"a {family.title} network of width {hidden} cannot have heads of {head_size}",
        )
    layers = {number[0] for name in header.tensors if (number := _FLUX_BLOCK.search(name))}
    return replace(family, heads=hidden // head_size, hidden=hidden, layers=len(layers))


def _fit_mmdit(family: Family, header: ModelHeader, _display_name: str) -> Family:
    blocks = {int(number[1]) for name in header.tensors if (number := _BLOCK.search(name))}
    depth = len(blocks)
    is_35_medium = any("x_block.attn2" in name for name in header.tensors)
    side = _SD35_MEDIUM_SIDE if is_35_medium else family.max_side
    return replace(family, heads=depth, hidden=64 * depth, layers=depth, max_side=side)


def _fit_wan(family: Family, header: ModelHeader, label: str) -> Family:
    numbers = (
        int(number[1])
        for name in header.tensors
        if not name.startswith(_NOT_DIFFUSION) and (number := _WAN_BLOCK.search(name))
    )
    blocks, width = max(numbers, default=-1) + 1, _side(header, _WAN_WIDTH, 0)
    known = family.network_heads
    if (blocks, width) not in known:
        sizes = " and ".join(f"{count} of {side}" for count, side in known)
        raise ModelFileError(
            f"{quoted(label)} is a {family.title} network of {blocks} blocks and width"
            f" {width}, and the engine knows {sizes}",
            hint="use another file of a Wan model",
        )
    return replace(family, heads=known[blocks, width], hidden=width)


_FIT: dict[str, Callable[[Family, ModelHeader, str], Family]] = {
    "flux": _fit_flux,
    "mmdit": _fit_mmdit,
    "wan": _fit_wan,
}


def check_components(
    family: Family,
    header: ModelHeader,
    label: str,
    components: Mapping[str, tuple[ModelHeader | None, str]],
) -> None:
    """Check that a model's components fit it, both those in its main file and separate ones.

    Args:
        family: The model's family.
        header: Header of its main file.
        label: Name of that file in messages.
        components: Header and display name of each component file; ``None`` for a header that has
            not been read.

    Raises:
        ModelFileError: A component is for another family.
    """
    if "llm" not in components:
        _check_language_model(family, header, header, label)
    for component, (part, name) in components.items():
        if part is None:
            continue
        try:
            if component == "clip_l":
                _check_clip(family, part, name)
            elif component == "vae":
                _check_vae_type(family, part, name)
                _check_channels(family, _vae_channels(part), name)
            elif component == "taesd":
                _check_tiny_decoder(family, part, name)
            elif component == "t5xxl":
                _check_t5(family, part, name)
            elif component == "llm":
                _check_language_model(family, header, part, name)
            elif component == "control_net":
                check_control_net_fits(family, part, name)
            elif component == "llm_vision":
                width = _side(header, family.text_input, 0) if family.text_input else 0
                check_vision_encoder(part, name, family.title, width)
        except ModelFileError as error:
            error.argument = component
            raise


def _check_vae_type(family: Family, vae: ModelHeader, label: str) -> None:
    _check_vae_name(family, label)
    is_video = _side(vae, f"{_VIDEO_VAE_START}.weight", 0) > 0
    is_image = _side(vae, _VAE_START, 0) > 0
    if is_image if family.video_vae else is_video:
        raise ModelFileError(
            f"{quoted(label)} is a VAE of another type than {family.title}'s",
            hint=f"use one made for {family.title}",
        )


def _check_tiny_decoder(family: Family, decoder: ModelHeader, label: str) -> None:
    if not family.takes_taesd:
        raise ModelFileError(
            f"{quoted(label)} cannot decode {family.title}: the engine has no tiny autoencoder"
            " for it",
            hint=phrase("leave {taesd} out"),
        )
    _check_vae_name(family, label)
    starts = (_TAESD_START, _VIDEO_TAESD_START)
    start, other = reversed(starts) if family.video_vae else starts
    channels = _side(decoder, start, 2)
    if not channels and _side(decoder, other, 2):
        raise ModelFileError(
            f"{quoted(label)} is a tiny autoencoder of another type than {family.title}'s",
            hint=f"use one made for {family.title}",
        )
    if not channels:
        raise ModelFileError(
            f"{quoted(label)} is no complete tiny autoencoder: it lacks the tensor {start}",
            hint="download the file again, or use another one",
        )
    _check_channels(family, channels, label)


def _check_vae_name(family: Family, label: str) -> None:
    file = re.split(r"[/:\\]", label)[-1]
    similar = family.similar_vae
    if similar is not None and similar.has_name(file):
        raise ModelFileError(
            f"{quoted(label)} is named like {similar.title}'s VAE, and {family.title} has"
            " another one",
            hint=f"use one made for {family.title}",
        )


def _vae_channels(vae: ModelHeader) -> int:
    """Return the latent channels that a VAE decodes; 0 if unknown."""
    outputs = _side(vae, f"{_VIDEO_VAE_START}.bias", 0)
    if outputs:
        # Dimensions are 3, 3, 3 and, joined to one, inputs and outputs.
        return _side(vae, f"{_VIDEO_VAE_START}.weight", 3) // outputs
    return _side(vae, _VAE_START, 2)


def _check_channels(family: Family, channels: int, label: str) -> None:
    if channels and channels != family.latent_channels:
        raise ModelFileError(
            f"{quoted(label)} decodes {channels} channels,"
            f" and latents of {family.title} have {family.latent_channels}",
            hint=f"use one made for {family.title}",
        )


def _check_clip(family: Family, encoder: ModelHeader, label: str) -> None:
    width = _side(encoder, _CLIP_EMBEDDING, 0)
    if width and width != family.clip_width:
        raise ModelFileError(
            f"{quoted(label)} is a CLIP text encoder of width {width}, and"
            f" {family.title} needs {family.clip_title}, which has {family.clip_width}",
            hint=f"use {family.clip_title}",
        )
    tokens = _side(encoder, _CLIP_POSITIONS, 1)
    if tokens and tokens != _CLIP_TOKENS:
        raise ModelFileError(
            f"{quoted(label)} is a CLIP text encoder of {tokens} tokens, and the engine"
            f" splits prompts into pieces of {_CLIP_TOKENS}",
            hint=f"use {family.clip_title}",
        )


def _check_t5(family: Family, encoder: ModelHeader, label: str) -> None:
    tokens = next((side for name in _T5_EMBEDDINGS if (side := _side(encoder, name, 1))), 0)
    if tokens and tokens != family.t5_tokens:
        raise ModelFileError(
            f"{quoted(label)} is a T5 encoder of {tokens:,} tokens, and {family.title} needs"
            f" {family.t5_title}, which has {family.t5_tokens:,}",
            hint=f"use {family.t5_title}",
        )
    width = next((side for name in _T5_EMBEDDINGS if (side := _side(encoder, name, 0))), 0)
    if width and width != _T5_WIDTH:
        raise ModelFileError(
            f"{quoted(label)} is a T5 encoder of width {width:,}, and {family.title} needs"
            f" {family.t5_title}, whose width is {_T5_WIDTH:,}",
            hint=f"use {family.t5_title}",
        )


def _check_language_model(
    family: Family, header: ModelHeader, encoder: ModelHeader, label: str
) -> None:
    width = next((side for name in _EMBEDDINGS if (side := _side(encoder, name, 0))), 0)
    tokens = next((side for name in _EMBEDDINGS if (side := _side(encoder, name, 1))), 0)
    needed = _side(header, family.text_input, 0) if family.text_input else 0
    layers = family.llm_layers
    if needed and width and needed not in (width, layers * width):
        raise ModelFileError(
            f"{quoted(label)} is a language model of width {width}, and this {family.title}"
            f" model needs one of width {needed if needed % layers else needed // layers}",
            hint="use the language model that the model was made with",
        )
    if tokens and tokens < family.vocabulary:
        raise ModelFileError(
            f"{quoted(label)} is a language model of {tokens:,} tokens, and"
            f" {family.title} needs {family.vocabulary:,}",
            hint="use the language model that the model was made with",
        )


def _side(header: ModelHeader, ending: str, dimension: int) -> int:
    """Return a dimension of the first tensor with that ending; 0 if there is none."""
    for name, tensor in header.tensors.items():
        if name.endswith(ending) and (name == ending or name[-len(ending) - 1] == "."):
            return tensor.shape[dimension] if dimension < len(tensor.shape) else 1
    return 0
