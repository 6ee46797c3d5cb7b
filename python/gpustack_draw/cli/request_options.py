"""The request that a command line describes, alone or together with the picture of ``--from``."""

from collections.abc import Callable
from dataclasses import fields
from typing import Any

from gpustack_draw.cli.arguments import Arguments
from gpustack_draw.request.draw_request import DrawRequest, parse_size_option
from gpustack_draw.request.options import COUNT, SAMPLING_OPTIONS, SEED

_PARSERS: dict[str, Callable[[str], object]] = {
    "size": parse_size_option,
    **{option.name: option.parse for option in (*SAMPLING_OPTIONS, SEED, COUNT)},
}


def typed_values(arguments: Arguments) -> dict[str, Any]:
    """Parse the options that describe the picture.

    Args:
        arguments: The command line.

    Returns:
        The typed ones of the fields of :class:`DrawRequest`.

    Raises:
        UsageError: A value is not one of its option.
    """
    texts = {field.name: getattr(arguments, field.name) for field in fields(DrawRequest)}
    return {name: _PARSERS.get(name, str)(text) for name, text in texts.items() if text is not None}
