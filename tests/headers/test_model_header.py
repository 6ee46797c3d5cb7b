"""Model headers: valid ones are read; faults are reported before the engine loads the file."""

import os
import socket
import struct
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import checkpoint_files as checkpoints
import model_files as files
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model_files import gguf_header, gguf_string, gguf_tensor, gguf_value, safetensors_header

from gpustack_draw.errors import ModelFileError, ModelNotFoundError
from gpustack_draw.headers.header import ModelHeader, TensorInfo, read_model_header

AGAIN = "download or copy it again"
TENSORS: files.Tensors = {
    "layers.0.weight": ((64, 3), "Q8_0"),
    "layers.1.weight": ((32,), "F16"),
    "norm.bias": ((5,), "F32"),
}


def write(tmp_path: Path, data: bytes, name: str = "x.gguf") -> Path:
    path = tmp_path / name
    path.write_bytes(data)
    return path


def error_of(path: Path, label: str = "x.gguf") -> tuple[str, str]:
    with pytest.raises((ModelFileError, ModelNotFoundError)) as caught:
        read_model_header(path, label=label)
    return caught.value.message, caught.value.hint


def test_gguf(tmp_path: Path) -> None:
    metadata = {
        "general.architecture": "flux",
        "general.file_type": 2,
        "scale": 0.5,
        "flag": True,
        "names": ["a", "bc"],
        "sides": [1, 2, 3],
    }
    data = files.gguf_bytes(TENSORS, metadata)
    header = read_model_header(write(tmp_path, data))
    assert header == ModelHeader(
        format="gguf",
        tensors={
            "layers.0.weight": TensorInfo("layers.0.weight", (64, 3), "Q8_0", 204),
            "layers.1.weight": TensorInfo("layers.1.weight", (32,), "F16", 64),
            "norm.bias": TensorInfo("norm.bias", (5,), "F32", 20),
        },
        metadata={**metadata, "names": "2 strings", "sides": "3 numbers"},
        file_bytes=len(data),
    )
    assert (header.parameter_count, header.tensor_bytes) == (64 * 3 + 32 + 5, 204 + 64 + 20)


def test_gguf_of_five_dimensions_joins_the_last_two(tmp_path: Path) -> None:
    data = files.gguf_bytes({"video.weight": ((2, 3, 4, 5, 6), "BF16")}, {"scale": 0.5})
    assert read_model_header(write(tmp_path, data)).tensors == {
        "video.weight": TensorInfo("video.weight", (2, 3, 4, 30), "BF16", 1440)
    }


def test_gguf_with_rows_of_256_numbers_has_the_original_shapes(tmp_path: Path) -> None:
    stored: files.Tensors = {"conv.weight": ((256, 9), "Q8_0"), "norm.weight": ((256,), "F32")}
    data = files.gguf_bytes(stored, {"comfy.gguf.orig_shape.conv.weight": [16, 16, 3, 3]})
    tensors = read_model_header(write(tmp_path, data)).tensors
    conv = TensorInfo("conv.weight", (3, 3, 16, 16), "Q8_0", 2448, expanded_bytes=4608)
    assert tensors["conv.weight"] == conv
    assert tensors["norm.weight"].shape == (256,)


def test_expanded_tensors_take_more_memory_than_in_the_file(tmp_path: Path) -> None:
    stored: files.Tensors = {"a": ((256, 9), "Q8_0"), "b": ((256, 9), "Q8_0")}
    keys = {"comfy.gguf.orig_shape.a": [48, 48], "comfy.gguf.orig_shape.b": [36, 64]}
    header = read_model_header(write(tmp_path, files.gguf_bytes(stored, keys)))
    assert (header.tensor_bytes, header.loaded_bytes) == (2 * 2448, 4 * 2304 + 2448)
    fp8: files.Tensors = {"a": ((64, 2), "F8_E4M3"), "b": ((64,), "F32")}
    header = read_model_header(write(tmp_path, files.safetensors_bytes(fp8)))
    assert (header.tensor_bytes, header.loaded_bytes) == (128 + 256, 256 + 256)


