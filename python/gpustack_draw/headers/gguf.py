"""The header of a GGUF file, versions 2 and 3, little-endian.

Format: the ggml project's ``docs/gguf.md``, read 2026-11-22 in ggml 0.9.8. The rules are at least
as strict as those of ggml's own reader, with one exception: tensors of video models can have 5
dimensions, which ggml's reader rejects. The engine then falls back to a reader of its own, which
checks nothing, joins the last two dimensions, and does not understand lists among the keys.
"""

import math
import struct
from collections.abc import Mapping
from dataclasses import replace

from gpustack_draw.errors import ModelFileError, quoted
from gpustack_draw.headers.tensor_table import (
    MAX_DIMENSIONS,
    MAX_TENSORS,
    ByteSource,
    ModelHeader,
    TensorInfo,
    check_tensor_name,
    check_tensor_shape,
    check_tensors,
    damaged,
    truncated,
)
from gpustack_draw.units import round_up

MAGIC = b"GGUF"
MAX_KEYS = 16_384
MAX_HEADER_BYTES = 128 * 1024 * 1024
MAX_ARRAY_ELEMENTS = 8_000_000
MAX_STRING_BYTES = 16 * 1024 * 1024
MAX_KEY_BYTES = 1024
MAX_NAME_BYTES = 127  # the engine is built with GGML_MAX_NAME=128, the closing NUL included
MAX_ALIGNMENT = 65_536

# Name, elements per block and bytes per block, by ggml's type number. Q8_1 (9), Q8_K (15), I8, I16,
# I64 and F64 are missing: the engine aborts the process when it has to convert them.
TENSOR_TYPES: dict[int, tuple[str, int, int]] = {
    0: ("F32", 1, 4),
    1: ("F16", 1, 2),
    2: ("Q4_0", 32, 18),
    3: ("Q4_1", 32, 20),
    6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24),
    8: ("Q8_0", 32, 34),
    10: ("Q2_K", 256, 84),
    11: ("Q3_K", 256, 110),
    12: ("Q4_K", 256, 144),
    13: ("Q5_K", 256, 176),
    14: ("Q6_K", 256, 210),
    16: ("IQ2_XXS", 256, 66),
    17: ("IQ2_XS", 256, 74),
    18: ("IQ3_XXS", 256, 98),
    19: ("IQ1_S", 256, 50),
    20: ("IQ4_NL", 32, 18),
    21: ("IQ3_S", 256, 110),
    22: ("IQ2_S", 256, 82),
    23: ("IQ4_XS", 256, 136),
    26: ("I32", 1, 4),
    29: ("IQ1_M", 256, 56),
    30: ("BF16", 1, 2),
    34: ("TQ1_0", 256, 54),
    35: ("TQ2_0", 256, 66),
    39: ("MXFP4", 32, 17),
    40: ("NVFP4", 64, 36),
}

# Prefixes of ``general.architecture`` of language models that serve as text encoders.
_TEXT_MODELS = ("qwen", "llama", "mistral", "gemma", "t5")
_MAX_WORDS_READ = 1000  # longer lists are vocabularies; shorter ones hold special tokens

# Quantizers for ComfyUI store a UNet's tensors in rows of 256 numbers, because its own rows do not
# fill whole blocks. They keep the shape, slowest dimension first, under this key and the name.
_SHAPE_KEY = "comfy.gguf.orig_shape."

_UINT32, _INT32, _STRING, _ARRAY = 4, 5, 8, 9
# By GGUF's value type number; strings (8) and arrays (9) have no fixed size.
_SCALARS: dict[int, struct.Struct] = {
    0: struct.Struct("<B"),
    1: struct.Struct("<b"),
    2: struct.Struct("<H"),
    3: struct.Struct("<h"),
    _UINT32: struct.Struct("<I"),
    _INT32: struct.Struct("<i"),
    6: struct.Struct("<f"),
    7: struct.Struct("<?"),
    10: struct.Struct("<Q"),
    11: struct.Struct("<q"),
    12: struct.Struct("<d"),
}
_COUNT32 = struct.Struct("<I")
_COUNT64 = struct.Struct("<Q")


