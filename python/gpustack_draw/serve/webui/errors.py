"""Errors in the shape of the web UI, whose clients read ``detail`` if they read anything."""

from collections.abc import Mapping

from starlette.responses import Response

from gpustack_draw.errors import DrawError
from gpustack_draw.serve.http.errors import answer_for, json_response


def error_response(error: DrawError, fields: Mapping[str, str]) -> Response:
    """Return the response to a request that failed.

    It has the status of OpenAI's API and the body of AUTOMATIC1111's ``handle_exception``
    (modules/api/api.py); ``errors`` names the field.

    Args:
        error: The error.
        fields: Names of the fields that set arguments of the library.
    """
    answer = answer_for(error, fields)
    record = {
        "error": type(error).__name__,
        "detail": answer.message,
        "body": "",
        "errors": answer.param or "",
    }
    return json_response(record, status=answer.status, headers=answer.headers)
