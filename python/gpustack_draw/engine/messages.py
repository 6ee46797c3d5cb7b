"""Messages between the calling process and the engine's process, over two pipes.

A message is a line of JSON, followed by ``payload_bytes`` raw bytes, such as pixels, which are thus
neither encoded nor copied one by one.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any

from gpustack_draw import errors
from gpustack_draw.phrases import Argument, Phrase


@dataclass(frozen=True)
class Message:
    """A message that has been read.

    Attributes:
        name: Name of the message, such as ``draw`` or ``progress``.
        fields: Values that JSON can represent, by name.
        payload: Raw bytes after the JSON; empty for most messages.
    """

    name: str
    fields: Mapping[str, Any]
    payload: bytearray


def write_message(
    stream: IO[bytes], name: str, *, payload: Sequence[memoryview] = (), **fields: object
) -> None:
    """Write a message and flush the stream.

    Args:
        stream: A binary stream whose ``write`` is complete, not partial.
        name: Name of the message.
        payload: Raw bytes to append one after another, C-contiguous, of any shape.
        fields: Values of the message, by name.

    Raises:
        OSError: The other process has closed its end.
    """
    payload_bytes = sum(buffer.nbytes for buffer in payload)
    header = {"name": name, "payload_bytes": payload_bytes, "fields": fields}
    stream.write(json.dumps(header).encode() + b"\n")
    for buffer in payload:
        stream.write(buffer.cast("B"))
    stream.flush()


def read_message(stream: IO[bytes]) -> Message | None:
    """Wait for the next message and read it.

    Args:
        stream: A buffered binary stream.

    Returns:
        The message, or None if the other process has closed its end, even in the middle of a
        message.
    """
    line = stream.readline()
    if not line.endswith(b"\n"):
        return None
    header = json.loads(line)
    payload = bytearray(header["payload_bytes"])
    received = 0
    with memoryview(payload) as view:
        while received < len(payload):
            count = stream.readinto(view[received:])  # type: ignore[attr-defined]
            if not count:
                return None
            received += count
    return Message(header["name"], header["fields"], payload)


def error_fields(error: errors.DrawError) -> dict[str, Any]:
    """Return the fields of a message that carries an error; see :func:`read_error`."""
    return {
        "error": type(error).__name__,
        "message": _pieces(error.message),
        "hint": _pieces(error.hint),
        "argument": error.argument,
    }


def read_error(fields: Mapping[str, Any]) -> errors.DrawError:
    """Return the error that a message carries."""
    error: errors.DrawError = getattr(errors, fields["error"])(
        _join(fields["message"]), hint=_join(fields["hint"]), argument=fields["argument"]
    )
    return error


def _pieces(text: str) -> list[Any]:
    """Return a text as values of JSON: plain pieces, and pairs of an argument and its value."""
    pieces = text.pieces if isinstance(text, Phrase) else (text,)
    return [
        (piece.name, piece.source) if isinstance(piece, Argument) else piece for piece in pieces
    ]


def _join(pieces: list[Any]) -> Phrase:
    return Phrase(*(piece if isinstance(piece, str) else Argument(*piece) for piece in pieces))