def read_gguf_header(source: ByteSource, *, brief: bool = False) -> ModelHeader:
    """Read and check the header of a GGUF file, whose first bytes are ``GGUF``.

    Args:
        source: Bytes of the file.
        brief: Stop at the vocabulary of a text model, which takes megabytes. The header then only
            has the tensors that identify the model, with sizes from earlier keys, or 0.

    Raises:
        ModelFileError: The header violates the format or a limit of the engine, or the file is
            truncated.
    """
    cursor = _Cursor(source)
    cursor.skip(len(MAGIC))
    _check_version(cursor.unpack(_COUNT32), source.label)
    tensor_count, key_count = cursor.unpack(_COUNT64), cursor.unpack(_COUNT64)
    for count, limit, items in (
        (tensor_count, MAX_TENSORS, "tensors"),
        (key_count, MAX_KEYS, "keys"),
    ):
        if count > limit:
            raise damaged(source.label, f"it claims {count:,} {items}, more than {limit:,}")
    metadata = _read_metadata(cursor, key_count, brief=brief)
    if cursor.vocabulary is not None:
        tensors = _text_model_tensors(metadata, cursor.vocabulary)
        return ModelHeader("gguf", tensors, metadata, source.size)
    alignment = _alignment(metadata, source.label)
    tensors, data_bytes = _read_tensors(cursor, tensor_count, alignment)
    if cursor.has_lists and cursor.has_five_dimensions:
        raise ModelFileError(
            f"{quoted(source.label)} has tensors of {MAX_DIMENSIONS} dimensions and lists among"
            " its keys, which the engine cannot read in one file",
            hint="use another file of the same model",
        )
    data_start = round_up(cursor.position, alignment)
    tensors = {
        name: _restored(
            replace(tensor, offset=data_start + (tensor.offset or 0)), metadata, source.label
        )
        for name, tensor in tensors.items()
    }
    check_tensors(tensors, source.label)
    needed = data_start + data_bytes
    if source.size < needed:
        raise truncated(source.label, source.size, needed)
    return ModelHeader("gguf", tensors, metadata, source.size)


def _read_tensors(
    cursor: "_Cursor", count: int, alignment: int
) -> tuple[dict[str, TensorInfo], int]:
    """Read the descriptions of all tensors, with offsets in their data; also return its size."""
    label = cursor.source.label
    tensors: dict[str, TensorInfo] = {}
    expected_offset = data_bytes = 0
    for _ in range(count):
        tensor, offset = _read_tensor(cursor)
        if tensor.name in tensors:
            raise damaged(label, f"it has two tensors {quoted(tensor.name)}")
        if offset != expected_offset:
            raise damaged(
                label,
                f"the data of tensor {quoted(tensor.name)} starts at {offset:,} instead of"
                f" {expected_offset:,}",
            )
        tensors[tensor.name] = replace(tensor, offset=offset)
        data_bytes = offset + tensor.bytes
        expected_offset = round_up(data_bytes, alignment)
    return tensors, data_bytes


class _Cursor:
    """Reads a source from front to back, a chunk at a time."""

    def __init__(self, source: ByteSource) -> None:
        self.source = source
        self.has_lists = self.has_five_dimensions = False
        self.vocabulary: int | None = None  # its size (0: unknown), if reading stopped at it
        self._chunk = b""
        self._chunk_start = 0
        self._index = 0

    @property
    def position(self) -> int:
        return self._chunk_start + self._index

    def skip(self, length: int) -> None:
        if length > self.source.size - self.position:
            raise truncated(self.source.label, self.source.size)
        self._index += length

    def skip_strings(self, count: int) -> None:
        # Written for speed: a vocabulary has 300,000 strings.
        unpack = _COUNT64.unpack_from
        chunk, index = self._chunk, self._index
        for _ in range(count):
            if index + 8 > len(chunk):
                self._index = index
                self._load(8)
                chunk, index = self._chunk, 0
            index += 8 + unpack(chunk, index)[0]
            if index > len(chunk):
                if self._chunk_start + index > self.source.size:
                    raise truncated(self.source.label, self.source.size)
                self._index = index
                self._load(0)
                chunk, index = self._chunk, 0
        self._index = index

    def take(self, length: int) -> bytes:
        if self._index + length > len(self._chunk):
            self._load(length)
        data = self._chunk[self._index : self._index + length]
        self._index += length
        return data

    def unpack(self, layout: struct.Struct) -> int:
        if self._index + layout.size > len(self._chunk):
            self._load(layout.size)
        (value,) = layout.unpack_from(self._chunk, self._index)
        self._index += layout.size
        return value  # type: ignore[no-any-return]

    def _load(self, length: int) -> None:
        start = self.position
        if length > self.source.size - start:
            raise truncated(self.source.label, self.source.size)
        if start + length > MAX_HEADER_BYTES:
            raise damaged(
                self.source.label, f"its header is larger than {MAX_HEADER_BYTES:,} bytes"
            )
        self._chunk = self.source.read(start, max(length, self.source.chunk_bytes))
        self._chunk_start, self._index = start, 0
        if len(self._chunk) < length:  # the file shrank meanwhile
            raise truncated(self.source.label, start + len(self._chunk))


