"""Decodes the file of a server into a picture, with the settings stored in it."""

import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gpustack_draw.errors import UsageError
from gpustack_draw.gpustack_server.responses import ResponseError
from gpustack_draw.pictures.picture import Picture
from gpustack_draw.request.draw_request import MAX_SIDE
from gpustack_draw.request.draw_settings import DrawSettings
from gpustack_draw.request.names import SAMPLERS, SCHEDULERS
from gpustack_draw.request.options import SAMPLING_OPTIONS, SEED, SamplingOption, SeedOption
from gpustack_draw.units import round_up

# Some backends ignore the size and draw the size that the model was trained for.
MAX_UNREQUESTED_PIXELS = 2048 * 2048
# Others round each side up to at most this multiple, which is also their minimum.
_ALIGNMENT = 256
_MAX_LINE_LENGTH = 4096  # a backend's line has about 300 characters


def read_picture(
    file: bytes, settings: DrawSettings, *, model: str, device: str, seconds: Mapping[str, float]
) -> Picture:
    """Decode a picture.

    Args:
        file: A PNG, JPEG or WebP file.
        settings: The requested settings; the file's size and parameters replace them.
        model: The model's name.
        device: Release and address of the server.
        seconds: Duration of each phase.

    Raises:
        ResponseError: The file is damaged, or its picture far larger than requested.
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
        raise ResponseError(
            "broken picture", "it is truncated, or not a PNG, JPEG or WebP file"
        ) from error
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise ResponseError("too large", "more pixels than the maximum size") from error
    settings = replace(settings, width=width, height=height, **parse_parameters(text))
    return Picture(
        pixels, settings, model=model, family="", device=device, seconds=seconds, reference=model
    )


def _check_size(width: int, height: int, settings: DrawSettings) -> None:
    """Check that a picture has the requested size, rounded up, or a size of the model's own.

    Raises:
        ResponseError: It is larger.
    """
    rounded = [round_up(side, _ALIGNMENT) for side in (settings.width, settings.height)]
    is_rounded = width <= rounded[0] and height <= rounded[1]
    is_large = width * height > MAX_UNREQUESTED_PIXELS and not is_rounded
    if is_large or max(width, height) > MAX_SIDE:
        requested = f"{settings.width}x{settings.height}"
        raise ResponseError("too large", f"{width}x{height} pixels instead of {requested}")


def parse_parameters(text: str) -> dict[str, Any]:
    """Parse the settings that a backend stores in a picture's metadata.

    Reads the last line with steps, as web UIs do, and skips invalid values. "Guidance" is not read,
    because backends write it for models that do not take it, too.

    Returns:
        Values by field of :class:`DrawSettings`.
    """
    line = next((line for line in reversed(text.splitlines()) if "Steps: " in line), "")
    pairs = {}
    for pair in line[:_MAX_LINE_LENGTH].split(","):
        name, _, value = pair.partition(":")
        pairs[name.strip().lower()] = value.strip()
    values: dict[str, Any] = {
        option.name: _parse(option, pairs.get(option.parameter.lower(), ""))
        for option in (*SAMPLING_OPTIONS, SEED)
    }
    sampler, _, scheduler = pairs.get("sampler", "").lower().partition(" ")
    values["sampler"] = sampler if sampler in SAMPLERS else None
    values["scheduler"] = scheduler if scheduler in SCHEDULERS else None
    return {name: value for name, value in values.items() if value is not None}


def _parse(option: SamplingOption | SeedOption, text: str) -> float | None:
    try:
        number = option.parse(text)
    except UsageError:
        return None
    # Further decimals are noise of the backend's 32-bit floats.
    return round(number, 6) if isinstance(number, float) else number