def test_blocks_of_numbers_are_quantized(tmp_path: Path) -> None:
    stored: files.Tensors = {"q8": ((256, 9), "Q8_0"), "rows": ((256, 9), "Q8_0")}
    stored |= {name: ((64,), name) for name in ("F32", "F16", "BF16", "I32")}
    data = files.gguf_bytes(stored, {"comfy.gguf.orig_shape.rows": [64, 36]})
    tensors = read_model_header(write(tmp_path, data)).tensors
    assert [name for name, tensor in tensors.items() if tensor.is_quantized] == ["q8"]


def test_gguf_version_2_and_another_alignment(tmp_path: Path) -> None:
    data = files.gguf_bytes(TENSORS, {"general.alignment": 256}, version=2, alignment=256)
    assert list(read_model_header(write(tmp_path, data)).tensors) == list(TENSORS)


def test_safetensors(tmp_path: Path) -> None:
    tensors: files.Tensors = {
        "conv.weight": ((3, 3, 4, 8), "F16"),
        "video.weight": ((2, 3, 4, 5, 6), "BF16"),
        "scalar": ((), "F32"),
        "position_ids": ((77,), "I64"),
        "__mark__": ((0,), "F32"),
    }
    data = files.safetensors_bytes(tensors, {"format": "pt"})
    header = read_model_header(write(tmp_path, data))
    assert (header.format, header.metadata) == ("safetensors", {"format": "pt"})
    assert header.tensors == {
        "conv.weight": TensorInfo("conv.weight", (3, 3, 4, 8), "F16", 576),
        "video.weight": TensorInfo("video.weight", (2, 3, 4, 30), "BF16", 1440),
        "scalar": TensorInfo("scalar", (1,), "F32", 4),
        "position_ids": TensorInfo("position_ids", (77,), "I64", 616),
        "__mark__": TensorInfo("__mark__", (0,), "F32", 0),
    }


def test_the_content_determines_the_format_not_the_extension(tmp_path: Path) -> None:
    path = write(tmp_path, files.safetensors_bytes(TENSORS_ST), "model.gguf")
    assert read_model_header(path).format == "safetensors"


TENSORS_ST: files.Tensors = {"a.weight": ((2, 2), "F16"), "b.weight": ((3,), "F32")}


@pytest.mark.parametrize("model_format", ["gguf", "safetensors"])
def test_truncated_anywhere(tmp_path: Path, model_format: str) -> None:
    metadata = {"general.name": "tiny", "words": ["a", "b"], "sides": [1, 2, 3, 4]}
    whole = (
        files.gguf_bytes(TENSORS, metadata)
        if model_format == "gguf"
        else files.safetensors_bytes(TENSORS_ST, {"format": "pt"})
    )
    path = tmp_path / "x.gguf"
    path.write_bytes(whole)
    read_model_header(path)
    smallest = 9 if model_format == "safetensors" else 4
    for length in range(smallest, len(whole)):
        path.write_bytes(whole[:length])
        message, hint = error_of(path)
        assert message in (
            f"'x.gguf' is truncated: it ends inside its header, after {length} bytes",
            f"'x.gguf' is truncated: it has {length} of {len(whole)} bytes",
        )
        assert hint == AGAIN


def one_gguf_tensor(
    name: str | bytes = "a", shape: files.Shape = (4,), type_number: int = 0, offset: int = 0
) -> bytes:
    return gguf_header([gguf_tensor(name, shape, type_number, offset)]) + bytes(4096)


def one_gguf_key(key: str | bytes, value: bytes) -> bytes:
    info = gguf_tensor("a", (4,), 0, 0)
    return gguf_header([info], [gguf_string(key) + value]) + bytes(4096)


