"""The whole protection around an application, as Starlette's middleware."""

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from gpustack_draw.serve.http.access import AccessRules, HostCheck, KeyCheck
from gpustack_draw.serve.http.body_limits import BodyLimits, Limits
from gpustack_draw.serve.http.exchange import ExchangeLog
from gpustack_draw.serve.http.request_counts import RequestCounts


def protection(rules: AccessRules, limits: Limits, counts: RequestCounts) -> list[Middleware]:
    """Return the middleware that lets only requests within the rules and limits pass.

    Args:
        rules: Who may ask.
        limits: How much, and how long.
        counts: Counts the requests.

    Returns:
        The middleware from the outermost to the innermost.
    """
    stack = [Middleware(ExchangeLog, counts), Middleware(HostCheck, rules)]
    if rules.allowed_origins:  # before the key, which a browser does not send when it asks first
        stack.append(
            Middleware(
                CORSMiddleware,
                allow_origins=rules.allowed_origins,
                allow_methods=("GET", "POST"),
                allow_headers=("Authorization", "Content-Type"),
            )
        )
    return [*stack, Middleware(KeyCheck, rules), Middleware(BodyLimits, limits)]
