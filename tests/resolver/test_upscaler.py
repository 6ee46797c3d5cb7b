"""Upscaling models are found, and refused by their headers, before anything is loaded."""

import functools
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import model_files as files
import pytest
from checkpoint_files import checkpoint_bytes, dictionary, legacy_bytes, pickled, tensor, zip_bytes
from loopback_hub import LoopbackHub
from upscaling_models import old_names, random_weights, trunk_names

from gpustack_draw.errors import (
    DrawError,
    ModelFileError,
    ModelNotFoundError,
    NotYetSupportedError,
    UsageError,
)
from gpustack_draw.headers.header import ModelHeader, TensorInfo
from gpustack_draw.resolver.upscaler import Upscaler, find_upscaler
from gpustack_draw.resolver.upscaling_network import UpscalingNetwork, read_upscaling_network

HINT = "use an ESRGAN model, for example RealESRGAN_x4plus or 4x-UltraSharp"
AGAIN = "download or copy it again"


@functools.cache
def esrgan(
    scale: int = 4, blocks: int = 1, rename: Callable[..., dict] = dict
) -> dict[str, tuple[files.Shape, str]]:
    arrays = rename(random_weights(blocks, scale, seed=0))
    return {name: (tuple(reversed(array.shape)), "F16") for name, array in arrays.items()}


def header_of(tensors: files.Tensors) -> ModelHeader:
    return ModelHeader(
        "safetensors",
        {name: TensorInfo(name, tuple(shape), kind, 2) for name, (shape, kind) in tensors.items()},
    )


def network_of(tensors: files.Tensors) -> UpscalingNetwork:
    return read_upscaling_network(header_of(tensors), "up.pth")


def nested(weights: dict) -> dict:
    return {f"params_ema.{name}": array for name, array in weights.items()}


def params(weights: dict) -> dict:
    return {f"params.{name}": array for name, array in weights.items()}


@pytest.mark.parametrize("rename", [dict, old_names, trunk_names, nested, params])
@pytest.mark.parametrize("blocks", [1, 3])
@pytest.mark.parametrize("scale", [1, 2, 4])
def test_networks_in_every_naming(scale: int, blocks: int, rename: Callable[..., dict]) -> None:
    assert network_of(esrgan(scale, blocks, rename)) == UpscalingNetwork(scale, blocks)


def test_other_tensors_of_a_training_are_ignored() -> None:
    tensors = {**esrgan(), "optimizer.state.0": ((8,), "F32")}
    assert network_of(tensors) == UpscalingNetwork(4, 1)


def one(name: str) -> files.Tensors:
    return {"conv_first.weight": ((3, 3, 3, 64), "F16"), name: ((3, 3, 64, 64), "F16")}


ARCHITECTURES = {
    "SRVGGNet (compact)": {
        "body.0.weight": ((3, 3, 3, 64), "F16"),
        "body.1.weight": ((64,), "F16"),
    },
    "SwinIR": one("layers.0.residual_group.blocks.0.attn.qkv.weight"),
    "Swin2SR": {
        **one("layers.0.residual_group.blocks.0.attn.qkv.weight"),
        "layers.0.residual_group.blocks.0.attn.logit_scale": ((1, 1, 6), "F16"),
    },
    "HAT": {
        **one("layers.0.residual_group.blocks.0.attn.qkv.weight"),
        "layers.0.residual_group.overlap_attn.qkv.weight": ((8, 8), "F16"),
    },
    "SRFormer": {
        **one("layers.0.residual_group.blocks.0.attn.qkv.weight"),
        "layers.0.residual_group.blocks.0.attn.aligned_bias_table": ((8, 8), "F16"),
    },
    "ATD": one("layers.0.residual_group.layers.0.attn_atd.scale"),
    "DAT": one("layers.0.blocks.0.attn.attns.0.pos.pos1.0.weight"),
    "DRCT": one("layers.0.swin1.attn.qkv.weight"),
    "SPAN": one("block_1.c1_r.sk.weight"),
    "PLKSR": one("feats.1.channe_mixer.0.weight"),
    "OmniSR": one("residual_layer.0.residual_layer.0.layer.0.fn.0.weight"),
    "Real-CUGAN": one("unet1.conv1.conv.0.weight"),
    "RCAN": one("body.0.body.0.body.3.conv_du.0.weight"),
    "EDSR": one("head.0.weight"),
    "MoSR": one("gblocks.0.weight"),
    "ESRGAN+": {
        **esrgan(rename=old_names),
        "model.1.sub.0.RDB1.conv1x1.weight": ((1, 1, 64, 32), "F16"),
    },
    "SPSR": {**esrgan(rename=old_names), "f_HR_conv5.0.weight": ((3, 3, 64, 64), "F16")},
}


