"""Errors in the shape of the web UI, whose clients read ``detail`` if they read anything."""

from collections.abc import Mapping

from starlette.responses import Response

from gpustack_draw.errors import DrawError
from gpustack_draw.phrases import Argument, Phrase
from gpustack_draw.serve.http.errors import answer_for, json_response


def error_response(error: DrawError, fields: Mapping[str, str]) -> Response:
    """Return the response to a request that failed.

    It has the status of OpenAI's API and the body of AUTOMATIC1111's ``handle_exception``
    (modules/api/api.py); ``errors`` names the field.

    Args:
        error: The error, whose message is changed.
        fields: Names of the fields that set arguments of the library.
    """
    answer = answer_for(with_fields(error, fields))
    record = {
        "error": type(error).__name__,
        "detail": answer.message,
        "body": "",
        "errors": answer.param or "",
    }
    return json_response(record, status=answer.status, headers=answer.headers)


def with_fields(error: DrawError, fields: Mapping[str, str]) -> DrawError:
    """Name the fields instead of arguments in an error, and return it."""

    def renamed(text: str) -> str:
        if not isinstance(text, Phrase):
            return text
        return Phrase(
            *(
                Argument(fields.get(piece.name, piece.name), piece.source)
                if isinstance(piece, Argument)
                else piece
                for piece in text.pieces
            )
        )

    error.message, error.hint = renamed(error.message), renamed(error.hint)
    if error.argument is not None:
        error.argument = fields.get(error.argument, error.argument)
    return error
