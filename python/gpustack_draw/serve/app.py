"""The application: the routes of all parts of the server."""

from starlette.applications import Starlette
from starlette.routing import BaseRoute

from gpustack_draw.serve.context import Context
from gpustack_draw.serve.http import health
from gpustack_draw.serve.http.errors import EXCEPTION_HANDLERS


def create_app(context: Context) -> Starlette:
    """Return the application, without the checks of keys and hosts.

    Args:
        context: The options and the studio, which is started before the first request.
    """
    routes: list[BaseRoute] = [*health.routes(context)]
    return Starlette(routes=routes, exception_handlers=EXCEPTION_HANDLERS)
