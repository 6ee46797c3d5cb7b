"""What a GPUStack server answers to a request for a picture: steps, the picture, errors.

Two forms: a stream of events of llama-box, which GPUStack 0.x passes on line by line, and one JSON
object, which everything else sends. Nothing here asks a server.
"""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gpustack_draw.untrusted import clean, parse_json

_MOST_WORDS = 10_000  # characters that are looked at of what a server says
# "Worker request failed: 1 POST http://... status=400, error={...}": how 2.3 wraps what a backend
# answered (gpustack/server/worker_request.py).
_WRAPPED = re.compile(r"Worker request failed: .*?status=(\d{3}), error=(.*)", re.DOTALL)


@dataclass(frozen=True)
class Step:
    """How far a backend has come with a picture."""

    done: int
    total: int


class ReplyError(Exception):
    """An answer that is no picture.

    Attributes:
        kind: ``refused`` (an error in the server's words), ``no picture`` (it ended without one),
            ``broken picture``, ``too large`` (a picture), ``not json`` or ``too long``.
        words: The server's; empty where it said none.
        status: The HTTP status that goes with it, 0 where there is none.
    """

    def __init__(self, kind: str, words: str = "", status: int = 0) -> None:
        """Keep what happened."""
        super().__init__(f"{kind}: {words}")
        self.kind = kind
        self.words = words
        self.status = status

    def without(self, secret: str) -> "ReplyError":
        """Give the same without a key that a server has repeated."""
        words = self.words.replace(secret, "***") if secret else self.words
        return ReplyError(self.kind, words, self.status)


class StreamReader:
    """Reads a stream of events, in pieces of any size.

    GPUStack 0.x sends each line of a backend on by itself, so an event's name comes apart from its
    data, and an error of its own comes as a bare line of JSON: what counts is the JSON, wherever
    it stands.
    """

    def __init__(self, limit: int) -> None:
        """Prepare to read.

        Args:
            limit: The most bytes a line, or a picture, can have.
        """
        self.events = 0
        self.is_complete = False
        self._limit = limit
        self._bytes = 0
        self._line = bytearray()
        self._parts: list[str] = []
        self._part_bytes = 0

    def feed(self, piece: bytes) -> Iterator[Step]:
        """Read a piece of the stream, and give the steps it tells of.

        Raises:
            ReplyError: The stream tells of an error, or is none.
        """
        self._bytes += len(piece)
        if self._bytes > 2 * self._limit:  # steps, and a picture
            raise ReplyError("too long")
        # Only the new piece is searched: a picture is one line of megabytes.
        *ends, rest = piece.split(b"\n")
        for end in ends:
            self._line += end
            line, self._line = bytes(self._line), bytearray()
            yield from self._read_line(line)
        self._line += rest
        if len(self._line) > self._limit:
            raise ReplyError("too long")

    def finish(self) -> bytes:
        """Give the picture's file, once the stream has ended.

        Raises:
            ReplyError: There was none, or it is broken.
        """
        if self._line:
            line, self._line = bytes(self._line), bytearray()
            try:
                list(self._read_line(line))
            except ReplyError as error:
                if error.kind != "not json":  # half a line: the stream broke off
                    raise
        if not self._parts:
            raise ReplyError("no picture")
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
            raise refusal({"error": error})
        if name == b"error":
            raise refusal(event)
        item = _first_item(event)
        if item is None:
            return
        yield from self._read_item(item)

    def _read_item(self, item: Mapping[str, Any]) -> Iterator[Step]:
        done, total = item.get("progressed_steps"), item.get("progress_steps")
        if isinstance(done, int) and isinstance(total, int) and 0 <= done <= total <= 1_000_000:
            yield Step(done, total)
        reason = item.get("finish_reason")
        if reason is None:
            return  # its picture, if there is one, is a preview
        if reason != "stop":
            raise ReplyError("refused", clean(f"the drawing ended with '{reason}'"))
        text = item.get("b64_json")
        if isinstance(text, str) and text:
            # A picture may come in several parts; all of them are final, and the last says 100 %.
            self._part_bytes += len(text)
            if self._part_bytes > self._limit:
                raise ReplyError("too long")
            self._parts.append(text)
            progress = item.get("progress", 100)
            self.is_complete = isinstance(progress, int | float) and progress >= 100


def picture_of(body: bytes) -> bytes:
    """Give the picture's file of an answer that is one JSON object.

    Raises:
        ReplyError: It holds an error, no picture or a broken one, or is no JSON.
    """
    answer = parse_object(body)
    if "data" not in answer and ({"error", "detail", "message"} & set(answer)):
        raise refusal(answer)
    item = _first_item(answer)
    text = item.get("b64_json") if item else None
    if item and not text and str(item.get("url") or "").startswith("data:"):
        text = str(item["url"])
    if not isinstance(text, str) or not text:
        raise ReplyError("no picture")
    return decode_picture(text)


def decode_picture(text: str) -> bytes:
    """Decode base64, also with ``data:image/png;base64,`` in front.

    Raises:
        ReplyError: It is none.
    """
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise ReplyError("broken picture", "it is not base64") from None


def parse_object(data: bytes) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        ReplyError: It is none.
    """
    try:
        value = parse_json(data)
    except ValueError:
        raise ReplyError("not json") from None  # unquoted: it may be half of a picture
    if not isinstance(value, dict):
        raise ReplyError("not json")
    return value


def refusal(answer: Mapping[str, Any], status: int = 0) -> ReplyError:
    """Read an error that a server has put into JSON, in any of the shapes there are.

    ``{"error": {"message": ..., "code": ...}}`` (the images API), ``{"message": ...}`` (GPUStack's
    own), ``{"detail": ...}`` with text or FastAPI's list (the backends).

    Args:
        answer: The JSON object.
        status: The HTTP status it came with.
    """
    error = answer.get("error")
    said = error if error is not None else answer
    if isinstance(said, dict):
        status = status or _status_of(said.get("code"))
        said = said.get("message") or said.get("detail") or answer.get("detail") or ""
    if isinstance(said, list):
        said = "; ".join(_list_item(item) for item in said[:5])
    words = str(said)[:_MOST_WORDS]
    if wrapped := _WRAPPED.search(words):
        inner = wrapped[2]
        try:
            return refusal(parse_object(inner.strip().encode()), int(wrapped[1]))
        except ReplyError:
            return ReplyError("refused", clean(inner), int(wrapped[1]))
    return ReplyError("refused", clean(words), status)


def refusal_of(body: bytes, content_type: str, status: int) -> ReplyError:
    """Read the body of an answer with a status of 400 or more.

    Args:
        body: Its beginning.
        content_type: As told.
        status: Its status.
    """
    try:
        return refusal(parse_object(body), status)
    except ReplyError:
        if "html" in content_type or body.lstrip()[:1] == b"<":
            return ReplyError("refused", "", status)  # a page says nothing to people here
        return ReplyError("refused", clean(body.decode(errors="replace")), status)


def _status_of(code: object) -> int:
    return code if isinstance(code, int) and 100 <= code <= 599 else 0


def _list_item(item: object) -> str:
    if not isinstance(item, dict):
        return str(item)
    place = item.get("loc")
    names = [str(each) for each in place if each != "body"] if isinstance(place, list) else []
    return f"{'.'.join(names)}: {item.get('msg', '')}" if names else str(item.get("msg", item))


def _first_item(answer: Mapping[str, Any]) -> Mapping[str, Any] | None:
    data = answer.get("data")
    if isinstance(data, list) and data and isinstance(data[0], dict):
        return data[0]
    return None
