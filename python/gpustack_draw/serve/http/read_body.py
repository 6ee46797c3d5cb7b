"""Reading the bodies of requests: JSON objects and forms, in a thread and within limits."""

import re
from collections.abc import Callable
from typing import Any, TypeVar

import anyio.to_thread
from starlette.requests import Request

from gpustack_draw.errors import quoted
from gpustack_draw.serve.http.errors import HttpError
from gpustack_draw.serve.http.form import FormPart, parse_form
from gpustack_draw.untrusted import parse_json

# Python does nothing else while it searches a text: few values keep that below a second.
_MAX_VALUES = 100_000
# With these in a text, a surrogate may stand alone, which no UTF-8 encodes.
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
# A body without pictures is read faster than a thread starts to.
_SMALL_BODY = 16 * 1024

_Result = TypeVar("_Result")


async def run_for(request: Request, function: Callable[..., _Result], *arguments: Any) -> _Result:
    """Call a function that reads what a request has sent; in a thread if that can take long.

    Args:
        request: The request, whose body has been read.
        function: Takes no longer than the size of the body suggests.
        arguments: Its arguments.
    """
    if len(await request.body()) <= _SMALL_BODY:
        return function(*arguments)
    return await anyio.to_thread.run_sync(function, *arguments)


async def read_json(request: Request) -> dict[str, Any]:
    """Read an object of JSON.

    Raises:
        HttpError: 400 or 415, the body is something else; or a limit of the body.
    """
    media_type, charset = _content_type(request)
    if media_type not in ("", "application/json") and not media_type.endswith("+json"):
        raise HttpError(
            415,
            f"the body is {quoted(media_type)}, not application/json",
            hint="send the header Content-Type: application/json",
            code="unsupported_media_type",
        )
    _check_charset(charset)
    return await run_for(request, _parse_object, await request.body())


async def read_form(request: Request) -> tuple[FormPart, ...]:
    """Read a form with files (``multipart/form-data``).

    Returns:
        Name and content of each part, in their order: bytes of a part with a file name, else text.

    Raises:
        HttpError: 400 or 415, the body is something else; or a limit of the body.
    """
    media_type, charset = _content_type(request)
    if media_type != "multipart/form-data":
        raise HttpError(
            415,
            f"the body is {quoted(media_type)}, not multipart/form-data",
            hint="send the picture as a form with files",
            code="unsupported_media_type",
        )
    _check_charset(charset)
    content_type = request.headers["content-type"]
    return await run_for(request, parse_form, content_type, await request.body())


def _parse_object(body: bytes) -> dict[str, Any]:
    try:
        value = parse_json(body, max_values=_MAX_VALUES)
    except ValueError as error:
        raise HttpError(400, f"the body is not valid JSON: {_reason(error)}") from None
    if not isinstance(value, dict):
        raise HttpError(400, "the body is not an object of JSON", hint='send {"prompt": "..."}')
    if _SURROGATE.search(body):
        _check_texts(value)
    return value


def _reason(error: ValueError) -> str:
    """Return why JSON is invalid, without any of its text."""
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start} is not UTF-8"
    return str(error)


def _check_texts(value: object) -> None:
    """Refuse half a surrogate pair anywhere in JSON, whose depth was limited."""
    if isinstance(value, str):
        if _LONE_SURROGATE.search(value):
            raise HttpError(400, "the body has half a surrogate pair, which is no character")
    elif isinstance(value, list):
        for item in value:
            _check_texts(item)
    elif isinstance(value, dict):
        for name, item in value.items():
            _check_texts(name)
            _check_texts(item)


def _content_type(request: Request) -> tuple[str, str]:
    media_type, *parameters = request.headers.get("content-type", "").lower().split(";")
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "charset":
            return media_type.strip(), value.strip().strip('"')
    return media_type.strip(), "utf-8"


def _check_charset(charset: str) -> None:
    if charset not in ("utf-8", "utf8", "us-ascii"):
        raise HttpError(
            415,
            f"the body's charset is {quoted(charset)}, not utf-8",
            code="unsupported_media_type",
        )
