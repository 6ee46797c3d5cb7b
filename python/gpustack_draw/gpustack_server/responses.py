"""Parses the body of a server's response: steps, the picture, errors.

A picture arrives in one of two forms: as an event stream of llama-box, which GPUStack 0.x forwards
line by line, or as one JSON object from every other backend.
"""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from gpustack_draw.untrusted import clean, parse_json

_MAX_MESSAGE_LENGTH = 10_000
_MAX_STEPS = 1_000_000
# GPUStack 2.3 wraps a backend's error: "Worker request failed: 1 POST http://... status=400,
# error={...}" (gpustack/server/worker_request.py).
_WRAPPED = re.compile(r"Worker request failed: .*?status=(\d{3}), error=(.*)", re.DOTALL)


@dataclass(frozen=True)
class Step:
    """A backend's progress with a picture, in sampling steps."""

    done: int
    total: int


ResponseProblem = Literal[
    "refused",
    "no picture",
    "broken picture",
    "too large",
    "not json",
    "too long",
]


class ResponseError(Exception):
    """A response without the expected content.

    Attributes:
        problem: ``refused`` (the server sent an error), ``no picture``, ``broken picture``, ``too
            large`` (the picture), ``not json`` or ``too long``.
        message: The server's error message, or a description of the problem; may be empty.
        status: HTTP status of the error, 0 if unknown.
    """

    def __init__(self, problem: ResponseProblem, message: str = "", status: int = 0) -> None:
        """Create the error."""
        super().__init__(f"{problem}: {message}")
        self.problem: ResponseProblem = problem
        self.message = message
        self.status = status

    def without(self, secret: str) -> "ResponseError":
        """Return the same error with a secret masked in its message."""
        message = self.message.replace(secret, "***") if secret else self.message
        return ResponseError(self.problem, message, self.status)


class StreamReader:
    """Incremental parser of an event stream.

    GPUStack 0.x forwards each line separately, so an event's name can be separated from its data,
    and sends its own errors as bare lines of JSON. Therefore every line with JSON counts.

    Attributes:
        events: Number of events read.
        is_complete: Whether the last part of the picture has arrived.
    """

    def __init__(self, limit: int) -> None:
        """Start at the beginning of a stream.

        Args:
            limit: Maximum bytes of a line and of the encoded picture.
        """
        self.events = 0
        self.is_complete = False
        self._limit = limit
        self._bytes = 0
        self._line = bytearray()
        self._parts: list[str] = []
        self._part_bytes = 0

    def feed(self, piece: bytes) -> Iterator[Step]:
        """Parse a piece of the stream, of any size, and yield its steps.

        Raises:
            ResponseError: The stream contains an error, or is invalid.
        """
        self._bytes += len(piece)
        if self._bytes > 2 * self._limit:  # the picture, and as much for steps
            raise ResponseError("too long")
        # A picture is one line of megabytes: search only the new piece for line ends.
        *ends, rest = piece.split(b"\n")
        for end in ends:
            self._line += end
            line, self._line = bytes(self._line), bytearray()
            yield from self._read_line(line)
        self._line += rest
        if len(self._line) > self._limit:
            raise ResponseError("too long")

    def finish(self) -> bytes:
        """Return the picture's file, once the stream has ended.

        Raises:
            ResponseError: The picture is missing or damaged.
        """
        if self._line:
            line, self._line = bytes(self._line), bytearray()
            try:
                list(self._read_line(line))
            except ResponseError as error:
                if error.problem != "not json":  # the stream ended within a line
                    raise
        if not self._parts:
            raise ResponseError("no picture")
        return decode_picture("".join(self._parts))

    def _read_line(self, line: bytes) -> Iterator[Step]:
        stripped = line.strip()
        name, colon, data = stripped.partition(b":")
        if stripped.startswith(b"{"):
            name, data = b"data", stripped
        else:
            data = data.strip()
            if not colon or name not in {b"data", b"error"} or data in {b"", b"[DONE]"}:
                return
        event = parse_object(data)
        self.events += 1
        if error := event.get("error") or (not event.get("data") and event.get("detail")):
            raise parse_error_object({"error": error})
        if name == b"error":
            raise parse_error_object(event)
        item = _first_item(event)
        if item is None:
            return
        yield from self._read_item(item)

    def _read_item(self, item: Mapping[str, Any]) -> Iterator[Step]:
        done, total = item.get("progressed_steps"), item.get("progress_steps")
        if isinstance(done, int) and isinstance(total, int) and 0 <= done <= total <= _MAX_STEPS:
            yield Step(done, total)
        reason = item.get("finish_reason")
        if reason is None:
            return  # a picture without a finish reason is a preview
        if reason != "stop":
            raise ResponseError("refused", clean(f"the drawing ended with '{reason}'"))
        text = item.get("b64_json")
        if isinstance(text, str) and text:
            # A picture may come in several parts with the same finish reason; the last one has a
            # progress of 100 %.
            self._part_bytes += len(text)
            if self._part_bytes > self._limit:
                raise ResponseError("too long")
            self._parts.append(text)
            progress = item.get("progress", 100)
            self.is_complete = isinstance(progress, int | float) and progress >= 100


