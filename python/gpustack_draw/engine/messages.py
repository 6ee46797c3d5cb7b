"""What the caller's process and the engine's process say to each other, over two pipes.

A message is a line of JSON, then as many raw bytes as its ``payload_bytes`` says. Pictures travel
as such a payload: nobody copies them pixel by pixel.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any


@dataclass(frozen=True)
class Message:
    """One message.

    Attributes:
        kind: What it is about, such as ``draw`` or ``progress``.
        fields: Its values, anything JSON can say.
        payload: Raw bytes that belong to it.
    """

    kind: str
    fields: Mapping[str, Any]
    payload: bytearray


def write_message(
    stream: IO[bytes], kind: str, *, payload: memoryview | None = None, **fields: object
) -> None:
    """Write a message and flush it.

    Args:
        stream: A binary stream that writes everything it is given.
        kind: What it is about.
        payload: Bytes that belong to it, C-contiguous, of any shape.
        fields: Its values.

    Raises:
        OSError: The other side is gone.
    """
    payload_bytes = payload.nbytes if payload is not None else 0
    header = {"kind": kind, "payload_bytes": payload_bytes, "fields": fields}
    stream.write(json.dumps(header).encode() + b"\n")
    if payload is not None:
        stream.write(payload.cast("B"))
    stream.flush()


def read_message(stream: IO[bytes]) -> Message | None:
    """Read the next message, waiting for it.

    Args:
        stream: A buffered binary stream.

    Returns:
        The message, or None when the other side has closed its end, also amid a message.
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
    return Message(header["kind"], header["fields"], payload)