DAMAGED = "'x.gguf' is damaged: "
GGUF_FAULTS: dict[str, tuple[bytes, str]] = {
    "dimension 0": (
        one_gguf_tensor(shape=(4, 0)),
        "tensor 'a' has a dimension of 0: 4x0",
    ),
    "dimension 0 first": (
        one_gguf_tensor("a.weight", (0,)),
        "tensor 'a.weight' has a dimension of 0: 0",
    ),
    "negative dimension": (
        one_gguf_tensor(shape=(4, -4)),
        "tensor 'a' has a negative dimension: 4x-4",
    ),
    "huge dimension": (
        one_gguf_tensor(shape=(2**31,)),
        "tensor 'a' has more than 2,147,483,647 elements: 2147483648",
    ),
    "elements overflow": (
        one_gguf_tensor(shape=(2**32, 2**32)),
        "tensor 'a' has more than 2,147,483,647 elements: 4294967296x4294967296",
    ),
    "six dimensions": (
        one_gguf_tensor(shape=(1, 1, 1, 1, 1, 1)),
        "tensor 'a' has 6 dimensions, more than 5",
    ),
    "many dimensions": (
        gguf_header([gguf_string("a") + struct.pack("<I", 2**31)]) + bytes(64),
        "tensor 'a' has 2147483648 dimensions, more than 5",
    ),
    "row does not fit blocks": (
        one_gguf_tensor(shape=(33, 2), type_number=8),
        "tensor 'a' has rows of 33 elements, and Q8_0 requires multiples of 32",
    ),
    "offset not aligned": (
        one_gguf_tensor(offset=4),
        "the data of tensor 'a' starts at 4 instead of 0",
    ),
    "data overlap": (
        gguf_header([gguf_tensor("a", (4,), 0, 0), gguf_tensor("b", (4,), 0, 0)]) + bytes(4096),
        "the data of tensor 'b' starts at 0 instead of 32",
    ),
    "offset far away": (
        one_gguf_tensor(offset=2**64 - 32),
        "the data of tensor 'a' starts at 18,446,744,073,709,551,584 instead of 0",
    ),
    "two tensors of a name": (
        gguf_header([gguf_tensor("a", (4,), 0, 0), gguf_tensor("a", (4,), 0, 32)]) + bytes(4096),
        "it has two tensors 'a'",
    ),
    "empty name": (one_gguf_tensor(""), "it has a tensor whose name is not plain text: ''"),
    "format string as name": (
        one_gguf_tensor("%s%n"),
        "it has a tensor whose name is not plain text: '%s%n'",
    ),
    "NUL in a name": (
        one_gguf_tensor("a\0b"),
        "it has a tensor whose name is not plain text: 'a\\x00b'",
    ),
    "binary name": (
        one_gguf_tensor(b"\xff\xfe"),
        "it has a tensor whose name is not plain text: '\ufffd\ufffd'",
    ),
    "long name": (
        one_gguf_tensor("a" * 128),
        "it has a tensor whose name is longer than 127 characters: '" + "a" * 37 + "...'",
    ),
    "name longer than the limit": (
        gguf_header([struct.pack("<Q", 2**62)]) + bytes(64),
        "the name of a tensor is 4,611,686,018,427,387,904 bytes long, more than 16,777,216",
    ),
    "layer of a huge number": (
        one_gguf_tensor("double_blocks.2000000000.weight"),
        "no model has a tensor 'double_blocks.2000000000.weight'",
    ),
    "layer number with a tail": (
        one_gguf_tensor("double_blocks.99999x.weight"),
        "no model has a tensor 'double_blocks.99999x.weight'",
    ),
    "layers missing": (
        one_gguf_tensor("double_blocks.900.weight"),
        "it has 1 of the 901 layers of 'double_blocks'",
    ),
    "too many tensors": (
        b"GGUF" + struct.pack("<IQQ", 3, 2**62, 0),
        "it claims 4,611,686,018,427,387,904 tensors, more than 8,192",
    ),
    "too many keys": (
        b"GGUF" + struct.pack("<IQQ", 3, 1, 16_385),
        "it claims 16,385 keys, more than 16,384",
    ),
    "two keys of a name": (
        gguf_header([], [gguf_string("a") + gguf_value(1), gguf_string("a") + gguf_value(2)]),
        "it has two keys 'a'",
    ),
    "format string as key": (
        one_gguf_key("%n", gguf_value(1)),
        "it has a key that is not plain text: '%n'",
    ),
    "key longer than the limit": (
        one_gguf_key("k" * 1025, gguf_value(1)),
        "a key is 1,025 bytes long, more than 1,024",
    ),
    "unknown value type": (
        one_gguf_key("k", struct.pack("<I", 13)),
        "'k' has the unknown type 13",
    ),
    "arrays in arrays": (
        one_gguf_key("k", struct.pack("<IIQ", 9, 9, 1)),
        "'k' has the unknown type 9",
    ),
    "endless array": (
        one_gguf_key("k", struct.pack("<IIQ", 9, 4, 2**61)),
        "'k' has 2,305,843,009,213,693,952 values, more than 8,000,000",
    ),
    "alignment 0": (
        one_gguf_key("general.alignment", gguf_value(0)),
        "its alignment is 0, not a power of 2 up to 65,536",
    ),
    "alignment 48": (
        one_gguf_key("general.alignment", gguf_value(48)),
        "its alignment is 48, not a power of 2 up to 65,536",
    ),
    "shape of fewer elements": (
        files.gguf_bytes(
            {"conv.weight": ((256, 9), "F16")}, {"comfy.gguf.orig_shape.conv.weight": [16, 8, 3, 3]}
        ),
        "tensor 'conv.weight' has 2,304 elements, but its shape 16x8x3x3 has 1,152",
    ),
    "shape with a negative side": (
        files.gguf_bytes(
            {"conv.weight": ((256, 9), "F16")}, {"comfy.gguf.orig_shape.conv.weight": [-48, -48]}
        ),
        "tensor 'conv.weight' has a negative dimension: -48x-48",
    ),
    "alignment as text": (
        one_gguf_key("general.alignment", gguf_value("32")),
        "its alignment is not a number",
    ),
}


