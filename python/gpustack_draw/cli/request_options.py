"""The request that a command line describes, alone or together with the picture of ``--from``."""

from dataclasses import fields
from typing import Any

from gpustack_draw.cli.arguments import Arguments
from gpustack_draw.request.draw_request import (
    DrawRequest,
    parse_cfg_scale,
    parse_count,
    parse_seed,
    parse_size,
    parse_steps,
)

_PARSERS = {
    "size": parse_size,
    "sample_steps": parse_steps,
    "cfg_scale": parse_cfg_scale,
    "seed": parse_seed,
    "count": parse_count,
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
