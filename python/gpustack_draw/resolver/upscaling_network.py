"""Check from its header that a file is an upscaling model that the engine can load.

The engine upscales with RRDBNet, the network of ESRGAN and Real-ESRGAN, of 64 feature maps. It
finds the scale and the number of blocks in the tensor names (its ``src/esrgan.hpp``), in the same
way as the functions here.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gpustack_draw.errors import ModelFileError, NotYetSupportedError, quoted
from gpustack_draw.headers.header import ModelHeader
from gpustack_draw.headers.tensor_table import damaged, sides
from gpustack_draw.resolver.detect_family import detect_family, identify_file
from gpustack_draw.resolver.resolved_model import COMPONENT_TITLES

FEATURES = 64
GROWTH = 32
MAX_BLOCKS = 100  # the largest known networks have 23
USE_ESRGAN = "use an ESRGAN model, for example RealESRGAN_x4plus or 4x-UltraSharp"

# PyTorch nests the tensors in dictionaries of these names, and converters flatten them.
_PREFIXES = ("params_ema.", "params.")
# The names of the first implementation after "model.", by scale: those of the convolutions after
# the blocks.
_OLD_LAYERS = {
    1: {"conv_hr": 2, "conv_last": 4},
    2: {"conv_up1": 3, "conv_hr": 5, "conv_last": 7},
    4: {"conv_up1": 3, "conv_up2": 6, "conv_hr": 8, "conv_last": 10},
}
_TRUNK_LAYERS = {
    "conv_body": "trunk_conv",
    "conv_up1": "upconv1",
    "conv_up2": "upconv2",
    "conv_hr": "HRconv",
}
_FIRST_OF_BLOCKS = (
    "model.1.sub.0.RDB1.conv1.0.weight",
    "RRDB_trunk.0.RDB1.conv1.weight",
    "body.0.rdb1.conv1.weight",
)
# Other upscaling networks, by the name of a tensor, special ones first.
_OTHERS: tuple[tuple[str, str], ...] = (
    (r"^model\.1\.sub\.0\.RDB1\.conv1x1\.", "ESRGAN+"),
    (r"^f_HR_conv5\.|^f_block\.", "SPSR"),
    (r"^layers\.\d+\.residual_group\.layers\.\d+\.attn_atd\.", "ATD"),
    (r"^layers\.\d+\.residual_group\.overlap_attn\.", "HAT"),
    (r"^layers\.\d+\.residual_group\.blocks\.\d+\.attn\.aligned_bias_table$", "SRFormer"),
    (r"^layers\.\d+\.residual_group\.blocks\.\d+\.attn\.logit_scale$", "Swin2SR"),
    (r"^layers\.\d+\.residual_group\.blocks\.\d+\.attn\.qkv\.", "SwinIR"),
    (r"^layers\.\d+\.blocks\.\d+\.attn\.(attns|dynamic_pos|pos)\b", "DAT"),
    (r"^layers\.\d+\.swin\d+\.", "DRCT"),
    (r"^block_1\.c1_r\.sk\.", "SPAN"),
    (r"^feats\.\d+\.channe?l?_?mixer\.", "PLKSR"),
    (r"^residual_layer\.0\.residual_layer\.0\.layer\.", "OmniSR"),
    (r"^unet1\.conv1\.conv\.0\.", "Real-CUGAN"),
    (r"^body\.0\.body\.0\.body\.\d+\.conv_du\.", "RCAN"),
    (r"^(head\.0|sub_mean)\.weight$", "EDSR"),
    (r"^gblocks\.", "MoSR"),
    (r"^body\.1\.weight$", "SRVGGNet (compact)"),
)


@dataclass(frozen=True)
class UpscalingNetwork:
    """An RRDBNet.

    Attributes:
        scale: Factor by which it enlarges both sides: 1, 2 or 4.
        blocks: Number of residual blocks.
    """

    scale: int
    blocks: int


Shapes = Mapping[str, tuple[int, ...]]


def read_upscaling_network(header: ModelHeader, label: str) -> UpscalingNetwork:
    """Return the network in a file.

    Args:
        header: Header of the file.
        label: Name of the file in messages.

    Raises:
        ModelFileError: The file is no upscaling model, or lacks a tensor.
        NotYetSupportedError: It is a network that the engine does not know.
    """
    shapes = {_plain_name(name): tensor.shape for name, tensor in header.tensors.items()}
    _check_architecture(shapes, label)
    if not any(name in shapes for name in _FIRST_OF_BLOCKS):
        raise _no_upscaler(header, label)
    if "model.0.weight" in shapes:  # by which the engine recognizes these names
        network = UpscalingNetwork(
            _checked_scale(_old_scale(shapes), label),
            _count(shapes, r"model\.1\.sub\.(\d+)\.RDB"),
        )
        names = _old_names(network)
    elif "RRDB_trunk.0.RDB1.conv1.weight" in shapes:
        network = UpscalingNetwork(
            _checked_scale(_scale(shapes, "upconv"), label),
            _count(shapes, r"RRDB_trunk\.(\d+)\."),
        )
        names = _trunk_names(network)
    else:
        network = UpscalingNetwork(
            _checked_scale(_scale(shapes, "conv_up"), label), _count(shapes, r"body\.(\d+)\.")
        )
        names = {name: name for name, _inputs, _outputs in _convolutions(network)}
    _check_sizes(network, names, shapes, label)
    return network


def _plain_name(name: str) -> str:
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    return name


def _check_architecture(shapes: Shapes, label: str) -> None:
    for pattern, title in _OTHERS:
        search = re.compile(pattern).search
        if any(map(search, shapes)):
            raise NotYetSupportedError(
                f"{quoted(label)} is an upscaling model of the architecture {title},"
                " and the engine upscales with ESRGAN only",
                hint=USE_ESRGAN,
            )


def _no_upscaler(header: ModelHeader, label: str) -> ModelFileError:
    family = detect_family(header)
    identity = identify_file(header)
    if family is not None:
        what = f"is a model of the family {family.title}, not an upscaling model"
    elif identity and identity != "an upscaler":
        what = f"is {COMPONENT_TITLES.get(identity, identity)}, not an upscaling model"
    else:
        what = "is not an upscaling model that is known"
    return ModelFileError(f"{quoted(label)} {what}", hint=USE_ESRGAN)


def _count(shapes: Shapes, pattern: str) -> int:
    match = re.compile(pattern).match
    return max((int(found[1]) for name in shapes if (found := match(name))), default=-1) + 1


def _scale(shapes: Shapes, upsampling: str) -> int:
    """Return the scale of a network with one numbered convolution after each doubling."""
    doublings = _count(shapes, rf"{upsampling}(\d+)\.weight") - 1
    return int(2 ** min(max(doublings, 0), 8))


def _old_scale(shapes: Shapes) -> int:
    """Return the scale from the number of the last layer, which grows by three per doubling."""
    last = _count(shapes, r"model\.(\d+)\.") - 1
    return int(2 ** min(max(-(-(last - 4) // 3), 0), 8))


def _checked_scale(scale: int, label: str) -> int:
    if scale not in _OLD_LAYERS:
        raise NotYetSupportedError(
            f"{quoted(label)} enlarges pictures {scale} times, and the engine 1, 2 or 4 times",
            hint=USE_ESRGAN,
        )
    return scale


def _convolutions(network: UpscalingNetwork) -> Iterator[tuple[str, int, int]]:
    """Yield name, inputs and outputs of each convolution, by the engine's names."""
    yield "conv_first", 3, FEATURES
    for block in range(network.blocks):
        for dense in (1, 2, 3):
            for index in range(1, 6):
                outputs = FEATURES if index == 5 else GROWTH
                yield (
                    f"body.{block}.rdb{dense}.conv{index}",
                    FEATURES + (index - 1) * GROWTH,
                    outputs,
                )
    yield "conv_body", FEATURES, FEATURES
    for index in range(1, network.scale.bit_length()):
        yield f"conv_up{index}", FEATURES, FEATURES
    yield "conv_hr", FEATURES, FEATURES
    yield "conv_last", FEATURES, 3


