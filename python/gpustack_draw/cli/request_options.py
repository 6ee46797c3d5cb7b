"""The request that a command line describes, alone or together with the picture of ``--from``."""

import sys
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

from gpustack_draw.cli.arguments import Arguments
from gpustack_draw.request.draw_request import DrawRequest, parse_size_option
from gpustack_draw.request.loras import read_loras
from gpustack_draw.request.options import (
    CONTROL_STRENGTH,
    COUNT,
    HIRES,
    HIRES_STEPS,
    HIRES_STRENGTH,
    MASK_BLUR,
    SAMPLING_OPTIONS,
    SEED,
    STRENGTH,
)
from gpustack_draw.request.picture_options import PictureOptions
from gpustack_draw.request.picture_values import parse_expand, parse_fit, parse_padding

_PARSERS: dict[str, Callable[[Any], object]] = {
    "size": parse_size_option,
    "loras": read_loras,
    **{option.name: option.parse for option in (*SAMPLING_OPTIONS, SEED, COUNT)},
    "hires": lambda text: text and HIRES.parse(text),  # False means a single pass
    **{option.name: option.parse for option in (HIRES_STEPS, HIRES_STRENGTH)},
}
_PICTURE_PARSERS: dict[str, Callable[[str], object]] = {
    **{option.name: option.parse for option in (STRENGTH, CONTROL_STRENGTH, MASK_BLUR)},
    "masked_only": parse_padding,
    "expand": parse_expand,
    "fit": parse_fit,
}


def typed_values(arguments: Arguments) -> dict[str, Any]:
    """Parse the options that describe the picture.

    Args:
        arguments: The command line.

    Returns:
        The typed ones of the fields of :class:`DrawRequest`, but the input pictures.

    Raises:
        UsageError: A value is not one of its option.
    """
    names = [field.name for field in fields(DrawRequest) if field.name != "pictures"]
    texts = {name: getattr(arguments, name) for name in names}
    return {name: _PARSERS.get(name, str)(text) for name, text in texts.items() if text is not None}


def typed_pictures(arguments: Arguments) -> dict[str, Any]:
    """Parse the options for input pictures.

    Args:
        arguments: The command line.

    Returns:
        The typed ones of the fields of :class:`PictureOptions`.

    Raises:
        UsageError: A value is not one of its option.
    """
    names = [field.name for field in fields(PictureOptions)]
    values = {name: getattr(arguments, name) for name in names}
    return {
        name: _PICTURE_PARSERS[name](value) if name in _PICTURE_PARSERS else value
        for name, value in values.items()
        if value is not None and value is not False
    }


def with_pictures_read(request: DrawRequest) -> DrawRequest:
    """Return a request whose input pictures are read, once, as standard input can only be.

    Raises:
        UsageError: A picture cannot be read.
    """
    if not request.pictures:
        return request
    from gpustack_draw.inputs.source_pictures import read_pictures

    standard_input = None if sys.stdin is None else sys.stdin.buffer
    sources = read_pictures(request.pictures, standard_input=standard_input)
    return replace(request, pictures=sources.read_options)
