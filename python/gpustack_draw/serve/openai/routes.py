"""The routes of OpenAI's images API."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from functools import partial
from typing import Any

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from gpustack_draw import DrawError, DrawRequest
from gpustack_draw.serve.context import Context
from gpustack_draw.serve.http.errors import HttpError
from gpustack_draw.serve.http.read_body import read_form, read_json, run_for
from gpustack_draw.serve.log import LOGGER
from gpustack_draw.serve.openai.drawing_response import DrawingResponse
from gpustack_draw.serve.openai.events import EDIT, GENERATION
from gpustack_draw.serve.openai.fields import GUIDANCE_SCALE, draw_request
from gpustack_draw.serve.openai.forms import form_values
from gpustack_draw.serve.openai.images_request import ImagesRequest, read_edit, read_generation
from gpustack_draw.serve.openai.model_list import ModelList
from gpustack_draw.serve.studio import Event, ServedModel
from gpustack_draw.untrusted import clean

_MOST_UNKNOWN = 100  # names of unknown fields that are remembered, to log each once
_MAX_NAME_LENGTH = 60


def routes(context: Context) -> list[BaseRoute]:
    """Return the routes of the API.

    Args:
        context: The options and the studio of the server.
    """
    api = ImagesApi(context)
    models = ModelList(context)
    return [
        Route("/v1/images/generations", api.generate, methods=["POST"]),
        Route("/v1/images/edits", api.edit, methods=["POST"]),
        Route("/v1/images/variations", api.vary, methods=["POST"]),
        Route("/v1/models", models.list_all, methods=["GET"]),
        Route("/v1/models/{name:path}", models.retrieve, methods=["GET"]),
    ]


class ImagesApi:
    """Draws for OpenAI's clients."""

    def __init__(self, context: Context) -> None:
        """Create the API of a server."""
        self._studio = context.studio
        self._unknown: set[str] = set()

    async def generate(self, request: Request) -> DrawingResponse:
        """Draw pictures from a prompt."""
        read = await run_for(request, read_generation, await read_json(request))
        return await self._respond(request, read, GENERATION)

    async def edit(self, request: Request) -> DrawingResponse:
        """Draw pictures from others, which a form has as files and JSON as data: URLs."""
        values: Mapping[str, Any]
        if request.headers.get("content-type", "").lower().startswith("multipart/"):
            values = form_values(await read_form(request))
        else:
            values = await read_json(request)
        read = await anyio.to_thread.run_sync(read_edit, values)  # decodes the mask
        return await self._respond(request, read, EDIT)

    async def vary(self, _request: Request) -> Response:
        """Refuse variations, which no model here was trained to draw.

        Raises:
            HttpError: Always.
        """
        raise HttpError(
            400,
            "variations are not supported",
            hint="send the picture to /v1/images/edits",
            code="unsupported",
        )

    async def _respond(self, sent: Request, request: ImagesRequest, kind: str) -> DrawingResponse:
        self._log_unknown(request.unknown)
        model = self._studio.find(request.model)
        distills = GUIDANCE_SCALE in request.drawing.values and await self._distills(model)
        drawing = await run_for(sent, partial(draw_request, request.drawing, distills=distills))
        return DrawingResponse(partial(self._draw, model, drawing, request), request.reply, kind)

    async def _draw(
        self, model: ServedModel, drawing: DrawRequest, request: ImagesRequest
    ) -> AsyncGenerator[Event, None]:
        reply = request.reply
        drawn = self._studio.draw(
            model, drawing, preview=reply.uses_previews, progress=reply.stream
        )
        try:
            async with aclosing(drawn) as events:
                async for event in events:
                    yield event
        except DrawError as error:
            raise request.drawing.named(error) from error.__cause__

    async def _distills(self, model: ServedModel) -> bool:
        return (await self._studio.plan(model)).defaults.guidance is not None

    def _log_unknown(self, names: tuple[str, ...]) -> None:
        """Log the fields that are ignored, each once."""
        if len(self._unknown) >= _MOST_UNKNOWN:
            return
        cleaned = dict.fromkeys(clean(name, _MAX_NAME_LENGTH) for name in names[:_MOST_UNKNOWN])
        new = [name for name in cleaned if name not in self._unknown]
        if new:
            self._unknown |= set(new)
            LOGGER.warning("ignored fields of a request: %s", clean(", ".join(new)))
