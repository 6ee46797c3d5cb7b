"""``/health``, the state of the server for programs that watch it, and ``/version``."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

import gpustack_draw
from gpustack_draw.serve.context import Context
from gpustack_draw.serve.http.errors import error_response, json_response
from gpustack_draw.serve.studio import NotLoadedError

_SECONDS_TO_LOAD = 2


def routes(context: Context) -> list[BaseRoute]:
    """Return ``GET /health`` and ``GET /version``, which need no key.

    ``/health`` is 200 once the first model is loaded, and 503 before. It waits for nothing, so that
    it answers at once while a picture is drawn or a model loaded. ``/version`` is that of GPUStack,
    with the name of this program: clients of GPUStack ask it first.
    """

    async def health(_request: Request) -> Response:
        state = context.studio.load_state()
        if state.name == "ready":
            return json_response({"status": "ok"})
        if state.name == "loading":
            message = "the server loads its first model"
            return error_response(NotLoadedError(message, retry_after=_SECONDS_TO_LOAD))
        # This route needs no key, and the reason can contain paths of the server.
        return error_response(NotLoadedError("the first model cannot be loaded"))

    async def version(_request: Request) -> Response:
        return json_response({"version": gpustack_draw.__version__, "product": "gpustack-draw"})

    return [Route("/health", health), Route("/version", version)]
