"""The addresses of the gallery."""

import functools
import re
from collections.abc import Callable
from typing import TypeVar

from anyio.to_thread import run_sync
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from gpustack_draw import Parameters
from gpustack_draw.serve.http.errors import HttpError, json_response
from gpustack_draw.serve.page.gallery import Gallery
from gpustack_draw.serve.page.stored_picture import thumbnail
from gpustack_draw.serve.studio import Studio

_DEFAULT_LIMIT = 24
_MAX_LIMIT = 100
_MAX_THUMBNAILS = 500
_MEDIA_TYPES = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"RIFF": "image/webp"}
# A picture never changes, because a changed file has another id. Only its reader may keep it.
_FOREVER = {"Cache-Control": "private, max-age=31536000, immutable"}

_Value = TypeVar("_Value")


def gallery_routes(gallery: Gallery, studio: Studio) -> list[BaseRoute]:
    """Return the routes of the gallery: its list, its pictures, and small copies of these."""

    @functools.lru_cache(_MAX_THUMBNAILS)
    def small_copy(picture_id: str) -> bytes:
        return thumbnail(gallery.read(picture_id))

    async def listing(request: Request) -> Response:
        limit = _limit_of(request)
        after = request.query_params.get("after")

        def read() -> dict[str, object]:
            studio.listeners.settle()  # a picture that was drawn is in the list
            page = gallery.newest(limit, after=after)
            data = [each.to_json(served_name(studio, each.parameters)) for each in page.pictures]
            return {"object": "list", "data": data, "has_more": page.has_more}

        return json_response(await _found(read), headers={"Cache-Control": "no-store"})

    async def picture(request: Request) -> Response:
        data = await _found(lambda: gallery.read(request.path_params["id"]))
        return Response(data, media_type=_media_type(data), headers=_FOREVER)

    async def small_picture(request: Request) -> Response:
        data = await _found(lambda: small_copy(request.path_params["id"]))
        return Response(data, media_type="image/jpeg", headers=_FOREVER)

    return [
        Route("/gallery", listing),
        Route("/gallery/{id}", picture),
        Route("/gallery/{id}/thumbnail", small_picture),
    ]


def served_name(studio: Studio, parameters: Parameters) -> str | None:
    """Return the name that the server has for the model of a picture, or ``None``."""
    names = {parameters.model, parameters.reference} - {""}
    served = studio.served()
    return next((each.name for each in served if {each.name, each.reference} & names), None)


async def _found(read: Callable[[], _Value]) -> _Value:
    """Call a function of the gallery in a thread.

    Raises:
        HttpError: It does not find the picture.
    """
    try:
        return await run_sync(read)
    except KeyError:
        raise HttpError(404, "the gallery has no such picture") from None


def _limit_of(request: Request) -> int:
    text = request.query_params.get("limit", str(_DEFAULT_LIMIT))
    if not re.fullmatch("[0-9]{1,3}", text) or not 1 <= int(text) <= _MAX_LIMIT:
        raise HttpError(400, f"limit is not a number from 1 to {_MAX_LIMIT}", param="limit")
    return int(text)


def _media_type(data: bytes) -> str:
    """Return the media type of a picture, by its first bytes."""
    found = (media_type for start, media_type in _MEDIA_TYPES.items() if data.startswith(start))
    return next(found, "application/octet-stream")
