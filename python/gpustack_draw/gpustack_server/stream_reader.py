"""Incremental parser of event streams with a picture.

Two kinds of events are read: those of llama-box, the backend of GPUStack 0.x, and those of OpenAI's
images API, which gpustack-draw's own server sends.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from gpustack_draw.gpustack_server.reply import (
    Preview,
    Reply,
    Step,
    decode_picture,
    first_item,
    parse_step,
    reported_values,
)
from gpustack_draw.gpustack_server.responses import (
    ResponseError,
    parse_error_object,
    parse_object,
)
from gpustack_draw.progress.progress import PHASES
from gpustack_draw.untrusted import clean

# OpenAI's events: image_generation.completed, image_edit.partial_image, ...
_KINDS = ("image_generation", "image_edit")


class StreamReader:
    """Incremental parser of an event stream.

    GPUStack forwards each line separately, so an event's name can be separated from its data, and
    0.x sends its own errors as bare lines of JSON. Therefore every line with JSON counts.

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
        self._values: dict[str, Any] = {}

    def feed(self, piece: bytes) -> Iterator[Step | Preview]:
        """Parse a piece of the stream, of any size, and yield its steps and previews.

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

    def finish(self) -> Reply:
        """Return the finished picture, once the stream has ended.

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
        return Reply(decode_picture("".join(self._parts)), self._values)

    def _read_line(self, line: bytes) -> Iterator[Step | Preview]:
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
        kind, _, what = str(event.get("type") or "").partition(".")
        if kind in _KINDS:
            yield from self._read_openai_event(what, event, len(line))
        elif item := first_item(event):
            yield from self._read_item(event, item)

    def _read_openai_event(
        self, what: str, event: Mapping[str, Any], length: int
    ) -> Iterator[Step | Preview]:
        """Read an event of OpenAI's images API; unknown ones are skipped."""
        text = event.get("b64_json")
        has_picture = isinstance(text, str) and bool(text)
        if what == "progress":
            phase, total = event.get("phase", "sample"), event.get("steps")
            step = parse_step(event.get("step") if total else 0, total)
            if step is not None and phase in PHASES:
                yield Step(step.done, step.total, str(phase))
        elif what == "partial_image" and has_picture:
            self._bytes -= length  # only the timeout limits the number of previews
            yield Preview(decode_picture(str(text)))
        elif what == "completed" and has_picture:
            self._add_part(str(text), reported_values({}, event))
            self.is_complete = True

    def _read_item(self, event: Mapping[str, Any], item: Mapping[str, Any]) -> Iterator[Step]:
        """Read an event of llama-box."""
        step = parse_step(item.get("progressed_steps"), item.get("progress_steps"))
        if step is not None:
            yield step
        reason = item.get("finish_reason")
        if reason is None:
            return  # a picture without a finish reason is a preview
        if reason != "stop":
            raise ResponseError("refused", clean(f"the drawing ended with '{reason}'"))
        text = item.get("b64_json")
        if isinstance(text, str) and text:
            # A picture may come in several parts with the same finish reason; the last one has a
            # progress of 100 %.
            self._add_part(text, reported_values(event, item))
            progress = item.get("progress", 100)
            self.is_complete = isinstance(progress, int | float) and progress >= 100

    def _add_part(self, text: str, values: Mapping[str, Any]) -> None:
        self._part_bytes += len(text)
        if self._part_bytes > self._limit:
            raise ResponseError("too long")
        self._parts.append(text)
        self._values |= values
