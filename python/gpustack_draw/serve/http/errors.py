"""Errors as HTTP responses in the shape of OpenAI's API."""

import ast
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from gpustack_draw import NotEnlargedError
from gpustack_draw.errors import (
    BlankPictureError,
    DrawError,
    EngineCrashed,
    EngineError,
    FetchError,
    ModelFileError,
    ModelNotFoundError,
    NotEnoughMemoryError,
    NotYetSupportedError,
    UsageError,
)
from gpustack_draw.phrases import Argument, spelled
from gpustack_draw.serve.studio.busy import BusyError, InterruptedDrawingError, TimeLimitError

CLIENT_GONE = 499  # of nginx: a client ended the request

# The first type that matches decides: status, code. 4xx where the same request must fail again.
_STATUSES: tuple[tuple[type[DrawError], int, str | None], ...] = (
    # A client has ended it; programs try again after 409 and 5xx.
    (InterruptedDrawingError, CLIENT_GONE, "interrupted"),
    (TimeLimitError, 504, "timeout"),
    (UsageError, 400, None),
    (NotYetSupportedError, 400, "unsupported"),
    (ModelNotFoundError, 404, "model_not_found"),
    (ModelFileError, 400, "model_unusable"),
    (FetchError, 502, "fetch_failed"),
    (NotEnoughMemoryError, 500, "not_enough_memory"),
    (EngineCrashed, 500, "engine_crashed"),
    (BlankPictureError, 500, "blank_picture"),
    (EngineError, 500, "engine_failed"),
)
_SMALLER_HELPS = frozenset({"size", "hires", "upscale"})
_WORDS = {
    404: "this address does not exist",
    405: "this address does not answer this method",
}


class HttpError(DrawError):
    """A request that is refused before it reaches a model.

    Attributes:
        status: HTTP status.
        code: Name of the reason for programs; ``None`` for none.
        headers: Additional headers of the response.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        hint: str = "",
        code: str | None = None,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Store the status, the message and the rest of the response.

        Args:
            status: HTTP status, 400 to 599.
            message: The problem. Lower case, no full stop.
            hint: What to do about it.
            code: Name of the reason for programs.
            param: Field of the request that it is about, which becomes ``argument``.
            headers: Additional headers of the response.
        """
        super().__init__(message, hint=hint, argument=param)
        self.status = status
        self.code = code
        self.headers = dict(headers or {})


@dataclass(frozen=True)
class ErrorAnswer:
    """An error as its client reads it.

    Attributes:
        status: HTTP status, 400 to 599.
        message: The problem, and after a semicolon the hint. Arguments are written as fields of
            JSON.
        code: Name of the reason for programs; ``None`` for none.
        param: Field of the request that it is about; ``None`` for no single field.
        headers: Additional headers of the response.
    """

    status: int
    message: str
    code: str | None = None
    param: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def record(self) -> dict[str, Any]:
        """The error in the shape of OpenAI's API, also for an event of a stream."""
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        content = {"message": self.message, "type": kind, "param": self.param, "code": self.code}
        return {"error": content}


def answer_for(error: Exception, fields: Mapping[str, str] = MappingProxyType({})) -> ErrorAnswer:
    """Return the answer to a request that failed.

    An error that nobody expects becomes ``internal error``; the caller logs its traceback.

    Args:
        error: The error.
        fields: Names of the fields that set arguments of the library, where they differ.
    """
    if isinstance(error, HTTPException):
        message = _WORDS.get(error.status_code, str(error.detail)[:200])
        return ErrorAnswer(error.status_code, message, headers=dict(error.headers or {}))
    if not isinstance(error, DrawError):
        return ErrorAnswer(500, "internal error", code="internal_error")
    message = _client_text(error, fields)
    param = None if error.argument is None else fields.get(error.argument, error.argument)
    if isinstance(error, HttpError):
        return ErrorAnswer(error.status, message, error.code, param, error.headers)
    if isinstance(error, BusyError):
        later = {"Retry-After": str(error.retry_after)}
        return ErrorAnswer(503, message, error.code, headers=later)
    status, code = _status_of(error)
    return ErrorAnswer(status, message, code, param)


def _client_text(error: DrawError, fields: Mapping[str, str]) -> str:
    """Return an error's message and hint in one line, with arguments as fields of JSON."""
    texts = (error.message, error.hint) if error.hint else (error.message,)
    return "; ".join(spelled(text, partial(_field, fields=fields)) for text in texts)


def json_response(
    value: object, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Return a value as JSON in ASCII, which any text fits into, also half a surrogate pair."""
    return Response(json.dumps(value, allow_nan=False), status, headers, "application/json")


def error_response(error: Exception) -> Response:
    """Return the response to a request that failed, in the shape of OpenAI's API."""
    answer = answer_for(error)
    return json_response(answer.record, status=answer.status, headers=answer.headers)


async def handle_error(_request: Request, error: Exception) -> Response:
    """Return the response to an error that a route raised, for :data:`EXCEPTION_HANDLERS`."""
    return error_response(error)


# For Starlette(exception_handlers=...). It raises unexpected errors again after their response;
# the outermost middleware logs them.
EXCEPTION_HANDLERS: dict[Any, Any] = {
    DrawError: handle_error,
    HTTPException: handle_error,
    Exception: handle_error,
}


def is_disconnect(error: BaseException) -> bool:
    """Return whether an error only means that the client is gone."""
    return isinstance(error, ClientDisconnect | ConnectionError)


def _status_of(error: DrawError) -> tuple[int, str | None]:
    if isinstance(error, NotEnlargedError):
        reason = error.__cause__
        return (_status_of(reason)[0] if isinstance(reason, DrawError) else 500), "not_enlarged"
    if isinstance(error, NotEnoughMemoryError) and error.argument in _SMALLER_HELPS:
        return 400, "not_enough_memory"
    return next(
        ((status, code) for kind, status, code in _STATUSES if isinstance(error, kind)), (500, None)
    )


def _field(argument: Argument, *, fields: Mapping[str, str]) -> str:
    name = json.dumps(fields.get(argument.name, argument.name))
    if not argument.source:
        return name
    try:
        return f"{name}: {json.dumps(ast.literal_eval(argument.source))}"
    except (ValueError, SyntaxError, TypeError):
        return f"{name}: {argument.source}"
