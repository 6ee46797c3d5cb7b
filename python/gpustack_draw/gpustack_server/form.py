"""Bodies of type multipart/form-data (RFC 7578): values and pictures."""

import json
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from gpustack_draw.units import format_bytes


@dataclass(frozen=True)
class FormFile:
    """A PNG file in a form.

    Attributes:
        field: Name of its field.
        content: The file.
    """

    field: str
    content: bytes

    @property
    def name(self) -> str:
        """File name for the server, which derives from the field and never from the user's file."""
        return self.field.partition("[")[0] + ".png"


@dataclass(frozen=True)
class Form:
    """A form. The files are not copied, so that many requests can share them.

    Attributes:
        values: Text, numbers, truth values, lists and objects by the name of their field.
        files: The files, in order.
    """

    values: Mapping[str, Any]
    files: tuple[FormFile, ...]
    _boundary: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)

    @property
    def content_type(self) -> str:
        """Media type of the body."""
        return f"multipart/form-data; boundary={self._boundary}"

    def pieces(self) -> Iterator[bytes]:
        """Yield the pieces of the body."""
        for name, value in self.values.items():
            yield self._head(name) + b"\r\n" + _text(value).encode() + b"\r\n"
        for file in self.files:
            yield self._head(file.field, file.name) + b"Content-Type: image/png\r\n\r\n"
            yield file.content
            yield b"\r\n"
        yield f"--{self._boundary}--\r\n".encode()

    def describe(self) -> str:
        """Return the values, and the sizes of the files, for the log."""
        parts = [f"{name}={_text(value)}" for name, value in self.values.items()]
        parts += [f"{file.field}=({format_bytes(len(file.content))})" for file in self.files]
        return " ".join(parts)

    def _head(self, name: str, file_name: str = "") -> bytes:
        """Return the headers of a field; names are those of this program, which need no escapes."""
        file = f'; filename="{file_name}"' if file_name else ""
        disposition = f'Content-Disposition: form-data; name="{name}"{file}'
        return f"--{self._boundary}\r\n{disposition}\r\n".encode()


def _text(value: object) -> str:
    """Return a value as every backend reads it; lists and objects as JSON."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple | dict):
        return json.dumps(value)
    return str(value)
