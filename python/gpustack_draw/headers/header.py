"""Read the header of a model file of any format; nothing in the file is trusted."""

import os
import stat
import struct
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from gpustack_draw.errors import ModelFileError, ModelNotFoundError, quoted
from gpustack_draw.headers.checkpoint import (
    ZIP_MAGIC,
    is_legacy_checkpoint,
    read_legacy_checkpoint,
    read_zip_checkpoint,
)
from gpustack_draw.headers.gguf import MAGIC as GGUF_MAGIC
from gpustack_draw.headers.gguf import read_gguf_header
from gpustack_draw.headers.pickle_machine import CONVERT_HINT
from gpustack_draw.headers.safetensors import looks_like_safetensors, read_safetensors_header
from gpustack_draw.headers.tensor_table import ByteSource, ModelHeader, TensorInfo, truncated
from gpustack_draw.headers.weight_formats import PLAIN_TYPE_HINT

__all__ = [
    "ModelHeader",
    "TensorInfo",
    "foreign_format",
    "read_header",
    "read_model_header",
    "read_numbers",
]

# Format and bytes of a number, by tensor type; the two bytes of BF16 are the upper ones of F32.
_NUMBERS = {"F64": ("<d", 8), "F32": ("<f", 4), "F16": ("<e", 2), "BF16": ("<f", 2)}

