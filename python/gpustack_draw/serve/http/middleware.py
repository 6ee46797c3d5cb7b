"""The whole protection around an application, as Starlette's middleware."""

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from gpustack_draw.serve.context import Context
from gpustack_draw.serve.http.access import AccessRules, Check
from gpustack_draw.serve.http.body_limits import BodyLimits, Limits
from gpustack_draw.serve.http.exchange import ExchangeLog
from gpustack_draw.serve.http.request_counts import RequestCounts


def middleware(context: Context) -> list[Middleware]:
    """Return the protection that a server's options describe, outermost first."""
    options = context.options
    rules = AccessRules(
        options.host, options.allowed_hosts, options.allowed_origins, options.api_key
    )
    return protection(rules, Limits(), context.request_counts)


def protection(rules: AccessRules, limits: Limits, counts: RequestCounts) -> list[Middleware]:
    """Return the middleware that lets only requests within the rules and limits pass.

    Args:
        rules: Who may ask.
        limits: How much, and how long.
        counts: Counts the requests.

    Returns:
        The middleware from the outermost to the innermost.
    """
    stack = [Middleware(ExchangeLog, counts), Middleware(Check, rules.check_sender)]
    if rules.allowed_origins:  # before the key, which a browser does not send when it asks first
        stack.append(
            Middleware(
                CORSMiddleware,
                allow_origins=rules.allowed_origins,
                allow_methods=("GET", "POST"),
                allow_headers=("Authorization", "Content-Type"),
            )
        )
    return [*stack, Middleware(Check, rules.check_key), Middleware(BodyLimits, limits)]