def _check_version(version: int, label: str) -> None:
    if version & 0xFFFF == 0:
        raise ModelFileError(
            f"{quoted(label)} is a big-endian GGUF file, which the engine does not read",
            hint="download the little-endian one",
        )
    if version not in (2, 3):
        raise ModelFileError(
            f"{quoted(label)} is a GGUF file of version {version}; the engine reads 2 and 3",
            hint="convert the model again with current tools",
        )


def _read_metadata(cursor: _Cursor, count: int, *, brief: bool) -> dict[str, object]:
    label = cursor.source.label
    metadata: dict[str, object] = {}
    for _ in range(count):
        raw = _read_string(cursor, MAX_KEY_BYTES, "a key")
        key = raw.decode("ascii", "replace")
        # ggml passes an invalid key to its log as the format string.
        if not key.isascii() or not key.isprintable() or "%" in key or not key:
            raise damaged(label, f"it has a key that is not plain text: {quoted(key)}")
        if key in metadata:
            raise damaged(label, f"it has two keys {quoted(key)}")
        is_of_text = brief and key.startswith("tokenizer.") and _is_text_model(metadata)
        metadata[key] = _read_value(cursor, key, stop_at_vocabulary=is_of_text)
        if cursor.vocabulary is not None:
            break
    return metadata


def _is_text_model(metadata: Mapping[str, object]) -> bool:
    """Return True if the first keys are those of a text model, as written by llama.cpp."""
    name = str(metadata.get("general.architecture", ""))
    is_known = name.startswith(_TEXT_MODELS) and "image" not in name
    return is_known or f"{name}.embedding_length" in metadata


def _text_model_tensors(metadata: Mapping[str, object], words: int) -> dict[str, TensorInfo]:
    """Return the tensors that identify a text model, derived from its keys alone.

    llama.cpp requires embeddings of the width and number in the keys.
    """
    name = str(metadata["general.architecture"])
    width = metadata.get(f"{name}.embedding_length", 0)
    sizes = {"token_embd.weight": (width if isinstance(width, int) else 0, words)}
    if name.startswith("t5"):
        sizes["enc.blk.0.attn_q.weight"] = (0, 0)
    return {tensor: TensorInfo(tensor, shape, "", 0) for tensor, shape in sizes.items()}


def _read_value(cursor: _Cursor, key: str, *, stop_at_vocabulary: bool = False) -> object:
    label = cursor.source.label
    type_number = cursor.unpack(_COUNT32)
    if key == "general.alignment" and type_number != _UINT32:
        raise damaged(label, "its alignment is not a number")  # ggml aborts the process
    if type_number == _STRING:
        return _read_string(cursor, MAX_STRING_BYTES, f"the value of {key}").decode(
            errors="replace"
        )
    if type_number == _ARRAY:
        cursor.has_lists = True
        type_number, length = cursor.unpack(_COUNT32), cursor.unpack(_COUNT64)
        if length > MAX_ARRAY_ELEMENTS:
            raise damaged(
                label, f"{quoted(key)} has {length:,} values, more than {MAX_ARRAY_ELEMENTS:,}"
            )
        if stop_at_vocabulary and length > _MAX_WORDS_READ:
            # Tools that sort the keys write other lists, with other lengths, before the tokens.
            cursor.vocabulary = length if key == "tokenizer.ggml.tokens" else 0
            return f"{length} values"
        if type_number == _STRING:
            cursor.skip_strings(length)
            return f"{length} strings"
        if type_number == _INT32 and key.startswith(_SHAPE_KEY) and length <= MAX_DIMENSIONS:
            return tuple(cursor.unpack(_SCALARS[type_number]) for _ in range(length))
        if type_number in _SCALARS:
            cursor.skip(length * _SCALARS[type_number].size)
            return f"{length} numbers"
    if type_number not in _SCALARS:
        raise damaged(label, f"{quoted(key)} has the unknown type {type_number}")
    return cursor.unpack(_SCALARS[type_number])