@pytest.mark.parametrize(("data", "why"), GGUF_FAULTS.values(), ids=GGUF_FAULTS.keys())
def test_damaged_gguf(tmp_path: Path, data: bytes, why: str) -> None:
    assert error_of(write(tmp_path, data)) == (DAMAGED + why, AGAIN)


@pytest.mark.parametrize("write_file", [files.gguf_bytes, files.safetensors_bytes])
def test_more_tensors_than_any_model_has(
    tmp_path: Path, write_file: Callable[[files.Tensors], bytes]
) -> None:
    # The engine would take minutes for 32,000 tensors.
    many = {f"blocks.{number}.bias": ((1,), "F32") for number in range(8_193)}
    message, hint = error_of(write(tmp_path, write_file(many)))
    assert message.startswith(f"{DAMAGED}it claims 8,193 tensors, ")
    assert message.endswith("more than 8,192")
    assert hint == AGAIN
    del many["blocks.0.bias"]
    assert len(read_model_header(write(tmp_path, write_file(many))).tensors) == 8_192


ANOTHER_TYPE = "use another quantization of the same model, for example Q8_0 or Q4_0"
PLAIN_TYPE = "use a GGUF file, or a safetensors file in F16, BF16 or F32, of the same model"


@pytest.mark.parametrize(
    ("data", "message", "hint"),
    [
        (
            gguf_header([]),
            "'x.gguf' holds no tensors",
            "name another file",
        ),
        (
            b"GGUF" + struct.pack(">IQQ", 3, 1, 1),
            "'x.gguf' is a big-endian GGUF file, which the engine does not read",
            "download the little-endian one",
        ),
        (
            b"GGUF" + struct.pack("<IQQ", 1, 1, 1),
            "'x.gguf' is a GGUF file of version 1; the engine reads 2 and 3",
            "convert the model again with current tools",
        ),
        (
            b"GGUF" + struct.pack("<IQQ", 4, 1, 1),
            "'x.gguf' is a GGUF file of version 4; the engine reads 2 and 3",
            "convert the model again with current tools",
        ),
        (
            one_gguf_tensor(type_number=4),
            "'x.gguf' stores tensor 'a' as type 4, which the engine does not read",
            ANOTHER_TYPE,
        ),
        (
            one_gguf_tensor(type_number=2**32 - 1),
            "'x.gguf' stores tensor 'a' as type 4294967295, which the engine does not read",
            ANOTHER_TYPE,
        ),
        (
            one_gguf_tensor(shape=(256,), type_number=15),
            "'x.gguf' stores tensor 'a' as type 15, which the engine does not read",
            ANOTHER_TYPE,
        ),
        (
            one_gguf_tensor("a.weight", type_number=26),
            "'x.gguf' stores 'a.weight' as I32, which the engine cannot draw with",
            PLAIN_TYPE,
        ),
        (
            one_gguf_tensor("a.scale_weight"),
            "'x.gguf' is quantized in the scaled FP8 format, which the engine does not read",
            PLAIN_TYPE,
        ),
    ],
    ids=[
        "no tensors",
        "big-endian",
        "version 1",
        "version 4",
        "removed type",
        "type -1",
        "type without conversion",
        "integers as weights",
        "scaled FP8",
    ],
)
def test_gguf_the_engine_cannot_use(tmp_path: Path, data: bytes, message: str, hint: str) -> None:
    assert error_of(write(tmp_path, data)) == (message, hint)


