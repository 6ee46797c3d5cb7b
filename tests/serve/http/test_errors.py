"""Tests of errors as responses: the status tells a client whether to try again."""

import json

import pytest
from sample_picture import make_picture
from starlette.exceptions import HTTPException

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
    OutputError,
    UsageError,
)
from gpustack_draw.phrases import phrase
from gpustack_draw.serve.http.errors import HttpError, answer_for, error_response, json_response
from gpustack_draw.serve.studio.busy import (
    InterruptedDrawingError,
    NotLoadedError,
    QueueFullError,
    TimeLimitError,
)


@pytest.mark.parametrize(
    ("error", "status", "code", "kind"),
    [
        (UsageError("x"), 400, None, "invalid_request_error"),
        (NotYetSupportedError("x"), 400, "unsupported", "invalid_request_error"),
        (ModelNotFoundError("x"), 404, "model_not_found", "invalid_request_error"),
        (ModelFileError("x"), 400, "model_unusable", "invalid_request_error"),
        (NotEnoughMemoryError("x", argument="size"), 400, "not_enough_memory", None),
        (NotEnoughMemoryError("x", argument="model"), 500, "not_enough_memory", None),
        (FetchError("x"), 502, "fetch_failed", "server_error"),
        (EngineCrashed("x", last_lines=("secret",)), 500, "engine_crashed", "server_error"),
        (BlankPictureError("x"), 500, "blank_picture", "server_error"),
        (EngineError("x"), 500, "engine_failed", "server_error"),
        (OutputError("x"), 500, None, "server_error"),
        (DrawError("x"), 500, None, "server_error"),
        (TimeLimitError("x"), 504, "timeout", "server_error"),
        (InterruptedDrawingError("x"), 499, "interrupted", "invalid_request_error"),
        (QueueFullError("x"), 503, "queue_full", "server_error"),
        (NotLoadedError("x"), 503, "loading", "server_error"),
        (HttpError(413, "x", code="too_large"), 413, "too_large", "invalid_request_error"),
    ],
)
def test_an_error_has_its_status(
    error: DrawError, status: int, code: str | None, kind: str | None
) -> None:
    answer = answer_for(error)
    assert (answer.status, answer.code, answer.message) == (status, code, "x")
    assert kind is None or answer.record["error"]["type"] == kind


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        (NotEnoughMemoryError("x", argument="size"), 400),
        (NotEnoughMemoryError("x", argument="model"), 500),
        (EngineCrashed("x"), 500),
        (None, 500),
    ],
)
def test_a_picture_that_was_not_enlarged_has_the_status_of_the_reason(
    reason: DrawError | None, status: int
) -> None:
    error = NotEnlargedError("drawn, but not enlarged", picture=make_picture())
    error.__cause__ = reason
    answer = answer_for(error)
    assert (answer.status, answer.code, answer.param) == (status, "not_enlarged", "upscale")


def test_an_error_is_written_in_openais_shape() -> None:
    error = UsageError("sample_steps is 0", hint="type 1 or more", argument="sample_steps")
    response = error_response(error)
    assert (response.status_code, response.media_type) == (400, "application/json")
    assert json.loads(response.body) == {
        "error": {
            "message": "sample_steps is 0; type 1 or more",
            "type": "invalid_request_error",
            "param": "sample_steps",
            "code": None,
        }
    }


def test_arguments_in_a_message_are_fields_of_json() -> None:
    hint = phrase("try {size='native'}, {sample_steps=20} or another {sampler}, {x=numpy.int8(1)}")
    assert answer_for(UsageError("no", hint=hint)).message == (
        'no; try "size": "native", "sample_steps": 20 or another "sampler", "x": numpy.int8(1)'
    )


def test_a_busy_server_states_when_to_try_again() -> None:
    response = error_response(QueueFullError("the queue is full", retry_after=7))
    assert (response.status_code, response.headers["retry-after"]) == (503, "7")


def test_an_unexpected_error_is_not_described() -> None:
    answer = answer_for(KeyError("/etc/secret"))
    assert (answer.status, answer.message, answer.code) == (500, "internal error", "internal_error")


def test_an_unknown_address_has_openais_shape_too() -> None:
    assert answer_for(HTTPException(404)).message == "this address does not exist"
    answer = answer_for(HTTPException(405, headers={"Allow": "POST"}))
    assert (answer.message, answer.headers) == (
        "this address does not answer this method",
        {"Allow": "POST"},
    )


def test_half_a_surrogate_pair_can_be_answered() -> None:
    assert json_response({"a": "\ud800"}).body == b'{"a": "\\ud800"}'
