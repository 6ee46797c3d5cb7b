"""The events of a stream: one line ``data: {...}`` each, and comments.

GPUStack's proxy passes a stream on line by line, with a blank line after each, so an event has one
line, and no line ``event:``. Encoding pictures takes long: call the functions that do in a thread.
"""

import base64
import io
import json
import time
from collections.abc import Mapping
from typing import Any

from gpustack_draw import Picture, Progress, Raster
from gpustack_draw.serve.openai.reply import (
    BACKGROUND,
    QUALITY,
    USAGE,
    encoded_picture,
    parameters_of,
    size_of,
)
from gpustack_draw.serve.openai.reply_options import ReplyOptions

GENERATION, EDIT = "image_generation", "image_edit"

# A proxy of GPUStack takes seconds for megabytes in one line, so growing pictures are small.
_PARTIAL_SIDE = 512
_PARTIAL_QUALITY = 80


def event(kind: str, name: str, values: Mapping[str, Any]) -> bytes:
    """Return an event.

    Args:
        kind: :data:`GENERATION` or :data:`EDIT`.
        name: The last part of its type, such as ``completed``.
        values: Its values.
    """
    return data_line({"type": f"{kind}.{name}", **values})


def data_line(value: Mapping[str, Any]) -> bytes:
    """Return an object as a line of a stream."""
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def comment(text: str) -> bytes:
    """Return a comment, which clients skip and proxies count as a sign of life."""
    return f": {text}\n\n".encode()


def progress_event(kind: str, progress: Progress) -> bytes:
    """Return the event of a step."""
    values = {
        "index": progress.picture - 1,
        "phase": progress.phase,
        "step": progress.step,
        "steps": progress.total,
    }
    return event(kind, "progress", values)


def partial_event(kind: str, preview: Raster, progress: Progress, index: int, side: int) -> bytes:
    """Return the event of a growing picture.

    Args:
        kind: As for :func:`event`.
        preview: The picture.
        progress: The step after which it looks like that.
        index: Growing pictures that were sent before of this drawing.
        side: Longer side in pixels to enlarge it to, unless that is too large for a stream.
    """
    image = preview.to_image()
    scale = min(side, _PARTIAL_SIDE) / max(image.size)
    if scale != 1:
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        image = image.resize(size)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=_PARTIAL_QUALITY)
    values = {
        "partial_image_index": index,
        "index": progress.picture - 1,
        "b64_json": base64.b64encode(file.getvalue()).decode("ascii"),
        "created_at": int(time.time()),
        "size": f"{image.width}x{image.height}",
        "quality": QUALITY,
        "background": BACKGROUND,
        "output_format": "jpeg",
    }
    return event(kind, "partial_image", values)


def completed_event(kind: str, picture: Picture, index: int, options: ReplyOptions) -> bytes:
    """Return the event of a finished picture.

    Args:
        kind: As for :func:`event`.
        picture: The picture.
        index: Its index among those of the request.
        options: The options of the request.
    """
    values = {
        "b64_json": encoded_picture(picture, options),
        "created_at": int(time.time()),
        "size": size_of(picture),
        "quality": QUALITY,
        "background": BACKGROUND,
        "output_format": options.file_format,
        "usage": USAGE,
        "seed": picture.settings.seed,
        "index": index,
        "parameters": parameters_of(picture.settings),
    }
    return event(kind, "completed", values)