def entry(
    shape: object = (2,), offsets: object = (0, 8), dtype: object = "F32", **more: object
) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets, **more}


INVALID = "tensor 'a' has no valid type, shape or offsets"
SAFETENSORS_FAULTS: dict[str, tuple[object, str]] = {
    "not JSON": (b"{not json}", "its header is not JSON"),
    "not UTF-8": (b'{"\xff": 1}', "its header is not JSON"),
    "two values": (b"{} {}", "its header is not JSON"),
    "NaN": (b'{"a": NaN}', "its header is not JSON"),
    "endless number": (b'{"a": ' + b"9" * 5000 + b"}", "its header is not JSON"),
    "deep nesting": (b'{"a": ' + b"[" * 100_000, "its header is not JSON"),
    "two entries of a name": (b'{"a": 1, "a": 2}', "it has two entries 'a'"),
    "metadata is a list": ({"__metadata__": []}, "its metadata is not a JSON object"),
    "entry is a number": ({"a": 1}, "tensor 'a' is not described by a JSON object"),
    "no type": ({"a": {"shape": [2], "data_offsets": [0, 8]}}, INVALID),
    "type is a number": ({"a": entry(dtype=5)}, INVALID),
    "shape is a number": ({"a": entry(shape=5)}, INVALID),
    "shape of text": ({"a": entry(shape=["2"])}, INVALID),
    "shape of fractions": ({"a": entry(shape=[2.0])}, INVALID),
    "shape of booleans": ({"a": entry(shape=[True])}, INVALID),
    "one offset": ({"a": entry(offsets=[0])}, INVALID),
    "three offsets": ({"a": entry(offsets=[0, 4, 8])}, INVALID),
    "format string as name": (
        {"%n": entry()},
        "it has a tensor whose name is not plain text: '%n'",
    ),
    "empty name": ({"": entry()}, "it has a tensor whose name is not plain text: ''"),
    "long name": (
        {"a" * 256: entry()},
        "it has a tensor whose name is longer than 255 characters: '" + "a" * 37 + "...'",
    ),
    "dimension 0": ({"a": entry([2, 0], [0, 0])}, "tensor 'a' has a dimension of 0: 2x0"),
    "negative dimension": (
        {"a": entry([-2, -1])},
        "tensor 'a' has a negative dimension: -2x-1",
    ),
    "elements overflow": (
        {"a": entry([2**40, 2**40], [0, 2**82])},
        "tensor 'a' has more than 2,147,483,647 elements: 1099511627776x1099511627776",
    ),
    "six dimensions": (
        {"a": entry([1] * 6, [0, 4])},
        "tensor 'a' has 6 dimensions, more than 5",
    ),
    "size does not fit the shape": (
        {"a": entry(offsets=[0, 12])},
        "tensor 'a' takes 8 bytes, but its offsets span 12",
    ),
    "end before begin": (
        {"a": entry(offsets=[8, 0])},
        "tensor 'a' takes 8 bytes, but its offsets span -8",
    ),
    "negative offset": (
        {"a": entry(offsets=[-8, 0])},
        "tensor 'a' takes 8 bytes, but its offsets span 8",
    ),
    "overlap": (
        {"a": entry(), "b": entry(offsets=[4, 12])},
        "the data of tensors 'a' and 'b' overlap",
    ),
}


@pytest.mark.parametrize(
    ("table", "why"), SAFETENSORS_FAULTS.values(), ids=SAFETENSORS_FAULTS.keys()
)
def test_damaged_safetensors(tmp_path: Path, table: object, why: str) -> None:
    assert error_of(write(tmp_path, safetensors_header(table) + bytes(64))) == (
        DAMAGED + why,
        AGAIN,
    )


