"""A request for pictures as a client sends it: the drawing, and the options of its reply."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from gpustack_draw import UsageError
from gpustack_draw.errors import quoted
from gpustack_draw.serve.openai.fields import REQUEST_FIELDS, FieldValues, read_fields
from gpustack_draw.serve.openai.masks import mask_of
from gpustack_draw.serve.openai.reply_options import REPLY_FIELDS, ReplyOptions, reply_options

_PICTURES = ("image", "ref_image", "control_image")
_REPLY_ARGUMENTS = {field.target for field in REPLY_FIELDS}


@dataclass(frozen=True)
class ImagesRequest:
    """A request for pictures.

    Attributes:
        model: Name of the model; ``None`` for the server's first one.
        drawing: Values of the fields of the drawing.
        reply: How to respond.
        unknown: Names of the fields that are ignored.
    """

    model: str | None
    drawing: FieldValues
    reply: ReplyOptions
    unknown: tuple[str, ...]


def read_generation(values: Mapping[str, Any]) -> ImagesRequest:
    """Read a request to draw from a prompt.

    A strength is ignored: GPUStack's playground sends that of ``/v1/models`` with every request.

    Args:
        values: The values by the names that the client sent.

    Raises:
        UsageError: A value cannot be read, or is a picture.
    """
    request = _read(values)
    drawing = request.drawing
    for argument in (*_PICTURES, "mask"):
        if argument in drawing.values:
            raise UsageError(
                f'"{drawing.names[argument]}" is for edits',
                hint="send it to /v1/images/edits",
                argument=drawing.names[argument],
            )
    return replace(request, drawing=drawing.without("strength"))


def read_edit(values: Mapping[str, Any]) -> ImagesRequest:
    """Read a request to draw from other pictures; decodes the mask, so call it in a thread.

    Args:
        values: The values by the names that the client sent.

    Raises:
        UsageError: A value cannot be read, or the picture is missing.
    """
    request = _read(values)
    drawing = request.drawing
    if not any(drawing.values.get(name) for name in _PICTURES):
        raise UsageError(
            "the picture is missing", hint='send its file as "image"', argument="image"
        )
    mask = drawing.values.get("mask")
    if isinstance(mask, bytes):
        values = {**drawing.values, "mask": mask_of(mask)}
        return replace(request, drawing=replace(drawing, values=values))
    return request


def _read(values: Mapping[str, Any]) -> ImagesRequest:
    read = read_fields(values, (*REQUEST_FIELDS, *REPLY_FIELDS))
    model = read.values.get("model")
    if model is not None and not isinstance(model, str):
        raise UsageError(
            f"{quoted(model)} is not the name of a model",
            hint="GET /v1/models lists them",
            argument="model",
        )
    return ImagesRequest(
        model=model or None,
        drawing=read.without(*_REPLY_ARGUMENTS),
        reply=reply_options(read),
        unknown=read.unknown,
    )