def _read_string(cursor: _Cursor, limit: int, name: str) -> bytes:
    length = cursor.unpack(_COUNT64)
    if length > limit:
        raise damaged(cursor.source.label, f"{name} is {length:,} bytes long, more than {limit:,}")
    return cursor.take(length)


def _alignment(metadata: dict[str, object], label: str) -> int:
    value = metadata.get("general.alignment", 32)
    if not isinstance(value, int) or not 0 < value <= MAX_ALIGNMENT or value & (value - 1):
        raise damaged(label, f"its alignment is {value}, not a power of 2 up to {MAX_ALIGNMENT:,}")
    return value


def _read_tensor(cursor: _Cursor) -> tuple[TensorInfo, int]:
    """Read a tensor's description and the offset of its data in the data section."""
    label = cursor.source.label
    raw = _read_string(cursor, MAX_STRING_BYTES, "the name of a tensor")
    name = raw.decode("ascii", "replace")
    check_tensor_name(name, MAX_NAME_BYTES, label)
    dimensions = cursor.unpack(_COUNT32)
    if dimensions > MAX_DIMENSIONS:
        raise damaged(
            label,
            f"tensor {quoted(name)} has {dimensions} dimensions, more than {MAX_DIMENSIONS}",
        )
    shape = tuple(cursor.unpack(_COUNT64) for _ in range(dimensions)) or (1,)
    shape = tuple(side - 2**64 if side >= 2**63 else side for side in shape)
    check_tensor_shape(name, shape, label)
    if dimensions == MAX_DIMENSIONS:
        cursor.has_five_dimensions = True
        shape = (*shape[:3], shape[3] * shape[4])
    number, offset = cursor.unpack(_COUNT32), cursor.unpack(_COUNT64)
    if number not in TENSOR_TYPES:
        raise ModelFileError(
            f"{quoted(label)} stores tensor {quoted(name)} as type {number},"
            " which the engine does not read",
            hint="use another quantization of the same model, for example Q8_0 or Q4_0",
        )
    type_name, block_elements, block_bytes = TENSOR_TYPES[number]
    if shape[0] % block_elements:
        raise damaged(
            label,
            f"tensor {quoted(name)} has rows of {shape[0]} elements,"
            f" and {type_name} requires multiples of {block_elements}",
        )
    size = math.prod(shape) // block_elements * block_bytes
    return TensorInfo(name, shape, type_name, size), offset


def _restored(tensor: TensorInfo, metadata: Mapping[str, object], label: str) -> TensorInfo:
    """Return a tensor with its original shape if it was stored in rows of 256 numbers."""
    sides = metadata.get(_SHAPE_KEY + tensor.name)
    if not isinstance(sides, tuple):
        return tensor
    shape = sides[::-1]
    check_tensor_shape(tensor.name, shape, label)
    if len(shape) >= MAX_DIMENSIONS or math.prod(shape) != tensor.elements:
        raise damaged(
            label,
            f"tensor {quoted(tensor.name)} has {tensor.elements:,} elements, but its shape"
            f" {'x'.join(map(str, sides))} has {math.prod(shape):,}",
        )
    return replace(tensor, shape=shape, expanded_bytes=_expanded_bytes(tensor, shape))


def _expanded_bytes(tensor: TensorInfo, shape: tuple[int, ...]) -> int:
    """Return a tensor's size in memory if its rows do not fill whole blocks; otherwise 0."""
    block = next(elements for name, elements, _ in TENSOR_TYPES.values() if name == tensor.type)
    if shape[0] % block == 0:
        return 0
    # The engine loads such matrices as F32, and convolutions as F16.
    return tensor.elements * (4 if len(shape) <= 2 else 2)