def test_safetensors_type_the_engine_does_not_read(tmp_path: Path) -> None:
    path = write(tmp_path, safetensors_header({"a": entry(dtype="F4")}) + bytes(64))
    assert error_of(path) == (
        "'x.gguf' stores tensor 'a' as 'F4', which the engine does not read",
        PLAIN_TYPE,
    )


def test_safetensors_with_too_large_a_header(tmp_path: Path) -> None:
    path = tmp_path / "x.gguf"
    with path.open("wb") as file:
        file.write(struct.pack("<Q", 2**30) + b"{")
        file.truncate(2**31)  # takes no space on the disk
    assert error_of(path) == (DAMAGED + "its header is larger than 16,777,216 bytes", AGAIN)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "'x.gguf' is empty"),
        (b"a cat\nand a dog\n", "'x.gguf' is text, not a model file"),
        (b"ggug\x00\x01\x02\x03", "'x.gguf' is not a model file"),
        (bytes(1000), "'x.gguf' starts with zeros only, as an unfinished download does"),
        (b"<!DOCTYPE html><html>", "'x.gguf' is a web page"),
        (b"\n  <html lang='en'>", "'x.gguf' is a web page"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 4\n",
            "'x.gguf' is a Git LFS pointer, not the model itself",
        ),
        (b"\x1f\x8b\x08" + bytes(64), "'x.gguf' is a gzip archive"),
        (b"\x89PNG\r\n\x1a\n" + bytes(64), "'x.gguf' is a PNG picture"),
        (b"\x80\x02}q\x00.", "'x.gguf' is a Python pickle"),
        (b"tjgg\x01\x00\x00\x00", "'x.gguf' is a model in ggml's old format"),
        (b"FUGG\x00\x00\x00\x03", "'x.gguf' is a big-endian GGUF file"),
        (b'{"error": "not found"}', "'x.gguf' is text, not a model file"),
    ],
)
def test_not_a_model_file(tmp_path: Path, data: bytes, message: str) -> None:
    found, hint = error_of(write(tmp_path, data))
    assert found == message
    assert hint


def test_missing(tmp_path: Path) -> None:
    assert error_of(tmp_path / "x.gguf") == ("there is no file 'x.gguf'", "check the path")
    in_a_file = write(tmp_path, b"") / "x.gguf"
    assert error_of(in_a_file) == ("there is no file 'x.gguf'", "check the path")
    (tmp_path / "link").symlink_to("nowhere")
    assert error_of(tmp_path / "link") == ("there is no file 'x.gguf'", "check the path")


def test_missing_because_of_a_blank(tmp_path: Path) -> None:
    assert error_of(tmp_path / " x.gguf", " x.gguf") == (
        "there is no file ' x.gguf'",
        "check the path: it starts or ends with a blank",
    )


def test_the_label_defaults_to_the_path(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError) as caught:
        read_model_header(tmp_path / "none.gguf")
    assert caught.value.message == f"there is no file {str(tmp_path / 'none.gguf')!r}"


def test_name_too_long(tmp_path: Path) -> None:
    assert error_of(tmp_path / ("x" * 5000)) == (
        "'x.gguf' cannot be read: file name too long",
        "check the path",
    )


def test_folder(tmp_path: Path) -> None:
    assert error_of(tmp_path) == ("'x.gguf' is a folder, not a file", "name a file in it")


def test_pipe_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    start = time.monotonic()
    message, _ = error_of(tmp_path / "pipe")
    assert message == "'x.gguf' is a pipe, not a file"
    assert time.monotonic() - start < 1


def test_socket_and_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the absolute path may be too long for a socket
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        assert error_of(Path("socket"))[0] == "'x.gguf' is a socket, not a file"
    assert error_of(Path("/dev/zero"))[0] == "'x.gguf' is a device, not a file"


AS_NOBODY = """
import os, sys
from pathlib import Path
from gpustack_draw.errors import ModelFileError
from gpustack_draw.headers.header import read_model_header
if os.geteuid() == 0:
    os.setgroups([])
    os.setuid(65534)
try:
    read_model_header(Path("x.gguf"))
except ModelFileError as error:
    print(error)
"""


