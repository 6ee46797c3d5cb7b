"""A LoRA whose alpha is no finite number is refused before the engine starts."""

import os
import struct
from pathlib import Path

import model_files as files
import pytest
from lora_files import LABEL

from gpustack_draw.errors import ModelFileError, ModelNotFoundError
from gpustack_draw.headers.header import read_model_header
from gpustack_draw.resolver.loras.check_scales import check_scales
from gpustack_draw.resolver.loras.lora_file import LoraFile
from gpustack_draw.resolver.loras.read_lora import read_lora

BYTES = {"F16": struct.Struct("<e"), "F32": struct.Struct("<f")}


def write_lora(path: Path, alpha: bytes, tensor_type: str) -> LoraFile:
    """Write a LoRA whose last tensor is an alpha of these bytes."""
    tensors: files.Tensors = {
        "a.lora_down.weight": ((64, 4), "F16"),
        "a.lora_up.weight": ((4, 64), "F16"),
        "a.alpha": ((), tensor_type),
    }
    as_gguf = path.suffix == ".gguf"
    data = files.gguf_bytes(tensors) if as_gguf else files.safetensors_bytes(tensors)
    path.write_bytes(data[: -len(alpha)] + alpha)
    return read_lora(read_model_header(path), LABEL)


def bytes_of(number: float, tensor_type: str) -> bytes:
    if tensor_type == "BF16":
        return BYTES["F32"].pack(number)[2:]
    return BYTES[tensor_type].pack(number)


@pytest.mark.parametrize("tensor_type", ["F16", "F32", "BF16"])
@pytest.mark.parametrize("name", ["x.safetensors", "x.gguf"])
def test_an_alpha_that_is_no_finite_number(name: str, tensor_type: str, tmp_path: Path) -> None:
    path = tmp_path / name
    for number in (4.0, 0.0, -1.0):
        check_scales(path, write_lora(path, bytes_of(number, tensor_type), tensor_type))
    for number, text in ((float("nan"), "nan"), (float("-inf"), "-inf")):
        lora = write_lora(path, bytes_of(number, tensor_type), tensor_type)
        with pytest.raises(ModelFileError) as caught:
            check_scales(path, lora)
        assert caught.value.message == f"'{LABEL}' is damaged: 'a.alpha' is {text}"
        assert caught.value.hint == "use another file of the same LoRA"


def test_a_file_that_changed_since_its_header_was_read(tmp_path: Path) -> None:
    path = tmp_path / LABEL
    lora = write_lora(path, bytes_of(1.0, "F32"), "F32")
    size = path.stat().st_size
    os.truncate(path, size - 2)
    with pytest.raises(ModelFileError) as caught:
        check_scales(path, lora)
    assert caught.value.message == (
        f"'{LABEL}' is truncated: it has {size - 2:,} of {size:,} bytes"
    )
    path.unlink()
    with pytest.raises(ModelNotFoundError) as missing:
        check_scales(path, lora)
    assert missing.value.message == f"there is no file '{LABEL}'"
