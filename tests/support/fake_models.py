"""The state of the loopback GPUStack server: pictures, models, faults, received requests."""

import io
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from form_data import FormPart
from PIL import Image
from PIL.PngImagePlugin import PngInfo


def png(width: int = 64, height: int = 64, *, text: str = "", noise: bool = False) -> bytes:
    """Return a PNG file; noise increases its size to more than 3 bytes per pixel."""
    pixels = os.urandom(width * height * 3)
    image = Image.frombytes("RGB", (width, height), pixels)
    chunks = PngInfo()
    if text:
        chunks.add_text("parameters", text)
    file = io.BytesIO()
    image.save(file, format="PNG", pnginfo=chunks, compress_level=0 if noise else 1)
    return file.getvalue()


def blank_png(width: int, height: int) -> bytes:
    """Return a PNG file of a few bytes for a picture of any size."""
    file = io.BytesIO()
    Image.new("1", (width, height)).save(file, format="PNG")
    return file.getvalue()


def plain_png(width: int, height: int, color: tuple[int, int, int]) -> bytes:
    """Return a PNG file of one color."""
    file = io.BytesIO()
    Image.new("RGB", (width, height), color).save(file, format="PNG")
    return file.getvalue()


@dataclass
class FakeModel:
    """A model of the server; one that is not running is listed to administrators only."""

    name: str
    categories: Sequence[str] = ("image",)
    meta: Mapping[str, Any] = field(default_factory=dict)
    running: bool = True
    hidden: bool = False  # from users who are not administrators: a key can be for some models only
    instances: list[dict[str, Any]] = field(default_factory=list)
    more: Mapping[str, Any] = field(default_factory=dict)
    number: int = 0


@dataclass
class Fault:
    """A fault of the next requests for a path.

    Attributes:
        path: Substring of the request's path.
        status: Status of the substituted response, with ``body``; 0 for the normal response.
        cut: Number of events of a stream, or bytes of an object, before the connection closes.
        piece: Number of bytes that are sent at once.
        seconds: Pause before each step, or before the response.
        lines: Replacement for the stream's lines.
        picture: Replacement for the picture's file.
        until: Event to wait for before the response.
        unread: Whether the substituted response is sent before the request's body is read.
    """

    path: str
    status: int = 0
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    cut: int | None = None
    piece: int = 0
    seconds: float = 0.0
    lines: Sequence[bytes] | None = None
    picture: bytes | None = None
    raw: bytes = b""
    until: threading.Event | None = None
    unread: bool = False
    times: int = 1_000_000


@dataclass
class Request:
    method: str
    path: str
    query: dict[str, str]
    headers: Mapping[str, str]
    body: Any
    parts: Sequence[FormPart] = ()  # files of a form, whose values are the body