def parse_picture(body: bytes) -> bytes:
    """Return the picture's file from a response that is one JSON object.

    Raises:
        ResponseError: The response is an error or not JSON, or its picture is missing or damaged.
    """
    response = parse_object(body)
    if "data" not in response and ({"error", "detail", "message"} & set(response)):
        raise parse_error_object(response)
    item = _first_item(response)
    text = item.get("b64_json") if item else None
    if item and not text and str(item.get("url") or "").startswith("data:"):
        text = str(item["url"])
    if not isinstance(text, str) or not text:
        raise ResponseError("no picture")
    return decode_picture(text)


def decode_picture(text: str) -> bytes:
    """Decode base64, optionally as a data URL.

    Raises:
        ResponseError: The text is not base64.
    """
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise ResponseError("broken picture", "it is not base64") from None


def parse_object(data: bytes) -> dict[str, Any]:
    """Parse a JSON object.

    Raises:
        ResponseError: The data is not a JSON object.
    """
    try:
        value = parse_json(data)
    except ValueError:
        raise ResponseError("not json") from None  # without the data, which may be a picture
    if not isinstance(value, dict):
        raise ResponseError("not json")
    return value


def parse_error_object(response: Mapping[str, Any], status: int = 0) -> ResponseError:
    """Parse a server's error.

    Known shapes are ``{"error": {"message": ..., "code": ...}}`` (images API), ``{"message": ...}``
    (GPUStack) and ``{"detail": ...}`` with text or FastAPI's list (backends).

    Args:
        response: The JSON object.
        status: The response's HTTP status; 0 to use the one in the object.
    """
    error = response.get("error")
    content = error if error is not None else response
    if isinstance(content, dict):
        status = status or _status_of(content.get("code"))
        content = content.get("message") or content.get("detail") or response.get("detail") or ""
    if isinstance(content, list):
        content = "; ".join(_list_item(item) for item in content[:5])
    message = str(content)[:_MAX_MESSAGE_LENGTH]
    if wrapped := _WRAPPED.search(message):
        inner = wrapped[2]
        try:
            return parse_error_object(parse_object(inner.strip().encode()), int(wrapped[1]))
        except ResponseError:
            return ResponseError("refused", clean(inner), int(wrapped[1]))
    return ResponseError("refused", clean(message), status)


def parse_error_body(body: bytes, content_type: str, status: int) -> ResponseError:
    """Parse the error in a body; HTML pages have no message.

    Args:
        body: The beginning of the body.
        content_type: Its media type.
        status: HTTP status, 300 or more.
    """
    try:
        return parse_error_object(parse_object(body), status)
    except ResponseError:
        if "html" in content_type or body.lstrip()[:1] == b"<":
            return ResponseError("refused", "", status)
        return ResponseError("refused", clean(body.decode(errors="replace")), status)


def _status_of(code: object) -> int:
    return code if isinstance(code, int) and 100 <= code <= 599 else 0


def _list_item(item: object) -> str:
    if not isinstance(item, dict):
        return str(item)
    location = item.get("loc")
    names = [str(each) for each in location if each != "body"] if isinstance(location, list) else []
    return f"{'.'.join(names)}: {item.get('msg', '')}" if names else str(item.get("msg", item))


def _first_item(response: Mapping[str, Any]) -> Mapping[str, Any] | None:
    data = response.get("data")
    if isinstance(data, list) and data and isinstance(data[0], dict):
        return data[0]
    return None