@pytest.mark.parametrize("locked", ["file", "folder"])
def test_permission_denied(tmp_path: Path, locked: str) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    path = write(folder, files.gguf_bytes(TENSORS))
    program = AS_NOBODY if locked == "file" else AS_NOBODY.replace('"x.gguf"', '"folder/x.gguf"')
    tmp_path.chmod(0o755)
    (path if locked == "file" else folder).chmod(0o000)
    try:
        # The process starts in the folder, because pytest's folders above it are private.
        result = subprocess.run(
            [sys.executable, "-c", program],
            cwd=folder if locked == "file" else tmp_path,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        folder.chmod(0o755)
    name = "x.gguf" if locked == "file" else "folder/x.gguf"
    assert result.stdout == (
        f"'{name}' cannot be read: permission denied\n"
        "check the permissions of the file and its folder\n"
    ), result.stderr


def test_a_false_header_costs_neither_time_nor_memory(tmp_path: Path) -> None:
    headers = [
        b"GGUF" + struct.pack("<IQQ", 3, 32_768, 16_384),
        one_gguf_key("k", struct.pack("<IIQ", 9, 8, 8_000_000) + bytes(100_000)),
        gguf_header([gguf_tensor("a", (2**30,), 0, 0)]),
        struct.pack("<Q", 2**39) + b"{",
    ]
    path = tmp_path / "x.gguf"
    start = time.monotonic()
    tracemalloc.start()
    for data in headers:
        path.write_bytes(data)
        error_of(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8_000_000
    assert time.monotonic() - start < 5


def test_a_vocabulary_is_skipped_quickly(tmp_path: Path) -> None:
    words = [f"word{number}" for number in range(300_000)]
    path = write(tmp_path, files.gguf_bytes(TENSORS, {"tokenizer.ggml.tokens": words}))
    start = time.monotonic()
    header = read_model_header(path)
    assert header.metadata["tokenizer.ggml.tokens"] == "300000 strings"
    assert list(header.tensors) == list(TENSORS)
    assert time.monotonic() - start < 2


WHOLE = {
    "gguf": files.gguf_bytes(TENSORS, {"general.name": "tiny", "words": ["a", "b"], "n": [1, 2]}),
    "safetensors": files.safetensors_bytes(TENSORS_ST, {"format": "pt"}),
    "checkpoint": checkpoints.checkpoint_bytes(TENSORS_ST),
    "legacy checkpoint": checkpoints.legacy_bytes(TENSORS_ST),
}
HEADER_BYTES = {"gguf": 320, "safetensors": 200, "checkpoint": 500, "legacy checkpoint": 500}


def change(data: bytes, model_format: str, draw: Callable[[st.SearchStrategy[int]], int]) -> bytes:
    """Overwrite, drop or insert a few bytes of the header."""
    for _ in range(draw(st.integers(1, 4))):
        start = 4 if model_format == "gguf" else 0
        offset = draw(st.integers(start, HEADER_BYTES[model_format]))
        width = draw(st.sampled_from([1, 1, 4, 8]))
        special = st.sampled_from([0, 1, 255, 2**31, 2**32 - 1, 2**63, 2**64 - 1])
        value = draw(special | st.integers(0, 2**64 - 1)) % 256**width
        replaced = draw(st.sampled_from([width, width, width, 0, 2 * width]))
        data = data[:offset] + value.to_bytes(width, "little") + data[offset + replaced :]
    return data


@settings(deadline=2000)
@given(model_format=st.sampled_from(list(WHOLE)), data=st.data())
def test_any_change_results_in_a_header_or_an_error(
    tmp_path_factory: pytest.TempPathFactory, model_format: str, data: st.DataObject
) -> None:
    changed = change(WHOLE[model_format], model_format, data.draw)
    path = tmp_path_factory.getbasetemp() / "changed.gguf"
    path.write_bytes(changed)
    try:
        header = read_model_header(path)
    except ModelFileError:
        return
    assert header.tensors
    assert header.tensor_bytes <= len(changed) * (2 if "checkpoint" in model_format else 1)
    assert all(tensor.elements >= 0 for tensor in header.tensors.values())
