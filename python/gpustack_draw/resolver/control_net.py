"""The kinds of ControlNets, by their headers.

The engine knows the ControlNets of Stable Diffusion 1 and 2. It ends its process for those of XL,
and loads them beside any model, whatever they were made for.
"""

import re
from collections.abc import Mapping

from gpustack_draw.errors import ModelFileError, quoted
from gpustack_draw.headers.header import ModelHeader
from gpustack_draw.headers.tensor_table import AGAIN_HINT, TensorInfo, sides
from gpustack_draw.phrases import phrase
from gpustack_draw.resolver.control_net_tensors import control_net_tensors, loaded_bytes
from gpustack_draw.resolver.families import Family

_PREFIX = "control_model."
_SDXL_TEXT_WIDTH = 2048
_TITLES = {768: "Stable Diffusion 1", 1024: "Stable Diffusion 2"}
_HINT = "use a ControlNet made for Stable Diffusion 1 or 2"
_FLUX_HINT = f"{_HINT}, or a FLUX.1 Control model"

# Other files with which programs follow a control picture: a pattern of a tensor name, and a
# description. The first that fits counts.
_OTHERS: tuple[tuple[str, str], ...] = (
    (r"^lora_controlnet$|^(input_blocks|down_blocks)\..*\.(up|down)$", "a Control-LoRA"),
    (r"^lllite_", "a ControlNet-LLLite"),
    (r"^adapter\.|^body\.[0-9]+\.(resnets|block1|in_conv)\.", "a T2I adapter"),
    (r"^(ip_adapter|image_proj)\b", "an IP-Adapter"),
    (r"motion_modules\.", "a SparseCtrl encoder for videos"),
    (r"controlnet_mode_embedder", "a union ControlNet for FLUX.1"),
    (
        r"^(task_embedding$|control_add_embedding\.|transformer_layes\.|spatial_ch_projs\.)",
        "a union ControlNet for Stable Diffusion XL",
    ),
    (r"^control_(layers|noise_refiner|all_x_embedder)\.", "a ControlNet for Z-Image"),
    (r"transformer_blocks\.0\.img_mod\.", "a ControlNet for Qwen-Image"),
    (r"^(double_blocks|.*controlnet_x_embedder)\b", "a ControlNet for FLUX.1"),
    (r"^(pos_embed|pos_embed_input)\.", "a ControlNet for Stable Diffusion 3"),
    (r"controlnet_blocks\.", "a ControlNet for another family"),
    (r"(label_emb|add_embedding)\.", "a ControlNet for Stable Diffusion XL"),
    (r"^difference$", "a ControlNet that is stored as its difference to a model"),
)


def adds_control(header: ModelHeader) -> bool:
    """Return True if a file, which is no model, makes a model follow a control picture.

    It can be of a kind that the engine does not know; see :func:`check_control_net`.
    """
    starts = ("input_blocks.", "input_hint_block.", "zero_convs.", "controlnet_")
    is_net = any(name.startswith(starts) for name in _tensors(header))
    return is_net or bool(_describe_other(header))


def _describe_other(header: ModelHeader) -> str:
    """Return the kind of a file that adds control in a way that the engine does not know."""
    tensors = _tensors(header)
    names = {*tensors, *header.tensors}
    for pattern, description in _OTHERS:
        if any(map(re.compile(pattern).search, names)):
            return description
    width = _text_width(tensors)
    if width == _SDXL_TEXT_WIDTH:
        return "a ControlNet for Stable Diffusion XL"
    return f"a ControlNet for text of width {width}" if width and width not in _TITLES else ""


def check_control_net(header: ModelHeader, label: str) -> None:
    """Check that a ControlNet is one that the engine knows, and complete.

    Args:
        header: Its header.
        label: Name of the file in messages.

    Raises:
        ModelFileError: It is another one, or incomplete.
    """
    other = _describe_other(header)
    if other:
        raise ModelFileError(
            f"{quoted(label)} is {other}, which the engine does not know",
            hint=_FLUX_HINT if "FLUX" in other else _HINT,
        )
    tensors = _tensors(header)
    is_diffusers = any(name.startswith("controlnet_") for name in tensors)
    expected = {
        tensor.diffusers_name if is_diffusers else tensor.name: tensor
        for tensor in control_net_tensors(_text_width(tensors) or min(_TITLES))
    }
    missing = [name for name in expected if name not in tensors]
    if missing:
        raise ModelFileError(
            f"{quoted(label)} lacks {len(missing)} of the {len(expected)} tensors of a ControlNet,"
            f" such as {quoted(missing[0])}",
            hint=f"{AGAIN_HINT}, or use another ControlNet",
        )
    for name, tensor in expected.items():
        shape = tensors[name].shape
        if not tensor.has_shape(shape):
            raise ModelFileError(
                f"{quoted(label)} has a tensor {quoted(name)} of {sides(shape)}, and that of a"
                f" ControlNet has {sides(tensor.shape)}",
                hint=_HINT,
            )
    more = [name for name in tensors if name not in expected]
    if more:
        raise ModelFileError(
            f"{quoted(label)} is an extended ControlNet, which the engine does not know: it has"
            f" {len(more)} more tensors, such as {quoted(more[0])}",
            hint=_HINT,
        )


def check_control_net_fits(family: Family, header: ModelHeader, label: str) -> None:
    """Check that a ControlNet extends a family.

    Args:
        family: The model's family.
        header: Header of the ControlNet.
        label: Name of its file in messages.

    Raises:
        ModelFileError: It does not.
    """
    width = _text_width(_tensors(header))
    if family.takes_control_net and width == family.clip_width:
        return
    if family.takes_control_net:
        hint = f"use a ControlNet made for {family.title}"
    elif "control" in family.pictures.concatenated:
        hint = phrase("leave {control_net} out: {} follows {control_image} by itself", family.title)
    else:
        hint = "a ControlNet extends Stable Diffusion 1 and 2"
    raise ModelFileError(
        f"{quoted(label)} is a ControlNet for {_TITLES[width]}, and the model is {family.title}",
        hint=hint,
    )


def control_net_base(header: ModelHeader) -> str:
    """Return the title of the models that a ControlNet extends; empty if unknown."""
    return _TITLES.get(_text_width(_tensors(header)), "")


def control_net_bytes(header: ModelHeader) -> int:
    """Return the bytes of a ControlNet's weights in memory."""
    return sum(map(loaded_bytes, _tensors(header).values()))


def _tensors(header: ModelHeader) -> Mapping[str, TensorInfo]:
    """Return the tensors by their names in the ControlNet, without others of a whole checkpoint."""
    named = {
        name.removeprefix(_PREFIX): tensor
        for name, tensor in header.tensors.items()
        if name.startswith(_PREFIX)
    }
    return named or header.tensors


def _text_width(tensors: Mapping[str, TensorInfo]) -> int:
    """Return the width of the text embeddings that the net attends to; 0 if it does not."""
    inputs = (tensors[name].shape[0] for name in tensors if name.endswith(".attn2.to_k.weight"))
    return next(inputs, 0)
