"""The addresses of the page: its files, the gallery, and drawings that outlive a reload."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from gpustack_draw.serve.context import Context
from gpustack_draw.serve.http.errors import HttpError
from gpustack_draw.serve.page.drawing_routes import drawing_routes
from gpustack_draw.serve.page.folder_gallery import FolderGallery
from gpustack_draw.serve.page.gallery import Gallery
from gpustack_draw.serve.page.gallery_routes import gallery_routes
from gpustack_draw.serve.page.memory_gallery import MemoryGallery
from gpustack_draw.serve.page.static_files import INDEX, StaticFile, read_static_files


def routes(context: Context) -> list[BaseRoute]:
    """Return the routes of the page, and keep the pictures that are drawn from now on."""
    output = context.options.output
    gallery: Gallery = MemoryGallery() if output is None else FolderGallery(output)
    context.studio.listeners.add(gallery.add)
    return [*_static_routes(), *gallery_routes(gallery, context.studio), *drawing_routes()]


def _static_routes() -> list[BaseRoute]:
    static = read_static_files()

    async def page(request: Request) -> Response:
        return _static_response(static[INDEX], request)

    async def file(request: Request) -> Response:
        found = static.get(request.path_params["name"])
        if found is None:
            raise HttpError(404, "the page has no such file")
        return _static_response(found, request)

    return [Route("/", page), Route("/page/{name}", file)]


def _static_response(file: StaticFile, request: Request) -> Response:
    headers = {"Cache-Control": "no-cache", "ETag": file.etag}
    if request.headers.get("if-none-match") == file.etag:
        return Response(status_code=304, headers=headers)
    return Response(file.content, media_type=file.media_type, headers=headers)
