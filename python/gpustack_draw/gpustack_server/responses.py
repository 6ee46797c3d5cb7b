"""Parse the JSON of a server's response, and its errors."""

import re
from collections.abc import Mapping
from typing import Any, Literal

from gpustack_draw.untrusted import clean, parse_json

_MAX_MESSAGE_LENGTH = 10_000
# GPUStack 2.3 wraps a backend's error: "Worker request failed: 1 POST http://... status=400,
# error={...}" (gpustack/server/worker_request.py).
_WRAPPED = re.compile(r"Worker request failed: .*?status=(\d{3}), error=(.*)", re.DOTALL)

ResponseProblem = Literal[
    "refused",
    "no picture",
    "broken picture",
    "too large",
    "not json",
    "too long",
]


class ResponseError(Exception):
    """A response without the expected content.

    Attributes:
        problem: ``refused`` (the server sent an error), ``no picture``, ``broken picture``, ``too
            large`` (the picture), ``not json`` or ``too long``.
        message: The server's error message, or a description of the problem; may be empty.
        status: HTTP status of the error, 0 if unknown.
        code: The error's code as text, as OpenAI's API has it; empty without one.
        retry_after: Seconds of the header Retry-After; ``None`` without one.
    """

    def __init__(
        self, problem: ResponseProblem, message: str = "", status: int = 0, *, code: str = ""
    ) -> None:
        """Create the error."""
        super().__init__(f"{problem}: {message}")
        self.problem: ResponseProblem = problem
        self.message = message
        self.status = status
        self.code = code
        self.retry_after: float | None = None

    def without(self, secret: str) -> "ResponseError":
        """Return the same error with a secret masked in its message."""
        message = self.message.replace(secret, "***") if secret else self.message
        error = ResponseError(self.problem, message, self.status, code=self.code)
        error.retry_after = self.retry_after
        return error


def parse_object(data: bytes) -> dict[str, Any]:
    """Parse a JSON object.

    Raises:
        ResponseError: The data is not a JSON object.
    """
    try:
        value = parse_json(data)
    except ValueError:
        raise ResponseError("not json") from None  # without the data, which may be a picture
    if not isinstance(value, dict):
        raise ResponseError("not json")
    return value


def parse_error_object(response: Mapping[str, Any], status: int = 0) -> ResponseError:
    """Parse a server's error.

    Known shapes are ``{"error": {"message": ..., "code": ...}}`` (images API), ``{"message": ...}``
    (GPUStack) and ``{"detail": ...}`` with text or FastAPI's list (backends).

    Args:
        response: The JSON object.
        status: The response's HTTP status; 0 to use the one in the object.
    """
    error = response.get("error")
    content = error if error is not None else response
    code = ""
    if isinstance(content, dict):
        code = clean(content["code"]) if isinstance(content.get("code"), str) else ""
        status = status or _status_of(content.get("code"))
        if not status and content.get("type") == "invalid_request_error":  # within a stream
            status = 400
        content = content.get("message") or content.get("detail") or response.get("detail") or ""
    if isinstance(content, list):
        content = "; ".join(_list_item(item) for item in content[:5])
    message = str(content)[:_MAX_MESSAGE_LENGTH]
    if wrapped := _WRAPPED.search(message):
        inner = wrapped[2]
        try:
            return parse_error_object(parse_object(inner.strip().encode()), int(wrapped[1]))
        except ResponseError:
            return ResponseError("refused", clean(inner), int(wrapped[1]))
    return ResponseError("refused", clean(message), status, code=code)


def parse_error_body(body: bytes, content_type: str, status: int) -> ResponseError:
    """Parse the error in a body; HTML pages have no message.

    Args:
        body: The beginning of the body.
        content_type: Its media type.
        status: HTTP status, 300 or more.
    """
    try:
        return parse_error_object(parse_object(body), status)
    except ResponseError:
        if "html" in content_type or body.lstrip()[:1] == b"<":
            return ResponseError("refused", "", status)
        return ResponseError("refused", clean(body.decode(errors="replace")), status)


def _status_of(code: object) -> int:
    return code if isinstance(code, int) and 100 <= code <= 599 else 0


def _list_item(item: object) -> str:
    if not isinstance(item, dict):
        return str(item)
    location = item.get("loc")
    names = [str(each) for each in location if each != "body"] if isinstance(location, list) else []
    return f"{'.'.join(names)}: {item.get('msg', '')}" if names else str(item.get("msg", item))
