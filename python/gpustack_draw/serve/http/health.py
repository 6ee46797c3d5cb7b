"""The route for those who watch the server."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from gpustack_draw.serve.context import Context
from gpustack_draw.serve.http.errors import json_response


def routes(context: Context) -> list[BaseRoute]:
    """Return ``GET /health``: 200 once the first model is loaded, 503 before."""

    async def health(_request: Request) -> Response:
        state = context.studio.load_state()
        if state.name == "ready":
            return json_response({"status": "ok"})
        return json_response({"status": state.name}, status=503, headers={"Retry-After": "1"})

    return [Route("/health", health)]
