"""Split a GGUF file into several by prefixes of tensor names."""

import struct
from collections.abc import Mapping

import model_files as files

from gpustack_draw.headers.gguf import TENSOR_TYPES, read_gguf_header

_ALIGNMENT = 32


class _Bytes:
    chunk_bytes = 1024 * 1024

    def __init__(self, data: bytes) -> None:
        self.label = "model.gguf"
        self.size = len(data)
        self._data = data

    def read(self, offset: int, length: int) -> bytes:
        return self._data[offset : offset + length]


def tensor_data(data: bytes) -> dict[str, bytes]:
    """Return the bytes of each tensor of a GGUF file by name."""
    header = read_gguf_header(_Bytes(data))
    sizes = [-(-tensor.bytes // _ALIGNMENT) * _ALIGNMENT for tensor in header.tensors.values()]
    # The last tensor ends the file, with or without padding.
    place = len(data) - sum(sizes[:-1]) - list(header.tensors.values())[-1].bytes
    place -= place % _ALIGNMENT
    found = {}
    for tensor, size in zip(header.tensors.values(), sizes):
        found[tensor.name] = data[place : place + tensor.bytes]
        place += size
    return found


def split_gguf(data: bytes, prefixes: Mapping[str, str]) -> list[bytes]:
    """Return one file per prefix, with that prefix of its tensor names replaced."""
    header = read_gguf_header(_Bytes(data))
    numbers = {name: number for number, (name, _, _) in TENSOR_TYPES.items()}
    contents = tensor_data(data)
    made = []
    for prefix, instead in prefixes.items():
        infos, blobs, offset = [], [], 0
        for name, tensor in header.tensors.items():
            if name.startswith(prefix):
                new_name = instead + name.removeprefix(prefix)
                number = numbers[tensor.type]
                infos.append(files.gguf_tensor(new_name, tensor.shape, number, offset))
                blob = contents[name]
                blobs.append(blob + bytes(-len(blob) % _ALIGNMENT))
                offset += len(blobs[-1])
        head = b"GGUF" + struct.pack("<IQQ", 3, len(infos), 0) + b"".join(infos)
        made.append(head + bytes(-len(head) % _ALIGNMENT) + b"".join(blobs))
    return made
