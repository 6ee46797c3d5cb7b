"""Parses multipart/form-data strictly (RFC 7578), and checks pictures as backends do."""

import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from PIL import Image

_DISPOSITION = re.compile(r'form-data; name="([^"\\]+)"(?:; filename="([^"\\]+)")?')


@dataclass(frozen=True)
class FormPart:
    """A part of a form; a value has no file name."""

    name: str
    content: bytes
    file_name: str = ""
    content_type: str = ""


def parse_form(content_type: str, body: bytes) -> list[FormPart]:
    """Return the parts of a form.

    Raises:
        ValueError: It is not a form.
    """
    media_type, _, boundary = content_type.partition("; boundary=")
    if media_type != "multipart/form-data" or not 1 <= len(boundary) <= 70:
        raise ValueError(f"not a form: {content_type}")
    first, *parts, last = (b"\r\n" + body).split(f"\r\n--{boundary}".encode())
    if first or last != b"--\r\n":
        raise ValueError("the form does not begin and end with its boundary")
    return list(_parts(parts))


def _parts(parts: list[bytes]) -> Iterator[FormPart]:
    for part in parts:
        head, separator, content = part.partition(b"\r\n\r\n")
        if not separator or not head.startswith(b"\r\n"):
            raise ValueError("a part has no headers")
        headers = dict(line.split(": ", 1) for line in head[2:].decode("ascii").split("\r\n"))
        match = _DISPOSITION.fullmatch(headers.pop("Content-Disposition"))
        if match is None:
            raise ValueError("a part has no name")
        name, file_name = match[1], match[2] or ""
        yield FormPart(name, content, file_name, headers.pop("Content-Type", ""))
        if headers:
            raise ValueError(f"a part has other headers: {headers}")


def edit_problem(values: dict[str, str], files: list[FormPart], *, is_llama_box: bool) -> str:
    """Return what a backend refuses about a form with pictures; empty for nothing.

    Raises:
        OSError: A picture is damaged.
    """
    names = ("image",) if is_llama_box else ("image", "image[]", "image[0]", "control_image")
    images = [_open_image(part) for part in files if part.name in names]
    if not images:
        return 'Illegal param: "image" is required'
    return _llama_box_problem(values, images[0]) if is_llama_box else ""


def edit_body(values: dict[str, str]) -> dict[str, Any]:
    """Return the values of a form as an object for text to image holds them."""
    numbers = {name: float(values[name]) for name in ("cfg_scale", "strength") if name in values}
    whole = {name: int(values[name]) for name in ("seed", "sample_steps") if name in values}
    texts = ("stream_options", "loras")
    objects = {name: json.loads(values[name]) for name in texts if name in values}
    stream = values.get("stream") == "true"
    return {**values, **numbers, **whole, **objects, "stream": stream}


def _open_image(part: FormPart) -> Image.Image:
    image = Image.open(io.BytesIO(part.content))
    image.load()
    return image


def _llama_box_problem(values: dict[str, str], image: Image.Image) -> str:
    width, height = map(int, values["size"].split("x"))
    if width % 64 or height % 64:
        return 'Illegal param: width and height of "size" must be multiples of 64'
    if min(width, height) < 256:
        return 'Illegal param: width and height of "size" must be at least 256'
    if image.mode not in {"RGB", "RGBA"}:
        return 'Illegal param: "image" must be a valid RGB image'
    if "sampler" in values and "sample_steps" not in values:
        return "llama-box reads beyond its fields and crashes"
    return ""