@pytest.mark.parametrize("title", ARCHITECTURES)
def test_other_architectures_are_named(title: str) -> None:
    with pytest.raises(NotYetSupportedError) as caught:
        network_of(ARCHITECTURES[title])
    assert caught.value.message == (
        f"'up.pth' is an upscaling model of the architecture {title},"
        " and the engine upscales with ESRGAN only"
    )
    assert caught.value.hint == HINT


def with_shape(name: str, *shape: int, rename: Callable[..., dict] = dict) -> files.Tensors:
    return {**esrgan(rename=rename), name: (shape, "F16")}


def without(name: str, rename: Callable[..., dict] = dict) -> files.Tensors:
    return {each: value for each, value in esrgan(rename=rename).items() if each != name}


SHUFFLED = (
    "reads pictures shuffled into {} channels, as RealESRGAN_x2plus does,"
    " which the engine does not do"
)
TIMES = "enlarges pictures {} times, and the engine 1, 2 or 4 times"
# Tensors, message after the file's name, and hint.
REFUSED: dict[str, tuple[files.Tensors, str, str]] = {
    "x2plus": (with_shape("conv_first.weight", 3, 3, 12, 64), SHUFFLED.format(12), HINT),
    "x1 with shuffling": (with_shape("conv_first.weight", 3, 3, 48, 64), SHUFFLED.format(48), HINT),
    "32 feature maps": (
        with_shape("model.0.weight", 3, 3, 3, 32, rename=old_names),
        "is an ESRGAN of 32 feature maps for 3 channels, and the engine knows 64 for 3",
        HINT,
    ),
    "gray": (
        with_shape("conv_first.weight", 3, 3, 1, 64),
        "is an ESRGAN of 64 feature maps for 1 channels, and the engine knows 64 for 3",
        HINT,
    ),
    "8 times": (
        with_shape("conv_up3.weight", 3, 3, 64, 64),
        TIMES.format(8),
        HINT,
    ),
    "8 times, old names": (
        with_shape("model.13.weight", 3, 3, 64, 3, rename=old_names),
        TIMES.format(8),
        HINT,
    ),
    "a huge layer number": (
        with_shape("model.9999.weight", 1, rename=old_names),
        TIMES.format(256),
        HINT,
    ),
    "half of the upsampling": (
        without("conv_up1.weight"),
        "is damaged: it has no tensor 'conv_up1.weight'",
        AGAIN,
    ),
    "no bias": (without("conv_hr.bias"), "is damaged: it has no tensor 'conv_hr.bias'", AGAIN),
    "no convolution, old names": (
        without("model.1.sub.0.RDB2.conv3.0.weight", old_names),
        "is damaged: it has no tensor 'model.1.sub.0.RDB2.conv3.0.weight'",
        AGAIN,
    ),
    "no convolution, second names": (
        without("HRconv.weight", trunk_names),
        "is damaged: it has no tensor 'HRconv.weight'",
        AGAIN,
    ),
    "a missing block": (
        {**esrgan(), "body.7.rdb1.conv1.weight": ((3, 3, 64, 32), "F16")},
        "is damaged: it has no tensor 'body.1.rdb1.conv1.weight'",
        AGAIN,
    ),
    "too many blocks": (
        {**esrgan(), "body.500.rdb1.conv1.weight": ((3, 3, 64, 32), "F16")},
        "is damaged: no upscaling model has 501 blocks",
        AGAIN,
    ),
    "another growth": (
        with_shape("body.0.rdb1.conv1.weight", 3, 3, 64, 24),
        (
            "is not the ESRGAN that the engine knows: tensor 'body.0.rdb1.conv1.weight' is"
            " 3x3x64x24, not 3x3x64x32"
        ),
        HINT,
    ),
    "another kernel": (
        with_shape("conv_last.weight", 5, 5, 64, 3),
        (
            "is not the ESRGAN that the engine knows: tensor 'conv_last.weight' is 5x5x64x3,"
            " not 3x3x64x3"
        ),
        HINT,
    ),
    "four output channels": (
        with_shape("conv_last.bias", 4),
        "is not the ESRGAN that the engine knows: tensor 'conv_last.bias' is 4, not 3",
        HINT,
    ),
    "a scalar": (
        with_shape("conv_first.weight", 1),
        "is not the ESRGAN that the engine knows: tensor 'conv_first.weight' is 1, not 3x3x3x64",
        HINT,
    ),
    "a LoRA": (files.LORA, "is a LoRA, not an upscaling model", HINT),
    "a VAE": (
        files.VAE_4,
        "is a VAE (which turns the result into pixels), not an upscaling model",
        HINT,
    ),
    "Stable Diffusion": (
        files.SD1_ALL,
        "is a model of the family Stable Diffusion 1, not an upscaling model",
        HINT,
    ),
    "anything": ({"a.b": ((3,), "F16")}, "is not an upscaling model that is known", HINT),
    "both namings": (
        {**esrgan(), "model.0.weight": ((3, 3, 3, 64), "F16")},
        "is damaged: it has no tensor 'model.0.bias'",
        AGAIN,
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_files_that_the_engine_cannot_load(name: str) -> None:
    tensors, message, hint = REFUSED[name]
    with pytest.raises((ModelFileError, NotYetSupportedError)) as caught:
        network_of(tensors)
    assert caught.value.message == f"'up.pth' {message}"
    assert caught.value.hint == hint


# Files.


@pytest.fixture(autouse=True)
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    hub = LoopbackHub()
    hub.use(monkeypatch, tmp_path)
    monkeypatch.chdir(tmp_path)
    yield hub
    hub.close()


def find(reference: str | Path) -> Upscaler:
    return find_upscaler(reference, argument="model")


def failure(reference: str | Path) -> DrawError:
    with pytest.raises(DrawError) as caught:
        find(reference)
    assert caught.value.argument == "model"
    return caught.value


def nested_pickle(tensors: files.Tensors) -> bytes:
    """Return a checkpoint whose tensors are in a dictionary inside another one."""
    items = {
        name: tensor(kind, str(index), list(reversed(shape)))
        for index, (name, (shape, kind)) in enumerate(tensors.items())
    }
    data = {"archive/data.pkl": pickled(dictionary({"params_ema": dictionary(items)}))}
    for index, (shape, _kind) in enumerate(tensors.values()):
        count = functools.reduce(lambda product, side: product * side, shape, 1)
        data[f"archive/data/{index}"] = bytes(2 * count)
    return zip_bytes(data)


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("4x-UltraSharp.pth", checkpoint_bytes),
        ("old.pth", legacy_bytes),
        ("RealESRGAN_x4plus.pth", nested_pickle),
        ("model.safetensors", files.safetensors_bytes),
        ("model.gguf", files.gguf_bytes),
    ],
)
def test_files_of_every_format(name: str, write: Callable[..., bytes]) -> None:
    data = write(esrgan(rename=old_names))
    Path(name).write_bytes(data)
    assert find(name) == Upscaler(
        reference=name, name=Path(name).stem, path=Path(name), scale=4, bytes=len(data)
    )


