"""Do a model's sizes fit together? Where they do not, the engine divides by zero or aborts."""

import re
from collections.abc import Mapping
from dataclasses import replace

from gpustack_draw.errors import ModelFileError, quoted
from gpustack_draw.family_table import Family
from gpustack_draw.model_header import ModelHeader
from gpustack_draw.tensor_table import broken

_HEAD_SIZES = (
    "single_blocks.0.norm.key_norm.scale",
    "double_blocks.0.txt_attn.norm.key_norm.scale",
)
_FLUX_NETWORKS = ("flux1", "flux2", "flex2", "chroma", "ovis")
_EMBEDDINGS = ("embed_tokens.weight", "token_embd.weight")
_FIRST_CONVOLUTIONS = {
    "vae": ("decoder.conv_in.weight",),
    "taesd": ("decoder.layers.0.weight", "decoder.layers.1.weight", "decoder.1.weight"),
}
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
    return family


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
        given: Header and name of each component file; a checkpoint has no header.

    Raises:
        ModelFileError: A component is for another family.
    """
    if "llm" not in given:
        _check_language_model(family, header, header, shown)
    for component, (part, name) in given.items():
        if part is None:
            continue
        if component in _FIRST_CONVOLUTIONS:
            sides = (_side(part, first, 2) for first in _FIRST_CONVOLUTIONS[component])
            channels = next((side for side in sides if side), 0)
            if channels and channels != family.latent_channels:
                raise ModelFileError(
                    f"{quoted(name)} decodes {channels} channels,"
                    f" and {family.title} gives {family.latent_channels}",
                    hint=f"use one made for {family.title}",
                )
        elif component == "llm":
            _check_language_model(family, header, part, name)


def _check_language_model(
    family: Family, header: ModelHeader, part: ModelHeader, shown: str
) -> None:
    width = next((side for name in _EMBEDDINGS if (side := _side(part, name, 0))), 0)
    words = next((side for name in _EMBEDDINGS if (side := _side(part, name, 1))), 0)
    wanted = _side(header, family.text_input, 0) if family.text_input else 0
    if wanted and width and wanted % width:
        raise ModelFileError(
            f"{quoted(shown)} is a language model of width {width}, and this {family.title} model"
            f" needs one whose width divides {wanted}",
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
