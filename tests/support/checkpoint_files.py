"""Write PyTorch checkpoints as torch.save does, and invalid ones."""

import io
import math
import struct
import zipfile
from collections.abc import Mapping

from model_files import Tensors

_STORAGES = {
    "F64": (b"DoubleStorage", 8),
    "F32": (b"FloatStorage", 4),
    "F16": (b"HalfStorage", 2),
    "BF16": (b"BFloat16Storage", 2),
    "I32": (b"IntStorage", 4),
    "I64": (b"LongStorage", 8),
    "U8": (b"ByteStorage", 1),
}
_MAKE_TENSOR = b"ctorch._utils\n_rebuild_tensor_v2\n"
LEGACY_START = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}."


def text(value: str) -> bytes:
    """Pickle a text."""
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def number(value: int) -> bytes:
    """Pickle a number."""
    if 0 <= value < 2**31:
        return b"J" + struct.pack("<i", value)
    return b"\x8a\x08" + struct.pack("<q", value)


def numbers(values: list[int]) -> bytes:
    """Pickle a tuple of numbers."""
    return b"(" + b"".join(map(number, values)) + b"t"


def storage(tensor_type: str, key: str, count: int, *, view: bytes = b"") -> bytes:
    """Pickle a reference to a storage."""
    name = b"ctorch\n" + _STORAGES[tensor_type][0] + b"\n"
    return b"(" + text("storage") + name + text(key) + text("cpu") + number(count) + view + b"tQ"


def tensor(
    tensor_type: str,
    key: str,
    shape: list[int],
    strides: list[int] | None = None,
    *,
    view: bytes = b"",
) -> bytes:
    """Pickle a tensor with its own storage; its shape is in PyTorch's order."""
    if strides is None:
        strides = [math.prod(shape[index + 1 :]) for index in range(len(shape))]
    place = storage(tensor_type, key, math.prod(shape), view=view) + number(0)
    hooks = b"ccollections\nOrderedDict\n)R"
    return _MAKE_TENSOR + b"(" + place + numbers(shape) + numbers(strides) + b"\x89" + hooks + b"tR"


def dictionary(items: Mapping[str, bytes]) -> bytes:
    """Pickle a dictionary of pickled values."""
    return b"}(" + b"".join(text(key) + value for key, value in items.items()) + b"u"


def state_dict(tensors: Tensors, *, view: bytes = b"") -> bytes:
    """Pickle a dictionary of tensors; their storages are numbered."""
    items = {
        name: tensor(tensor_type, str(index), list(reversed(shape)), view=view)
        for index, (name, (shape, tensor_type)) in enumerate(tensors.items())
    }
    return dictionary(items)


def pickled(value: bytes) -> bytes:
    """Return a complete pickle of a pickled value."""
    return b"\x80\x02" + value + b"."


def zip_bytes(entries: Mapping[str, bytes], *, compression: int = zipfile.ZIP_STORED) -> bytes:
    """Write a zip archive."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return file.getvalue()


def checkpoint_entries(
    tensors: Tensors, data: Mapping[str, bytes] | None = None
) -> dict[str, bytes]:
    """Return the entries of a checkpoint's archive; missing weights are zeros."""
    entries = {"archive/data.pkl": pickled(state_dict(tensors)), "archive/version": b"3\n"}
    for index, (name, (shape, tensor_type)) in enumerate(tensors.items()):
        size = math.prod(shape) * _STORAGES[tensor_type][1]
        entries[f"archive/data/{index}"] = (data or {}).get(name, bytes(size))
    return entries


def checkpoint_bytes(tensors: Tensors, data: Mapping[str, bytes] | None = None) -> bytes:
    """Write a checkpoint in the current format."""
    return zip_bytes(checkpoint_entries(tensors, data))


def legacy_bytes(tensors: Tensors, data: Mapping[str, bytes] | None = None) -> bytes:
    """Write a checkpoint in the format before 2020."""
    # Storages are in the order of their keys, which are strings.
    order = sorted(enumerate(tensors.items()), key=lambda item: str(item[0]))
    keys = b"".join(text(str(index)) for index, _ in order)
    contents = b""
    for _, (name, (shape, tensor_type)) in order:
        size = math.prod(shape) * _STORAGES[tensor_type][1]
        content = (data or {}).get(name, bytes(size))
        contents += struct.pack("<Q", math.prod(shape)) + content
    # The description of a storage ends with its base storage: none.
    described = pickled(state_dict(tensors, view=b"N"))
    return LEGACY_START + described + pickled(b"](" + keys + b"e") + contents
