"""The file a server sent becomes a picture, with the values it says it was drawn with."""

import re
import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gpustack_draw.gpustack_server.replies import ReplyError
from gpustack_draw.pictures.picture import Picture
from gpustack_draw.request.draw_request import MAX_SEED, MAX_SIDE, MAX_STEPS
from gpustack_draw.request.draw_settings import DrawSettings
from gpustack_draw.request.names import SAMPLERS, SCHEDULERS
from gpustack_draw.units import round_up

# Backends that ignore the size draw what their models were trained for, up to this many pixels.
MAX_UNASKED_PIXELS = 2048 * 2048
# Others round a side up to such a multiple, which is also their smallest one.
_ALIGNMENT = 256
_LONGEST_LINE = 4096  # characters; a backend's own has about 300


def read_picture(
    file: bytes, settings: DrawSettings, *, model: str, device: str, seconds: Mapping[str, float]
) -> Picture:
    """Decode a picture.

    Args:
        file: A PNG, JPEG or WebP file.
        settings: What was asked for; the picture's size, and what its text tells, take their place.
        model: The model's name.
        device: Where it was drawn.
        seconds: Seconds by phase.

    Raises:
        ReplyError: The file is broken, or its picture far larger than the one asked for.
    """
    import io

    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(file), formats=("PNG", "JPEG", "WEBP")) as image:
                width, height = image.size
                _check_size(width, height, settings)
                pixels = image.convert("RGB").tobytes()
                text = str(image.info.get("parameters", ""))
    except (OSError, ValueError, SyntaxError, EOFError, MemoryError) as error:
        raise ReplyError("broken picture", "it is cut, or no picture") from error
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise ReplyError("too large", "more pixels than any that can be asked for") from error
    settings = replace(settings, width=width, height=height, **told_values(text))
    return Picture(
        pixels, settings, model=model, family="", device=device, seconds=seconds, reference=model
    )


def _check_size(width: int, height: int, settings: DrawSettings) -> None:
    """Refuse a picture whose size neither rounding nor the model's own size explains."""
    rounded = [round_up(side, _ALIGNMENT) for side in (settings.width, settings.height)]
    is_rounded = width <= rounded[0] and height <= rounded[1]
    is_large = width * height > MAX_UNASKED_PIXELS and not is_rounded
    if is_large or max(width, height) > MAX_SIDE:
        asked = f"{settings.width}x{settings.height}"
        raise ReplyError("too large", f"{width}x{height} pixels, where {asked} was asked for")


def told_values(text: str) -> dict[str, Any]:
    """Read, from the text that a backend puts into a picture, how it was drawn.

    The last line with steps is taken, as web UIs do; what does not read as such a value is left.
    """
    line = next((line for line in reversed(text.splitlines()) if "Steps: " in line), "")
    pairs = {}
    for pair in line[:_LONGEST_LINE].split(","):
        name, _, value = pair.partition(":")
        pairs[name.strip().lower()] = value.strip()
    told: dict[str, Any] = {
        "sample_steps": _whole(pairs.get("steps", ""), 1, MAX_STEPS),
        "seed": _whole(pairs.get("seed", ""), 0, MAX_SEED),
        "cfg_scale": _number(pairs.get("cfg scale", "")),
        "guidance": _number(pairs.get("guidance", "")),
    }
    sampler, _, scheduler = pairs.get("sampler", "").lower().partition(" ")
    told["sampler"] = sampler if sampler in SAMPLERS else None
    told["scheduler"] = scheduler if scheduler in SCHEDULERS else None
    return {name: value for name, value in told.items() if value is not None}


def _whole(text: str, low: int, high: int) -> int | None:
    if not re.fullmatch(r"[0-9]{1,19}", text):
        return None
    return int(text) if low <= int(text) <= high else None


def _number(text: str) -> float | None:
    # Of a float with six decimals, what people read: 4.500000 is 4.5.
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,20})?", text):
        return None
    return round(float(text), 6)
