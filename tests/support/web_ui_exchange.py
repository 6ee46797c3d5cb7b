"""A request that a real program sends to a server, and the values that it reads of the answer."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from input_files import encoded
from picture_checker import rasterized
from PIL import Image

SIDE = 128
# They stand for a picture of a red circle on blue, and for a mask of its middle, in base64.
CIRCLE = "<circle>"
MIDDLE = "<middle>"
RED_CIRCLE = "a red circle on a blue background"
GREEN_STAR = "a green star on a blue background"

Type = type | tuple[type, ...]
NUMBER = (int, float)


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """A request, and the values that the program reads of the answer.

    Attributes:
        source: Repository, file and commit of the program.
        method: GET or POST.
        path: Path below the server's address, with the query.
        json: Body; ``None`` for none.
        reads: Types of the values that the program reads. A key is a path of names and indexes;
            ``json`` parses a text.
        drawn: Color, shape and background of the first picture; ``None`` if nothing is drawn.
        pictures: Number of pictures in the answer.
    """

    source: str
    method: str
    path: str
    json: Any = None
    reads: Mapping[str, Type] = field(default_factory=dict)
    drawn: tuple[str, str, str] | None = None
    pictures: int = 1


def exchanges(source: str, *facts: Mapping[str, Any]) -> tuple[Exchange, ...]:
    """Return the exchanges of one program.

    Args:
        source: Repository, files and commit.
        facts: The other attributes of each exchange.
    """
    return tuple(Exchange(source=source, **each) for each in facts)


def circle() -> Image.Image:
    """Return the picture that ``CIRCLE`` stands for."""
    return rasterized([("circle", "red", 0.5, 0.5, 0.5)], "blue", side=SIDE)


def filled_in(value: Any) -> Any:
    """Return a body with the pictures in place of their names."""
    if isinstance(value, dict):
        return {name: filled_in(item) for name, item in value.items()}
    if isinstance(value, list):
        return [filled_in(item) for item in value]
    if not isinstance(value, str):
        return value
    return value.replace(CIRCLE, base64_png(circle())).replace(MIDDLE, base64_png(middle()))


def value_at(answer: Any, path: str) -> Any:
    """Return the value of an answer that a program reads.

    Args:
        answer: The answer.
        path: Names and indexes, separated by dots; ``json`` parses a text.
    """
    for step in filter(None, path.split(".")):
        if step == "json":
            answer = json.loads(answer)
        else:
            answer = answer[int(step) if step.isdecimal() else step]
    return answer


def middle() -> Image.Image:
    """Return the mask that ``MIDDLE`` stands for: all but a border."""
    mask = Image.new("L", (SIDE, SIDE))
    mask.paste(255, (SIDE // 8, SIDE // 8, SIDE * 7 // 8, SIDE * 7 // 8))
    return mask


def base64_png(image: Image.Image) -> str:
    """Return an image as a PNG file in base64."""
    return base64.b64encode(encoded(image)).decode("ascii")
