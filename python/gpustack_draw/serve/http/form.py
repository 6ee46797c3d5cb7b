"""Forms with files (``multipart/form-data``), parsed within limits."""

from collections.abc import Callable
from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from gpustack_draw.errors import quoted
from gpustack_draw.serve.http.errors import HttpError

MAX_FILES = 20
MAX_FIELDS = 200
MAX_FIELD_BYTES = 256 * 1024
_MAX_HEADER_BYTES = 8 * 1024  # of all headers of one part
_MAX_NAME_LENGTH = 200
_CHUNK_BYTES = 256 * 1024

FormPart = tuple[str, str | bytes]


def parse_form(content_type: str, body: bytes) -> tuple[FormPart, ...]:
    """Parse a form.

    Args:
        content_type: The Content-Type header, with the boundary.
        body: The whole body; the caller limits its length.

    Returns:
        Name and content of each part, in their order; a part with a file name is bytes, another one
        text. The file names are not returned: nothing may depend on them.

    Raises:
        HttpError: 400, it is invalid or has too many or too large parts.
    """
    boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
    if not boundary:
        raise HttpError(400, "the Content-Type of the form has no boundary")
    reader = _Reader()
    try:
        parser = MultipartParser(boundary, reader.callbacks())  # type: ignore[arg-type]
        for start in range(0, len(body), _CHUNK_BYTES):
            parser.write(body[start : start + _CHUNK_BYTES])
        parser.finalize()
    except FormParserError:
        raise HttpError(400, "the body is not a valid form") from None
    if not reader.is_complete:
        raise HttpError(400, "the form is not complete")
    return tuple(reader.parts)


class _Reader:
    """Receives the parser's callbacks.

    Attributes:
        parts: Name and content of each part.
        is_complete: Whether the last boundary was read.
    """

    def __init__(self) -> None:
        self.parts: list[FormPart] = []
        self.is_complete = False
        self._disposition = bytearray()
        self._header_name = bytearray()
        self._header_bytes = 0
        self._name = ""
        self._is_file = False
        self._counts = {True: 0, False: 0}  # of files, and of other fields
        self._data = bytearray()

    def callbacks(self) -> dict[str, Callable[..., Any]]:
        """Return the callbacks by the parser's names."""
        return {
            "on_part_begin": self._begin_part,
            "on_header_field": self._read_header_name,
            "on_header_value": self._read_header_value,
            "on_header_end": self._header_name.clear,
            "on_headers_finished": self._end_headers,
            "on_part_data": self._read_data,
            "on_part_end": self._end_part,
            "on_end": self._end,
        }

    def _begin_part(self) -> None:
        self._disposition.clear()
        self._header_bytes = 0
        self._data.clear()

    def _read_header_name(self, data: bytes, start: int, end: int) -> None:
        self._count_header(end - start)
        self._header_name += data[start:end]

    def _read_header_value(self, data: bytes, start: int, end: int) -> None:
        self._count_header(end - start)
        if self._header_name.lower() == b"content-disposition":
            self._disposition += data[start:end]

    def _count_header(self, count: int) -> None:
        self._header_bytes += count
        if self._header_bytes > _MAX_HEADER_BYTES:
            raise HttpError(
                400, f"a part of the form has more than {_MAX_HEADER_BYTES} bytes of headers"
            )

    def _end_headers(self) -> None:
        kind, options = parse_options_header(bytes(self._disposition))
        if kind != b"form-data" or not options.get(b"name"):
            raise HttpError(400, "a part of the form has no name")
        self._name = _text(options[b"name"], "a name")
        if len(self._name) > _MAX_NAME_LENGTH:
            raise HttpError(400, f"a name in the form has more than {_MAX_NAME_LENGTH} characters")
        self._is_file = b"filename" in options
        self._counts[self._is_file] += 1
        word, limit = ("files", MAX_FILES) if self._is_file else ("fields", MAX_FIELDS)
        if self._counts[self._is_file] > limit:
            raise HttpError(400, f"the form has more than {limit} {word}")

    def _read_data(self, data: bytes, start: int, end: int) -> None:
        self._data += data[start:end]
        if not self._is_file and len(self._data) > MAX_FIELD_BYTES:
            raise HttpError(
                400,
                f"{quoted(self._name)} has more than {MAX_FIELD_BYTES} bytes",
                hint="send a picture as a file, with a file name",
                param=self._name,
            )

    def _end_part(self) -> None:
        data = bytes(self._data)
        content = data if self._is_file else _text(data, quoted(self._name))
        self.parts.append((self._name, content))

    def _end(self) -> None:
        self.is_complete = True


def _text(data: bytes, label: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise HttpError(400, f"{label} in the form is not UTF-8 text") from None