# First bytes, description and hint of files that are mistaken for models.
_FOREIGN: tuple[tuple[bytes, str, str], ...] = (
    (b"version https://git-lfs", "a Git LFS pointer, not the model itself", "run git lfs pull"),
    (b"\x89PNG", "a PNG picture", ""),
    (b"\xff\xd8\xff", "a JPEG picture", ""),
    (b"RIFF", "a WebP picture or a sound", ""),
    (b"\x1f\x8b", "a gzip archive", "unpack it first"),
    (b"\xfd7zXZ", "an xz archive", "unpack it first"),
    (b"7z\xbc\xaf", "a 7z archive", "unpack it first"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive", "unpack it first"),
    (b"%PDF", "a PDF document", ""),
    (b"\x7fELF", "a program", ""),
    (b"\x89HDF", "an HDF5 file", "convert it to safetensors"),
    (b"\x80\x02", "a Python pickle", CONVERT_HINT),
    (b"\x80\x03", "a Python pickle", CONVERT_HINT),
    (b"\x80\x04", "a Python pickle", CONVERT_HINT),
    (b"\x80\x05", "a Python pickle", CONVERT_HINT),
    (b"lmgg", "a model in ggml's old format", "convert the model again to GGUF"),
    (b"tjgg", "a model in ggml's old format", "convert the model again to GGUF"),
    (b"fmgg", "a model in ggml's old format", "convert the model again to GGUF"),
    (b"FUGG", "a big-endian GGUF file", "download the little-endian one"),
    (b"ftrt", "a TensorRT engine", PLAIN_TYPE_HINT),
    (b"ptrt", "a TensorRT engine", PLAIN_TYPE_HINT),
)
# Models for other programs, by file extension.
_FOREIGN_ENDINGS: dict[str, str] = {
    ".onnx": "an ONNX model",
    ".engine": "a TensorRT engine",
    ".plan": "a TensorRT engine",
    ".trt": "a TensorRT engine",
    ".mlmodel": "a Core ML model",
    ".mlmodelc": "a Core ML model",
    ".mlpackage": "a Core ML model",
    ".tflite": "a TensorFlow Lite model",
    ".xml": "an OpenVINO model",
}
_WEB_PAGE_STARTS = (b"<!doctype", b"<html", b"<head")
_WEB_PAGE_HINT = "download the file itself, not the page about it"
_MODEL_HINT = "a model file is GGUF, safetensors or a PyTorch checkpoint (.ckpt)"


def read_model_header(path: Path, *, label: str = "") -> ModelHeader:
    """Read the header of a GGUF, safetensors or PyTorch file on this machine.

    At most 128 MiB are read, whatever the file claims. Pipes and devices are never opened.

    Args:
        path: Path of the file.
        label: Name of the file in messages; its path if empty.

    Raises:
        ModelNotFoundError: The file does not exist.
        ModelFileError: The file cannot be read, is damaged, truncated or not a model file, or would
            crash the engine.
    """
    label = label or str(path)
    with LocalFile(path, label) as source:
        return read_header(source)


def read_header(source: ByteSource, *, brief: bool = False) -> ModelHeader:
    """Read the header of a GGUF, safetensors or PyTorch file from any source.

    Args:
        source: Bytes of the file.
        brief: Stop at the vocabulary of a text model; see
            :func:`gpustack_draw.headers.gguf.read_gguf_header`.

    Raises:
        ModelFileError: See :func:`read_model_header`.
    """
    start = source.read(0, 512)
    if start[:4] == GGUF_MAGIC:
        return read_gguf_header(source, brief=brief)
    if start.startswith(ZIP_MAGIC):
        return read_zip_checkpoint(source)
    if is_legacy_checkpoint(start):
        return read_legacy_checkpoint(source)
    for magic, description, hint in _FOREIGN:
        if start.startswith(magic):
            raise ModelFileError(
                f"{quoted(source.label)} is {description}", hint=hint or _MODEL_HINT
            )
    if looks_like_safetensors(start, source.size):
        return read_safetensors_header(source)
    if start.lstrip().lower().startswith(_WEB_PAGE_STARTS):
        raise ModelFileError(f"{quoted(source.label)} is a web page", hint=_WEB_PAGE_HINT)
    if model_format := foreign_format(source.label):
        raise ModelFileError(f"{quoted(source.label)} is {model_format}", hint=PLAIN_TYPE_HINT)
    if not start:
        raise ModelFileError(f"{quoted(source.label)} is empty", hint="download or copy it again")
    if not start.strip(b"\0"):
        problem = "starts with zeros only, as an unfinished download does"
    elif all(byte >= 32 or byte in b"\t\n\r\f" for byte in start):
        problem = "is text, not a model file"
    else:
        problem = "is not a model file"
    raise ModelFileError(f"{quoted(source.label)} {problem}", hint=_MODEL_HINT)


def read_numbers(path: Path, tensors: Iterable[TensorInfo], *, label: str = "") -> dict[str, float]:
    """Read the first number of tensors of a file on this machine.

    Args:
        path: Path of the file.
        tensors: Tensors of its header. Integers, and tensors at unknown offsets, are left out.
        label: Name of the file in messages; its path if empty.

    Raises:
        ModelNotFoundError: The file does not exist.
        ModelFileError: The file cannot be read, or has become shorter.
    """
    label = label or str(path)
    numbers = {}
    with LocalFile(path, label) as source:
        for tensor in tensors:
            if tensor.offset is None or tensor.type not in _NUMBERS:
                continue
            layout, size = _NUMBERS[tensor.type]
            data = source.read(tensor.offset, size)
            if len(data) < size:
                raise truncated(label, source.size, tensor.offset + size)
            (numbers[tensor.name],) = struct.unpack(
                layout, data.rjust(struct.calcsize(layout), b"\0")
            )
    return numbers


def foreign_format(name: str) -> str:
    """Return the foreign model format of a file extension, with its article; empty if none."""
    return _FOREIGN_ENDINGS.get(Path(name).suffix.lower(), "")


class LocalFile:
    """A regular file of this machine, opened for reading; a context manager.

    Attributes:
        path: Path of the file.
        label: Name of the file in messages.
        size: Size in bytes, once it is open.
    """

    chunk_bytes = 1024 * 1024

    def __init__(self, path: Path, label: str) -> None:
        """Create a closed file."""
        self.path = path
        self.label = label
        self.size = 0
        self._file: BinaryIO | None = None

    def __enter__(self) -> "LocalFile":  # noqa: PYI034 - typing.Self is from Python 3.11 on
        """Open the file.

        Raises:
            ModelNotFoundError: It does not exist.
            ModelFileError: It cannot be read, or is no regular file.
        """
        try:
            # Check before opening: opening a pipe blocks.
            _check_regular(self.path.stat(), self.label)
            flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
            self._file = os.fdopen(os.open(self.path, flags), "rb", buffering=0)
            status = os.fstat(self._file.fileno())
            _check_regular(status, self.label)  # the file may have been replaced
            self.size = status.st_size
        except (FileNotFoundError, NotADirectoryError):
            hint = "check the path"
            if self.label != self.label.strip():
                hint = "check the path: it starts or ends with a blank"
            raise ModelNotFoundError(f"there is no file {quoted(self.label)}", hint=hint) from None
        except PermissionError:
            raise ModelFileError(
                f"{quoted(self.label)} cannot be read: permission denied",
                hint="check the permissions of the file and its folder",
            ) from None
        except (OSError, ValueError) as error:
            self.__exit__(None, None, None)
            reason = getattr(error, "strerror", None) or str(error)
            raise ModelFileError(
                f"{quoted(self.label)} cannot be read: {reason.lower()}", hint="check the path"
            ) from None
        except ModelFileError:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def read(self, offset: int, length: int) -> bytes:
        """Read ``length`` bytes from ``offset``; fewer only at the end of the file."""
        assert self._file is not None
        try:
            self._file.seek(offset)
            data = self._file.read(length)
            while len(data) < length and (more := self._file.read(length - len(data))):
                data += more
        except OSError as error:
            raise ModelFileError(
                f"{quoted(self.label)} cannot be read: {(error.strerror or str(error)).lower()}",
                hint="check the disk",
            ) from None
        return data


def _check_regular(status: os.stat_result, label: str) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise ModelFileError(f"{quoted(label)} is a folder, not a file", hint="name a file in it")
    if not stat.S_ISREG(status.st_mode):
        raise ModelFileError(
            f"{quoted(label)} is {_file_type(status.st_mode)}, not a file",
            hint="copy the model to a file",
        )


def _file_type(mode: int) -> str:
    for is_type, name in (
        (stat.S_ISFIFO, "a pipe"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISCHR, "a device"),
        (stat.S_ISBLK, "a device"),
    ):
        if is_type(mode):
            return name
    return "a special file"