def _old_names(network: UpscalingNetwork) -> dict[str, str]:
    names = {"conv_first": "model.0", "conv_body": f"model.1.sub.{network.blocks}"}
    names |= {name: f"model.{number}" for name, number in _OLD_LAYERS[network.scale].items()}
    for name, _inputs, _outputs in _convolutions(network):
        if name.startswith("body."):
            _body, block, dense, convolution = name.split(".")
            names[name] = f"model.1.sub.{block}.{dense.upper()}.{convolution}.0"
    return names


def _trunk_names(network: UpscalingNetwork) -> dict[str, str]:
    return {
        name: name.replace("body.", "RRDB_trunk.").replace("rdb", "RDB")
        if name.startswith("body.")
        else _TRUNK_LAYERS.get(name, name)
        for name, _inputs, _outputs in _convolutions(network)
    }


def _check_sizes(
    network: UpscalingNetwork, names: Mapping[str, str], shapes: Shapes, label: str
) -> None:
    if network.blocks > MAX_BLOCKS:
        raise damaged(label, f"no upscaling model has {network.blocks} blocks")
    first = shapes.get(f"{names['conv_first']}.weight", ())
    if len(first) == 4 and first[2] in (12, 48):
        raise NotYetSupportedError(
            f"{quoted(label)} reads pictures shuffled into {first[2]} channels, as"
            " RealESRGAN_x2plus does, which the engine does not do",
            hint=USE_ESRGAN,
        )
    if len(first) == 4 and (first[2] != 3 or first[3] != FEATURES):
        raise NotYetSupportedError(
            f"{quoted(label)} is an ESRGAN of {first[3]} feature maps for {first[2]} channels,"
            f" and the engine knows {FEATURES} for 3",
            hint=USE_ESRGAN,
        )
    for name, inputs, outputs in _convolutions(network):
        _check_shape(f"{names[name]}.weight", (3, 3, inputs, outputs), shapes, label)
        _check_shape(f"{names[name]}.bias", (outputs,), shapes, label)


def _check_shape(name: str, expected: tuple[int, ...], shapes: Shapes, label: str) -> None:
    found = shapes.get(name)
    if found is None:
        raise damaged(label, f"it has no tensor {quoted(name)}")
    if found != expected:
        raise ModelFileError(
            f"{quoted(label)} is not the ESRGAN that the engine knows: tensor {quoted(name)} is"
            f" {sides(found)}, not {sides(expected)}",
            hint=USE_ESRGAN,
        )
