"""Do a model's sizes fit together? Where they do not, the engine divides by zero or aborts."""

import re
from collections.abc import Mapping
from dataclasses import replace

from gpustack_draw.errors import ModelFileError, quoted
from gpustack_draw.headers.header import ModelHeader
from gpustack_draw.headers.tensor_table import broken
from gpustack_draw.resolver.families import Family

_HEAD_SIZES = (
    "single_blocks.0.norm.key_norm.scale",
    "double_blocks.0.txt_attn.norm.key_norm.scale",
)
_FLUX_NETWORKS = ("flux1", "flux2", "flex2", "chroma", "ovis")
_WAN_BLOCK = re.compile(r"blocks\.([0-9]+)")
_WAN_WIDTH = "blocks.0.cross_attn.norm_k.weight"
# Blocks and width, and the heads that go with them: the engine aborts over other numbers of blocks.
_WAN_NETWORKS = {
    "wan": {(30, 1536): 12, (40, 5120): 40},
    "wan-ti2v": {(30, 3072): 24},
}
_NOT_DIFFUSION = ("first_stage_model.", "text_encoders.", "vae.")
_EMBEDDINGS = ("embed_tokens.weight", "token_embd.weight")
_CLIP_EMBEDDING = "token_embedding.weight"
_CLIP_POSITIONS = "position_embedding.weight"
_CLIP_TOKENS = 77
_T5_EMBEDDINGS = ("shared.weight", "token_embd.weight")
_T5_WIDTH = 4096
_VAE_START = "decoder.conv_in.weight"
_VIDEO_VAE_START = "decoder.conv1"
# VAEs of the same shapes, which only their names tell apart: families (by the beginnings of their
# names), and names of another family's VAE.
_OTHER_VAES: tuple[tuple[tuple[str, ...], str, re.Pattern[str]], ...] = (
    (("sd3",), "FLUX.1", re.compile(r"^ae[._-]|flux", re.IGNORECASE)),
    (
        ("flux1", "flex2", "chroma", "z-image", "ovis"),
        "Stable Diffusion 3",
        re.compile(r"(sd|stable-diffusion)[_-]?v?3", re.IGNORECASE),
    ),
    (
        ("sd1", "sd2", "sdxs"),
        "Stable Diffusion XL",
        re.compile(r"sd_?xl|(^|[^a-z])xl([^a-z]|$)", re.IGNORECASE),
    ),
    (
        ("sdxl",),
        "Stable Diffusion 1",
        re.compile(r"sd[_-]?v?[12]|v1-5|v2-1|ft-(mse|ema)|[58][64]0000|kl-f8", re.IGNORECASE),
    ),
)
_TINY_STARTS = ("decoder.layers.0.weight", "decoder.layers.1.weight", "decoder.1.weight")
_BLOCK = re.compile(r"joint_blocks\.([0-9]+)\.")
_SD35_MEDIUM_SIDE = 384 * 16


