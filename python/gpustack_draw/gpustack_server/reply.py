"""A server's reply to a request for a picture: steps, previews, and the finished picture."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gpustack_draw.gpustack_server.responses import (
    ResponseError,
    parse_error_object,
    parse_object,
)

_MAX_STEPS = 1_000_000


@dataclass(frozen=True)
class Step:
    """A backend's progress with a picture.

    Attributes:
        done: Finished steps.
        total: All steps; 0 if unknown.
        phase: The phase that they belong to, as in :class:`Progress`.
    """

    done: int
    total: int
    phase: str = "sample"


@dataclass(frozen=True)
class Preview:
    """The file of an intermediate picture, not yet checked."""

    file: bytes = field(repr=False)


@dataclass(frozen=True)
class Reply:
    """A finished picture as a server sent it.

    Attributes:
        file: The picture's file, not yet checked.
        values: The settings that the server reports for it, not yet checked: the ``seed`` and those
            in ``parameters``; empty for most backends.
    """

    file: bytes = field(repr=False)
    values: Mapping[str, Any] = field(default_factory=dict)


def parse_step(done: object, total: object, phase: str = "sample") -> Step | None:
    """Return the step that two numbers describe; ``None`` if they describe none."""
    if isinstance(done, int) and isinstance(total, int) and 0 <= done <= total <= _MAX_STEPS:
        return Step(done, total, phase)
    return None


def parse_reply(body: bytes) -> Reply:
    """Parse a response that is one JSON object.

    Raises:
        ResponseError: The response is an error or not JSON, or its picture is missing or damaged.
    """
    response = parse_object(body)
    if "data" not in response and ({"error", "detail", "message"} & set(response)):
        raise parse_error_object(response)
    item = first_item(response)
    text = item.get("b64_json") if item else None
    if item and not text and str(item.get("url") or "").startswith("data:"):
        text = str(item["url"])
    if not isinstance(text, str) or not text:
        raise ResponseError("no picture")
    assert item is not None
    return Reply(decode_picture(text), reported_values(response, item))


def reported_values(response: Mapping[str, Any], item: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that a response reports for a picture.

    Args:
        response: The response, or the event; its ``parameters`` are those of all its pictures.
        item: The picture in it.
    """
    values: dict[str, Any] = {}
    for source in (response, item):
        parameters = source.get("parameters")
        values |= parameters if isinstance(parameters, dict) else {}
    return {**values, "seed": item["seed"]} if "seed" in item else values


def decode_picture(text: str) -> bytes:
    """Decode base64, optionally as a data URL.

    Raises:
        ResponseError: The text is not base64.
    """
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise ResponseError("broken picture", "it is not base64") from None


def first_item(response: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the first picture of a response; ``None`` without one."""
    data = response.get("data")
    if isinstance(data, list) and data and isinstance(data[0], dict):
        return data[0]
    return None
