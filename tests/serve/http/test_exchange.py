"""Tests of the log and of unexpected errors."""

import asyncio
import logging
import re

import pytest
from asgi_calls import Reply, call
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from gpustack_draw.errors import UsageError
from gpustack_draw.serve.http.access import AccessRules
from gpustack_draw.serve.http.body_limits import Limits
from gpustack_draw.serve.http.errors import EXCEPTION_HANDLERS
from gpustack_draw.serve.http.middleware import protection
from gpustack_draw.serve.http.request_counts import RequestCounts


async def answer(request: Request) -> Response:
    kind = request.path_params["kind"]
    if kind == "usage":
        raise UsageError("no", argument="size")
    if kind == "unexpected":
        raise KeyError("of the program")
    if kind == "stream":
        return StreamingResponse(broken_stream())
    if kind == "wait":
        await request.body()
    return PlainTextResponse("hello")


async def broken_stream():
    yield b"begun"
    raise UsageError("too late")


def ask(
    path: str, counts: RequestCounts | None = None, *, method: str = "POST", is_gone: bool = False
) -> Reply:
    app = Starlette(
        routes=[Route("/draw/{kind}", answer, methods=["POST"])],
        exception_handlers=EXCEPTION_HANDLERS,
        middleware=protection(AccessRules(api_key="key-1"), Limits(), counts or RequestCounts()),
    )
    headers = [("authorization", "Bearer key-1")]
    return call(app, method, path, headers=headers, pieces=[b"prompt"], is_gone=is_gone)


def lines(caplog: pytest.LogCaptureFixture, name: str = "gpustack_draw.serve.access") -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == name]


@pytest.fixture(autouse=True)
def _log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "gpustack_draw")


def without_time(line: str) -> str:
    return re.sub(r"\d+\.\d{3} s", "T s", line)


@pytest.mark.parametrize(
    ("path", "status", "line"),
    [
        ("/draw/a secret", 200, "127.0.0.1 POST /draw/{kind} 200 5 bytes T s"),
        ("/draw/usage", 400, "127.0.0.1 POST /draw/{kind} 400 92 bytes T s"),
        ("/draw/unexpected", 500, "127.0.0.1 POST /draw/{kind} 500 105 bytes T s"),
        ("/draw/stream", 200, "127.0.0.1 POST /draw/{kind} 200 5 bytes T s, incomplete"),
        ("/no\x1b[2J\nsuch", 404, "127.0.0.1 POST /no [2J such 404 115 bytes T s"),
    ],
)
def test_each_request_is_one_line_without_prompt_or_key(
    path: str, status: int, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert ask(path).status == status
    (logged,) = lines(caplog)
    assert without_time(logged) == line
    assert "key-1" not in caplog.text


def test_an_unexpected_error_is_logged_and_not_sent(caplog: pytest.LogCaptureFixture) -> None:
    reply = ask("/draw/unexpected")
    assert (reply.status, reply.error["message"]) == (500, "internal error")
    assert lines(caplog, "gpustack_draw.serve") == ["internal error"]
    assert "of the program" in caplog.text


def test_an_expected_error_has_no_traceback(caplog: pytest.LogCaptureFixture) -> None:
    reply = ask("/draw/usage")
    assert (reply.error["message"], reply.error["param"]) == ("no", "size")
    assert "Traceback" not in caplog.text


def test_a_stream_that_fails_ends_incomplete(caplog: pytest.LogCaptureFixture) -> None:
    reply = ask("/draw/stream")
    assert (reply.body, reply.is_complete) == (b"begun", False)
    assert "Traceback" in caplog.text or "ended early" in caplog.text


def test_a_client_that_is_gone_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    async def body_cut_off() -> None:
        app = Starlette(
            routes=[Route("/draw/{kind}", answer, methods=["POST"])],
            middleware=protection(AccessRules(), Limits(), RequestCounts()),
        )

        async def receive():
            return {"type": "http.disconnect"}

        async def send(_message):
            raise AssertionError

        scope = {"type": "http", "method": "POST", "path": "/draw/wait", "headers": []}
        await app(scope, receive, send)

    asyncio.run(body_cut_off())
    assert without_time(lines(caplog)[0]) == "- POST /draw/{kind} 499 0 bytes T s, incomplete"
    assert "Traceback" not in caplog.text


def test_requests_are_counted_by_route_so_that_paths_take_no_memory() -> None:
    counts = RequestCounts()
    for path in ("/draw/a", "/draw/b", "/x", "/y"):
        ask(path, counts)
    ask("/draw/a", counts, method="BREW")
    all_counts = counts.all()
    assert len(all_counts) <= 3
    kinds = [(kind.method, kind.status) for kind in all_counts]
    assert sorted(kinds) == [("POST", 200), ("POST", 404), ("other", 405)]


def test_every_response_has_the_headers_that_protect_pages() -> None:
    for path in ("/draw/a", "/draw/usage", "/draw/unexpected", "/none"):
        headers = ask(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["cache-control"] == "no-store"
