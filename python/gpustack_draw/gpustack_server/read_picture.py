"""Decodes the file of a server into a picture, with the settings stored in it."""

import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gpustack_draw.errors import UsageError
from gpustack_draw.gpustack_server.models import RunningModel
from gpustack_draw.gpustack_server.reply import Reply
from gpustack_draw.gpustack_server.reported_settings import reported_settings, reported_size
from gpustack_draw.gpustack_server.responses import ResponseError
from gpustack_draw.inputs.prepare_pictures import PreparedPictures
from gpustack_draw.pictures.picture import Picture
from gpustack_draw.progress.pixels import Raster
from gpustack_draw.request.draw_request import MAX_SIDE
from gpustack_draw.request.draw_settings import DrawSettings, HiresSettings
from gpustack_draw.request.names import SAMPLERS, SCHEDULERS
from gpustack_draw.request.option_types import SeedOption
from gpustack_draw.request.options import SAMPLING_OPTIONS, SEED, SamplingOption
from gpustack_draw.units import round_up

if TYPE_CHECKING:
    import PIL.Image

# Some backends ignore the size and draw the size that the model was trained for.
MAX_UNREQUESTED_PIXELS = 2048 * 2048
# Others round each side up to at most this multiple, which is also their minimum.
_ALIGNMENT = 256
# Shapes may differ by the rounding of backends.
_SAME_SHAPE = 0.1
_MAX_PREVIEW_SIDE = 2048
_FORMATS = ("PNG", "JPEG", "WEBP")
_DAMAGES = (OSError, ValueError, SyntaxError, EOFError, MemoryError)
_MAX_LINE_LENGTH = 4096  # a backend's line has about 300 characters


def read_picture(
    reply: Reply,
    settings: DrawSettings,
    *,
    model: RunningModel,
    device: str,
    seconds: Mapping[str, float],
    pictures: PreparedPictures | None = None,
) -> Picture:
    """Decode a picture, and paste it into the picture that it started from.

    Args:
        reply: The picture's file, and the settings that the server reports.
        settings: The requested settings. Those that the server reports replace them, as do the
            parameters in the file, and its size unless it is scaled.
        model: The model.
        device: Release and address of the server.
        seconds: Duration of each phase.
        pictures: The input pictures; ``None`` without any.

    Raises:
        ResponseError: The file is damaged, its picture is far larger than requested, or it has
            another shape than the part of a picture that it is pasted into.
    """
    if pictures is not None and (pictures.paste is None or settings.hires is not None):
        pictures = None  # the drawing is the whole picture, in any size
    drawn, text = _decode(reply.file, settings, pictures)
    reported = reported_settings(reply.values, settings)
    settings = replace(settings, **{**parse_parameters(text), **reported})
    size = None if pictures is None else pictures.result_size
    if settings.hires is None:
        settings = replace(settings, width=drawn.width, height=drawn.height)
    else:
        width, height = reported_size(reply.values) or (settings.width, settings.height)
        settings, size = replace(settings, width=width, height=height), drawn.size
    pixels = drawn.tobytes()
    return Picture(
        pixels if pictures is None else pictures.finish_bytes(memoryview(pixels)),
        settings,
        model=model.name,
        family=model.family,
        device=device,
        seconds=seconds,
        reference=model.name,
        size=size,
    )


def read_preview(file: bytes) -> Raster | None:
    """Decode an intermediate picture; ``None`` if it is damaged or large."""
    import io

    from PIL import Image

    try:
        with Image.open(io.BytesIO(file), formats=_FORMATS) as image:
            if max(image.size) > _MAX_PREVIEW_SIDE:
                return None
            drawn = image.convert("RGB")
    except (*_DAMAGES, Image.DecompressionBombError):
        return None
    return Raster(drawn.tobytes(), drawn.width, drawn.height)


def _decode(
    file: bytes, settings: DrawSettings, pictures: PreparedPictures | None
) -> tuple["PIL.Image.Image", str]:
    """Decode the file of a picture.

    Returns:
        The picture, in the size that it is pasted in, and the parameters in its file.

    Raises:
        ResponseError: The file is damaged, or its picture has a wrong size.
    """
    import io

    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(file), formats=_FORMATS) as image:
                _check_size(image.width, image.height, settings.hires or settings)
                drawn = image.convert("RGB")
                if pictures is not None:
                    drawn = _scale(drawn, pictures.size)
                return drawn, str(image.info.get("parameters", ""))
    except _DAMAGES as error:
        raise ResponseError(
            "broken picture", "it is truncated, or not a PNG, JPEG or WebP file"
        ) from error
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise ResponseError("too large", "more pixels than the maximum size") from error


def _scale(drawn: "PIL.Image.Image", size: tuple[int, int]) -> "PIL.Image.Image":
    """Scale a drawing to the size that it is pasted in, as some backends draw another one.

    Raises:
        ResponseError: It has another shape.
    """
    from PIL import Image

    (width, height), (to_width, to_height) = drawn.size, size
    if abs(width * to_height - height * to_width) > _SAME_SHAPE * height * to_width:
        raise ResponseError(
            "too large", f"{width}x{height} pixels instead of {to_width}x{to_height}"
        )
    return drawn.resize(size, Image.Resampling.LANCZOS)


def _check_size(width: int, height: int, settings: DrawSettings | HiresSettings) -> None:
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
    # Backends write the others for every model, whether they have an effect or not.
    options = [option for option in SAMPLING_OPTIONS if option.server_fields]
    values: dict[str, Any] = {
        option.name: _parse(option, pairs.get(option.parameter.lower(), ""))
        for option in (*options, SEED)
    }
    sampler, _, scheduler = pairs.get("sampler", "").lower().partition(" ")
    values["sampler"] = sampler if sampler in SAMPLERS else None
    values["scheduler"] = scheduler if scheduler in SCHEDULERS else None
    return {name: value for name, value in values.items() if value is not None}


def _parse(option: SamplingOption | SeedOption, text: str) -> Any:
    try:
        number: Any = option.parse(text)
    except UsageError:
        return None
    # Further decimals are noise of the backend's 32-bit floats.
    return round(number, 6) if isinstance(number, float) else number
