"""The numbers of small tensors are read from safetensors files and checkpoints."""

import struct
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from checkpoint_files import checkpoint_bytes, legacy_bytes
from model_files import safetensors_bytes

from gpustack_draw.errors import ModelFileError
from gpustack_draw.headers.header import read_model_header
from gpustack_draw.headers.tensor_data import read_floats

TENSORS = {"first": ((2,), "F32"), "*": ((3, 2), "F32"), "last": ((1,), "F32")}
NUMBERS = (0.0, 1.5, -2.25, 65504.0, -0.125, 3.0)
FORMATS: dict[str, Callable[..., bytes]] = {
    "safetensors": lambda tensors, data: safetensors_bytes(tensors, data=data),
    "zip": checkpoint_bytes,
    "legacy": legacy_bytes,
}


def stored(tensor_type: str, numbers: tuple[float, ...] = NUMBERS) -> bytes:
    """Return numbers as a file stores them."""
    if tensor_type == "BF16":
        return b"".join(struct.pack("<f", number)[2:] for number in numbers)
    kind = {"F32": "f", "F16": "e", "F64": "d"}[tensor_type]
    return struct.pack(f"<{len(numbers)}{kind}", *numbers)


def write(path: Path, file_format: str, tensor_type: str, data: Mapping[str, bytes]) -> Path:
    tensors = {**TENSORS, "*": ((3, 2), tensor_type)}
    path.write_bytes(FORMATS[file_format](tensors, data))
    return path


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("tensor_type", ["F32", "F16", "BF16", "F64"])
def test_numbers(tmp_path: Path, file_format: str, tensor_type: str) -> None:
    data = {"first": stored("F32", (7, 7)), "*": stored(tensor_type), "last": stored("F32", (7,))}
    path = write(tmp_path / "file", file_format, tensor_type, data)
    numbers = read_floats(path, read_model_header(path), "*", "file")
    exact = (*NUMBERS[:3], 65280.0, *NUMBERS[4:])  # bf16 has 8 bits
    assert tuple(numbers) == (exact if tensor_type == "BF16" else NUMBERS)


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_are_not_finite(tmp_path: Path, file_format: str, number: float) -> None:
    data = {"*": stored("F32", (*NUMBERS[:5], number))}
    path = write(tmp_path / "file", file_format, "F32", data)
    with pytest.raises(ModelFileError) as caught:
        read_floats(path, read_model_header(path), "*", "x.pt")
    assert caught.value.message == "'x.pt' is damaged: tensor '*' contains NaN or infinity"


def test_a_number_too_large_for_32_bits(tmp_path: Path) -> None:
    data = {"*": stored("F64", (*NUMBERS[:5], 1e300))}
    path = write(tmp_path / "file", "safetensors", "F64", data)
    with pytest.raises(ModelFileError, match="contains NaN or infinity"):
        read_floats(path, read_model_header(path), "*", "x.pt")


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_file_that_was_cut_after_its_header_was_read(tmp_path: Path, file_format: str) -> None:
    path = write(tmp_path / "file", file_format, "F32", {})
    header = read_model_header(path)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(ModelFileError):
        read_floats(path, header, "*", "x.pt")
