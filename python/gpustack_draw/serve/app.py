"""The application: the routes of all parts of the server."""

from starlette.applications import Starlette
from starlette.routing import BaseRoute

from gpustack_draw.serve.context import Context
from gpustack_draw.serve.http import health, metrics
from gpustack_draw.serve.http.errors import EXCEPTION_HANDLERS
from gpustack_draw.serve.http.middleware import middleware
from gpustack_draw.serve.openai import routes as openai
from gpustack_draw.serve.page import routes as page
from gpustack_draw.serve.webui import routes as webui


def create_app(context: Context) -> Starlette:
    """Return the application, with the checks of hosts, keys and limits.

    Args:
        context: The options and the studio, which is started before the first request.
    """
    routes: list[BaseRoute] = [
        *health.routes(context),
        *metrics.routes(context),
        *openai.routes(context),
        *webui.routes(context),
        *page.routes(context),
    ]
    return Starlette(
        routes=routes, exception_handlers=EXCEPTION_HANDLERS, middleware=middleware(context)
    )
