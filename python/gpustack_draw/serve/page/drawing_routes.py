"""The addresses of the page's drawings."""

import re

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route
from starlette.types import Scope

from gpustack_draw.serve.http.errors import HttpError
from gpustack_draw.serve.page.drawings import Drawing, Drawings

_ID = re.compile(r"[0-9a-f]{32}")
_IMAGES_API = {"generations": "/v1/images/generations", "edits": "/v1/images/edits"}


def drawing_routes() -> list[BaseRoute]:
    """Return the routes that start, follow and cancel a drawing under an id that the page chose.

    The body and the answer of a new drawing are those of the images API.
    """
    drawings = Drawings()

    async def start(request: Request) -> Response:
        path = _IMAGES_API.get(request.path_params["kind"])
        drawing_id = request.path_params["id"]
        if path is None or not _ID.fullmatch(drawing_id):
            raise HttpError(404, "this address does not exist")
        body = await request.body()  # while others may start one with this id
        if drawings.find(drawing_id) is not None:
            raise HttpError(409, "there is a drawing with this id")
        scope = _scope_of(request, path)
        return await _answer(drawings.start(drawing_id, request.app.router, scope, body))

    async def follow(request: Request) -> Response:
        return await _answer(known(request))

    async def cancel(request: Request) -> Response:
        await known(request).cancel()
        return Response(status_code=204)

    def known(request: Request) -> Drawing:
        drawing = drawings.find(request.path_params["id"])
        if drawing is None:
            raise HttpError(404, "there is no such drawing")
        return drawing

    return [
        Route("/drawings/{id}", follow),
        Route("/drawings/{id}", cancel, methods=["DELETE"]),
        Route("/drawings/{id}/{kind}", start, methods=["POST"]),
    ]


def _scope_of(request: Request, path: str) -> Scope:
    """Return the scope of the same request to another address of the application."""
    of_this_route = {"endpoint", "path_params", "route", "router"}
    kept = {name: value for name, value in request.scope.items() if name not in of_this_route}
    full = request.scope.get("root_path", "") + path
    return {**kept, "path": full, "raw_path": full.encode(), "query_string": b""}


async def _answer(drawing: Drawing) -> Response:
    await drawing.started()
    if not drawing.status:
        raise HttpError(409, "the drawing was canceled")
    headers = {name: value for name, value in drawing.headers.items() if name != "content-length"}
    return StreamingResponse(drawing.follow(), drawing.status, headers)
