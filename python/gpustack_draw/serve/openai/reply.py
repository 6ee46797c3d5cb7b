"""Replies with pictures, as JSON."""

import base64
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from gpustack_draw import DrawSettings, Picture, encode
from gpustack_draw.serve.openai.reply_options import ReplyOptions
from gpustack_draw.serve.png_file import png_file

# Values that every reply of OpenAI has. No model here counts tokens.
QUALITY = "auto"
BACKGROUND = "opaque"
USAGE = {
    "input_tokens": 0,
    "output_tokens": 0,
    "total_tokens": 0,
    "input_tokens_details": {"image_tokens": 0, "text_tokens": 0},
}
# The client knows its prompts, and each picture has a seed of its own.
_NOT_PARAMETERS = ("prompt", "negative_prompt", "seed")


def encoded_picture(picture: Picture, options: ReplyOptions) -> str:
    """Return the file of a picture, with its parameters, as base64; takes long."""
    if options.file_format == "png":
        file = png_file(picture)
    else:
        file = encode(picture, options.suffix, quality=options.quality)
    return base64.b64encode(file).decode("ascii")


def size_of(picture: Picture) -> str:
    """Return the size of a picture as requests have it, ``WIDTHxHEIGHT``."""
    return f"{picture.width}x{picture.height}"


def parameters_of(settings: DrawSettings) -> dict[str, Any]:
    """Return the settings of a drawing under the names of :class:`DrawSettings`.

    Without the prompts, the seed and values that are not used; a LoRA or an upscaling model of this
    machine keeps its name only, because paths are private.
    """
    values = asdict(settings)
    for name in _NOT_PARAMETERS:
        del values[name]
    for each in (*values["loras"], values["hires"] or {}):
        if not each.get("reference", "").startswith("hf.co/"):
            each.pop("reference", None)
    used: dict[str, Any] = _without_unused(values)
    return used


def _without_unused(value: Any) -> Any:
    if isinstance(value, dict):
        pairs = {name: _without_unused(each) for name, each in value.items()}
        return {name: each for name, each in pairs.items() if each not in (None, "", [])}
    return [_without_unused(each) for each in value] if isinstance(value, list | tuple) else value


def reply_item(picture: Picture, options: ReplyOptions) -> bytes:
    """Return a picture as an item of a reply's ``data``; takes long."""
    text = encoded_picture(picture, options)
    media_type = f"image/{options.file_format}"
    return _json(
        {
            "b64_json": None if options.as_url else text,
            "url": f"data:{media_type};base64,{text}" if options.as_url else None,
            "revised_prompt": None,
            "seed": picture.settings.seed,
        }
    )


def reply_body(items: Sequence[bytes], picture: Picture, options: ReplyOptions) -> bytes:
    """Return a reply.

    Args:
        items: Its pictures, each as :func:`reply_item` returns it.
        picture: One of them: all have the same size and parameters.
        options: The options of the request.
    """
    record = {
        "created": int(time.time()),
        "output_format": options.file_format,
        "size": size_of(picture),
        "background": BACKGROUND,
        "quality": QUALITY,
        "usage": USAGE,
        "parameters": parameters_of(picture.settings),
    }
    return with_items(record, items)


def with_items(record: Mapping[str, Any], items: Sequence[bytes]) -> bytes:
    """Return an object as JSON with pictures in ``data``, each as :func:`reply_item` returns it."""
    return b"".join([_json(record)[:-1], b', "data": [', b", ".join(items), b"]}"])


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()