def fit_family(family: Family, header: ModelHeader, shown: str) -> Family:
    """Check the sizes from which the engine builds the denoiser, and give the family with them.

    Args:
        family: The model's family.
        header: Of its main file.
        shown: What messages call the file.

    Returns:
        The family, its ``heads``, ``hidden`` and ``max_side`` as this model has them.

    Raises:
        ModelFileError: A tensor is missing, or of a size, that the engine divides by.
    """
    if family.name.startswith(_FLUX_NETWORKS):
        # The engine divides the width by the size of a head, without looking.
        head_size = max((_side(header, name, 0) for name in _HEAD_SIZES), default=0)
        hidden = _side(header, "txt_in.weight", 1)
        if not head_size or not hidden or hidden % head_size:
            raise broken(
                shown,
                f"a {family.title} network of width {hidden} cannot have heads of {head_size}",
            )
        return replace(family, heads=hidden // head_size, hidden=hidden)
    if family.name == "sd3":
        blocks = {int(number[1]) for name in header.tensors if (number := _BLOCK.search(name))}
        depth = len(blocks)
        is_35_medium = any("x_block.attn2" in name for name in header.tensors)
        side = _SD35_MEDIUM_SIDE if is_35_medium else family.max_side
        return replace(family, heads=depth, hidden=64 * depth, max_side=side)
    if family.name in _WAN_NETWORKS:
        return _fit_wan(family, header, shown)
    return family


def _fit_wan(family: Family, header: ModelHeader, shown: str) -> Family:
    numbers = (
        int(number[1])
        for name in header.tensors
        if not name.startswith(_NOT_DIFFUSION) and (number := _WAN_BLOCK.search(name))
    )
    blocks, width = max(numbers, default=-1) + 1, _side(header, _WAN_WIDTH, 0)
    known = _WAN_NETWORKS[family.name]
    if (blocks, width) not in known:
        sizes = " and ".join(f"{count} of {side}" for count, side in known)
        raise ModelFileError(
            f"{quoted(shown)} is a {family.title} network of {blocks} blocks and width {width},"
            f" and the engine knows {sizes}",
            hint="use another file of a Wan model",
        )
    return replace(family, heads=known[blocks, width], hidden=width)


def check_parts(
    family: Family,
    header: ModelHeader,
    shown: str,
    given: Mapping[str, tuple[ModelHeader | None, str]],
) -> None:
    """Check that a model's components fit it, those that the user named and its own.

    Args:
        family: The model's family.
        header: Of its main file.
        shown: What messages call that.
        given: Header and name of each component file; ``None`` where the header is unread.

    Raises:
        ModelFileError: A component is for another family.
    """
    if "llm" not in given:
        _check_language_model(family, header, header, shown)
    for component, (part, name) in given.items():
        if part is None:
            continue
        if component == "clip_l":
            _check_clip(family, part, name)
        elif component == "vae":
            _check_kind_of_vae(family, part, name)
            _check_channels(family, _vae_channels(part), name)
        elif component == "taesd":
            _check_name_of_vae(family, name)
            sides = (_side(part, first, 2) for first in _TINY_STARTS)
            _check_channels(family, next((side for side in sides if side), 0), name)
        elif component == "t5xxl":
            _check_t5(family, part, name)
        elif component == "llm":
            _check_language_model(family, header, part, name)


def _check_kind_of_vae(family: Family, part: ModelHeader, shown: str) -> None:
    _check_name_of_vae(family, shown)
    is_video = _side(part, f"{_VIDEO_VAE_START}.weight", 0) > 0
    is_other = _side(part, _VAE_START, 0) > 0
    if is_other if family.video_vae else is_video:
        raise ModelFileError(
            f"{quoted(shown)} is a VAE of another kind than {family.title}'s",
            hint=f"use one made for {family.title}",
        )


def _check_name_of_vae(family: Family, shown: str) -> None:
    file = re.split(r"[/:\\]", shown)[-1]
    for own, other, pattern in _OTHER_VAES:
        if family.name.startswith(own) and pattern.search(file):
            raise ModelFileError(
                f"{quoted(shown)} is {other}'s VAE by its name, and {family.title} has another one",
                hint=f"use one made for {family.title}",
            )


def _vae_channels(part: ModelHeader) -> int:
    """Give the channels that a VAE decodes; 0 when that cannot be told."""
    outputs = _side(part, f"{_VIDEO_VAE_START}.bias", 0)
    if outputs:
        # Its dimensions are 3, 3, 3 and, joined to one, inputs and outputs.
        return _side(part, f"{_VIDEO_VAE_START}.weight", 3) // outputs
    return _side(part, _VAE_START, 2)


def _check_channels(family: Family, channels: int, shown: str) -> None:
    if channels and channels != family.latent_channels:
        raise ModelFileError(
            f"{quoted(shown)} decodes {channels} channels,"
            f" and {family.title} gives {family.latent_channels}",
            hint=f"use one made for {family.title}",
        )


def _check_clip(family: Family, part: ModelHeader, shown: str) -> None:
    width = _side(part, _CLIP_EMBEDDING, 0)
    if width and width != family.clip_width:
        raise ModelFileError(
            f"{quoted(shown)} is a CLIP text encoder of width {width}, and {family.title} needs"
            f" {family.clip_title}, which has {family.clip_width}",
            hint=f"use {family.clip_title}",
        )
    tokens = _side(part, _CLIP_POSITIONS, 1)
    if tokens and tokens != _CLIP_TOKENS:
        raise ModelFileError(
            f"{quoted(shown)} is a CLIP text encoder of {tokens} tokens, and the engine takes"
            f" prompts in pieces of {_CLIP_TOKENS}",
            hint=f"use {family.clip_title}",
        )


def _check_t5(family: Family, part: ModelHeader, shown: str) -> None:
    tokens = next((side for name in _T5_EMBEDDINGS if (side := _side(part, name, 1))), 0)
    if tokens and tokens != family.t5_tokens:
        raise ModelFileError(
            f"{quoted(shown)} is a T5 encoder of {tokens:,} tokens, and {family.title} needs"
            f" {family.t5_title}, which has {family.t5_tokens:,}",
            hint=f"use {family.t5_title}",
        )
    width = next((side for name in _T5_EMBEDDINGS if (side := _side(part, name, 0))), 0)
    if width and width != _T5_WIDTH:
        raise ModelFileError(
            f"{quoted(shown)} is a T5 encoder of width {width:,}, and {family.title} needs"
            f" {family.t5_title}, whose width is {_T5_WIDTH:,}",
            hint=f"use {family.t5_title}",
        )


def _check_language_model(
    family: Family, header: ModelHeader, part: ModelHeader, shown: str
) -> None:
    width = next((side for name in _EMBEDDINGS if (side := _side(part, name, 0))), 0)
    words = next((side for name in _EMBEDDINGS if (side := _side(part, name, 1))), 0)
    wanted = _side(header, family.text_input, 0) if family.text_input else 0
    # FLUX.2 takes three layers of the language model side by side, others its last one.
    if wanted and width and wanted not in (width, 3 * width):
        is_flux2 = family.name.startswith("flux2") and wanted % 3 == 0
        raise ModelFileError(
            f"{quoted(shown)} is a language model of width {width}, and this {family.title} model"
            f" needs one of width {wanted // 3 if is_flux2 else wanted}",
            hint="use the language model that the model was made with",
        )
    if words and words < family.vocabulary:
        raise ModelFileError(
            f"{quoted(shown)} is a language model of {words:,} tokens, and {family.title} needs"
            f" {family.vocabulary:,}",
            hint="use the language model that the model was made with",
        )


def _side(header: ModelHeader, ending: str, dimension: int) -> int:
    """Give a dimension of the tensor whose name ends so; 0 when there is none."""
    for name, tensor in header.tensors.items():
        if name.endswith(ending) and (name == ending or name[-len(ending) - 1] == "."):
            return tensor.shape[dimension] if dimension < len(tensor.shape) else 1
    return 0