def test_a_file_on_the_hub_is_checked_before_it_is_downloaded(server: LoopbackHub) -> None:
    good = files.safetensors_bytes(esrgan(2))
    swin = files.safetensors_bytes(ARCHITECTURES["SwinIR"])
    server.add("acme/up", {"x2.safetensors": good, "swin.safetensors": swin})
    found = find("hf.co/acme/up:x2")
    assert (found.name, found.scale, found.path.exists()) == ("x2", 2, False)
    assert failure("hf.co/acme/up:swin").message == (
        "'hf.co/acme/up:swin.safetensors' is an upscaling model of the architecture SwinIR,"
        " and the engine upscales with ESRGAN only"
    )
    found.fetch()
    assert found.path.read_bytes() == good


@pytest.mark.parametrize(
    ("reference", "data", "error", "message"),
    [
        ("no.pth", None, ModelNotFoundError, "there is no file 'no.pth'"),
        ("", None, UsageError, "the model is empty: ''"),
        ("cut.pth", checkpoint_bytes(esrgan())[:-999], ModelFileError, None),
        ("cat.pth", b"\x89PNG\r\n\x1a\n" + bytes(99), ModelFileError, "'cat.pth' is a PNG picture"),
        ("empty.pth", b"", ModelFileError, "'empty.pth' is empty"),
        (
            "code.pth",
            zip_bytes({"archive/data.pkl": b"\x80\x02cos\nsystem\n(X\x02\x00\x00\x00lstR."}),
            ModelFileError,
            None,
        ),
        (
            "bomb.safetensors",
            struct.pack("<Q", 2**62) + b"{" + bytes(99),
            ModelFileError,
            None,
        ),
        (
            "many.gguf",
            b"GGUF" + struct.pack("<IQQ", 3, 2**60, 0) + bytes(64),
            ModelFileError,
            None,
        ),
    ],
)
def test_files_that_cannot_be_read(
    reference: str, data: bytes | None, error: type[DrawError], message: str | None
) -> None:
    if data is not None:
        Path(reference).write_bytes(data)
    found = failure(reference)
    assert type(found) is error
    assert found.message == message or (message is None and reference in found.message)
