"""The header of a PyTorch checkpoint (.ckpt, .pt, .pth, .bin), read without running its pickle.

Since 2020 PyTorch has written a zip archive with the tensors' data and a pickle that describes it;
earlier files hold several pickles, then the data. The engine reads both (its ``src/model_io``).
"""

from dataclasses import dataclass
from pathlib import PurePosixPath

from gpustack_draw.errors import ModelFileError, quoted
from gpustack_draw.headers.pickle_machine import CONVERT_HINT, unreadable
from gpustack_draw.headers.pickle_values import PickledTensor
from gpustack_draw.headers.tensor_pickle import (
    MAX_PICKLE_BYTES,
    TensorPickle,
    read_storage_keys,
    read_tensor_pickle,
    skip_pickle,
)
from gpustack_draw.headers.tensor_table import (
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
from gpustack_draw.headers.zip_directory import ZipEntry, read_zip_directory, read_zip_entry

ZIP_MAGIC = b"PK\x03\x04"
# The legacy format starts with this pickled number, after the protocol, and then its version.
_LEGACY_MAGIC = bytes.fromhex("8a0a6cfc9c46f9206aa850192e")
_LEGACY_VERSION = b"M\xe9\x03."
_LEGACY_STORAGE_HEADER_BYTES = 8
_PICKLE_NAME = "data.pkl"
_MAX_NAME_LENGTH = 255
_MAX_DIMENSIONS = 4  # the engine joins the fifth one in other formats only


def is_legacy_checkpoint(start: bytes) -> bool:
    """Return True if the first bytes are those of a checkpoint in the format before 2020."""
    return start[:1] == b"\x80" and start[2:].startswith(_LEGACY_MAGIC)


def read_zip_checkpoint(source: ByteSource) -> ModelHeader:
    """Read and check the header of a checkpoint that is a zip archive.

    Raises:
        ModelFileError: The file is damaged, malicious, not a checkpoint, or one that the engine
            does not read.
    """
    content = _read_zip(source)
    storages = {key: entry.bytes for key, entry in content.storages.items()}
    return _header(content.described.tensors, storages, source)


def read_checkpoint_tensor(source: ByteSource, name: str) -> bytes:
    """Read the data of a tensor of a checkpoint whose header has been checked.

    Args:
        source: The file, of a few megabytes at most.
        name: Name of the tensor.

    Raises:
        ModelFileError: The file is damaged.
    """
    if is_legacy_checkpoint(source.read(0, 512)):
        legacy = _read_legacy(source)
        tensor = legacy.described.tensors[name]
        return source.read(legacy.places[tensor.storage] + tensor.offset, tensor.bytes)
    content = _read_zip(source)
    tensor = content.described.tensors[name]
    storage = read_zip_entry(source, content.storages[tensor.storage])
    return storage[tensor.offset : tensor.offset + tensor.bytes]


@dataclass(frozen=True)
class _ZipContent:
    """The pickle of a zip checkpoint, and the entries of its storages by key."""

    described: TensorPickle
    storages: dict[str, ZipEntry]


def _read_zip(source: ByteSource) -> _ZipContent:
    label = source.label
    entries = read_zip_directory(source)
    pickles = [name for name in entries if PurePosixPath(name).name == _PICKLE_NAME]
    if len(pickles) != 1:
        raise _not_a_checkpoint(list(entries), label)
    folder = pickles[0].removesuffix(_PICKLE_NAME)
    if f"{folder}constants.pkl" in entries:
        raise unreadable(label, "it is a TorchScript program")
    for entry in entries.values():
        _check_stored(entry, source)
    if sum(entry.bytes for entry in entries.values()) > source.size:
        raise damaged(label, "its entries overlap")
    if entries[pickles[0]].bytes > MAX_PICKLE_BYTES:
        raise damaged(label, f"its {_PICKLE_NAME} is larger than {MAX_PICKLE_BYTES:,} bytes")
    described = read_tensor_pickle(read_zip_entry(source, entries[pickles[0]]), label)
    storages = {
        key: entries[f"{folder}data/{key}"]
        for key in described.storage_bytes
        if f"{folder}data/{key}" in entries
    }
    return _ZipContent(described, storages)


def read_legacy_checkpoint(source: ByteSource) -> ModelHeader:
    """Read and check the header of a checkpoint in the format before 2020.

    Raises:
        ModelFileError: As for :func:`read_zip_checkpoint`.
    """
    described = _read_legacy(source).described
    return _header(described.tensors, described.storage_bytes, source)


@dataclass(frozen=True)
class _LegacyContent:
    """The pickle of a legacy checkpoint, and the offsets of its storages in the file by key."""

    described: TensorPickle
    places: dict[str, int]


def _read_legacy(source: ByteSource) -> _LegacyContent:
    label = source.label
    data = source.read(0, min(source.size, MAX_PICKLE_BYTES))
    position = 2 + len(_LEGACY_MAGIC)
    if not data[position + 2 :].startswith(_LEGACY_VERSION):
        raise unreadable(label, "its legacy format has an unknown version")
    position += 2 + len(_LEGACY_VERSION)
    position = skip_pickle(
        data, position, label
    )  # properties of the machine on which it was written
    described = read_tensor_pickle(data, label, position)
    keys, end = read_storage_keys(data, described.end, label)
    places = {}
    for key in keys:
        end += _LEGACY_STORAGE_HEADER_BYTES
        places[key] = end
        end += described.storage_bytes.get(key, 0)
    if end > source.size:
        raise truncated(label, source.size, end)
    return _LegacyContent(described, places)


def _header(
    pickled: dict[str, PickledTensor], storages: dict[str, int], source: ByteSource
) -> ModelHeader:
    label = source.label
    if len(pickled) > MAX_TENSORS:
        raise damaged(label, f"it claims {len(pickled):,} tensors, more than {MAX_TENSORS:,}")
    tensors = {}
    for name, tensor in pickled.items():
        check_tensor_name(name, _MAX_NAME_LENGTH, label)
        if len(tensor.shape) > _MAX_DIMENSIONS:
            raise unreadable(label, f"tensor {quoted(name)} has {len(tensor.shape)} dimensions")
        check_tensor_shape(name, tensor.shape, label)
        storage_bytes = storages.get(tensor.storage, 0)
        if tensor.offset + tensor.bytes > storage_bytes:
            raise damaged(
                label,
                f"tensor {quoted(name)} has {max(0, storage_bytes - tensor.offset):,} of"
                f" {tensor.bytes:,} bytes",
            )
        shape = tuple(reversed(tensor.shape)) or (1,)
        tensors[name] = TensorInfo(name, shape, tensor.type, tensor.bytes)
    check_tensors(tensors, label)
    size = sum(tensor.bytes for tensor in tensors.values())
    if size > 2 * source.size:  # few tensors share data, such as the two embeddings of T5
        raise damaged(label, f"its tensors take {size:,} bytes, the file has {source.size:,}")
    return ModelHeader("checkpoint", tensors, {}, source.size)


def _check_stored(entry: ZipEntry, source: ByteSource) -> None:
    if not entry.is_stored:
        raise ModelFileError(
            f"{quoted(source.label)} is not a checkpoint that PyTorch wrote: its entry"
            f" {quoted(entry.name)} is compressed from {entry.bytes:,} to"
            f" {entry.stored_bytes:,} bytes",
            hint=CONVERT_HINT,
        )
    if entry.offset + entry.bytes > source.size:
        raise truncated(source.label, source.size, entry.offset + entry.bytes)


def _not_a_checkpoint(names: list[str], label: str) -> ModelFileError:
    if any(name.endswith(".npy") for name in names):
        return ModelFileError(f"{quoted(label)} is a NumPy archive", hint=CONVERT_HINT)
    if any(PurePosixPath(name).name == _PICKLE_NAME for name in names):
        return damaged(label, f"it has several {_PICKLE_NAME} entries")
    return ModelFileError(f"{quoted(label)} is a zip archive", hint="unpack it first")
