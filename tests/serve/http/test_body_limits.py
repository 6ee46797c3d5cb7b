"""Tests of limits: a client cannot send, hold or delay more than it may."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from asgi_calls import Reply, call, call_async
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Message

from gpustack_draw.serve.http import exchange
from gpustack_draw.serve.http.access import AccessRules
from gpustack_draw.serve.http.body_limits import Limits
from gpustack_draw.serve.http.errors import EXCEPTION_HANDLERS
from gpustack_draw.serve.http.middleware import protection
from gpustack_draw.serve.http.request_counts import RequestCounts

CHUNKED = [("transfer-encoding", "chunked")]
LIMITS = Limits(body_bytes=1000, held_bytes=1500, body_seconds=0.2, send_seconds=0.2)


@pytest.fixture(autouse=True)
def _discard_briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "_SECONDS_TO_DISCARD", 0.1)


async def length(request: Request) -> Response:
    return PlainTextResponse(str(len(await request.body())))


async def slow(request: Request) -> Response:
    await request.body()
    await asyncio.sleep(0.3)
    return PlainTextResponse("done")


async def stream(_request: Request) -> Response:
    async def pieces() -> AsyncIterator[str]:
        for number in range(3):
            yield str(number)
            await asyncio.sleep(0.1)

    return StreamingResponse(pieces())


def app(limits: Limits = LIMITS) -> Starlette:
    return Starlette(
        routes=[
            Route("/", length, methods=["POST"]),
            Route("/slow", slow, methods=["POST"]),
            Route("/stream", stream, methods=["POST"]),
        ],
        exception_handlers=EXCEPTION_HANDLERS,
        middleware=protection(AccessRules(), limits, RequestCounts()),
    )


def test_a_body_within_the_limit_arrives() -> None:
    assert call(app(), "POST", pieces=[b"x" * 400, b"", b"x" * 600]).body == b"1000"


@pytest.mark.parametrize(
    ("headers", "pieces"),
    [
        ([("content-length", "1001")], [b"x"]),
        ([("content-length", "9" * 400)], [b"x"]),
        ([], [b"x" * 600, b"x" * 401]),
        ([("content-length", "3")], [b"x" * 1001]),
    ],
)
def test_a_larger_body_is_refused(headers: list[tuple[str, str]], pieces: list[bytes]) -> None:
    reply = call(app(), "POST", headers=headers, pieces=pieces)
    assert (reply.status, reply.error["code"]) == (413, "request_too_large")
    assert reply.error["message"] == "the request has more than 1.00 kB; send smaller pictures"
    assert reply.headers["connection"] == "close"


@pytest.mark.parametrize("path", ["/", "/none"])
def test_the_rest_of_a_refused_body_is_read_so_that_the_client_gets_the_response(path: str) -> None:
    sent = 0

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(10):
            sent += 1
            yield b"x" * 150

    reply = call(app(), "POST", path, headers=CHUNKED, pieces=pieces())
    assert (reply.status, sent) == (404 if path == "/none" else 413, 10)


def test_an_endless_refused_body_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 100
            await asyncio.sleep(0.01)

    assert (
        call(app(Limits(body_bytes=500)), "POST", "/", headers=CHUNKED, pieces=endless()).status
        == 413
    )
    monkeypatch.setattr(exchange, "_BYTES_TO_DISCARD", 1000)
    monkeypatch.setattr(exchange, "_SECONDS_TO_DISCARD", 60)
    assert call(app(Limits()), "POST", "/none", headers=CHUNKED, pieces=endless()).status == 404


def test_the_rest_is_not_asked_for_where_the_client_waits() -> None:
    sent = 0

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(10):
            sent += 1
            yield b"x" * 150

    headers = [("content-length", "1500"), ("expect", "100-continue")]
    reply = call(app(), "POST", headers=headers, pieces=pieces())
    assert reply.status == 413
    assert sent <= 2  # those on their way


def test_a_slow_body_is_refused() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        while True:
            yield b"x"
            await asyncio.sleep(0.05)

    reply = call(app(), "POST", pieces=pieces())
    assert (reply.status, reply.error["code"]) == (408, "timeout")
    assert reply.error["message"] == "the request arrives too slowly"


def test_a_large_body_has_more_time() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(6):
            yield b"x" * 100
            await asyncio.sleep(0.05)

    limits = Limits(body_bytes=1000, body_seconds=0.2, body_rate=1000)
    assert call(app(limits), "POST", pieces=pieces()).body == b"600"


def test_the_response_may_take_longer_than_the_body() -> None:
    assert call(app(), "POST", "/slow", pieces=[b"x"]).body == b"done"


def test_all_bodies_together_are_limited_until_their_responses() -> None:
    async def ask() -> tuple[list[Reply], Reply]:
        server = app()
        first = [call_async(server, "POST", "/slow", pieces=[b"x" * 800]) for _ in range(2)]
        replies = await asyncio.gather(*first)
        return replies, await call_async(server, "POST", pieces=[b"x" * 800])

    (first, second), third = asyncio.run(ask())
    assert (first.status, second.status, third.status) == (200, 503, 200)
    assert second.error["message"] == "the server holds too many large requests"
    assert second.headers["retry-after"] == "5"


def test_a_client_that_reads_nothing_does_not_hold_the_application() -> None:
    async def ask() -> None:
        async def receive() -> Message:
            await asyncio.sleep(60)
            raise AssertionError

        async def send(_message: Message) -> None:
            await asyncio.sleep(60)

        scope = {"type": "http", "method": "POST", "path": "/stream", "headers": []}
        await asyncio.wait_for(app()(scope, receive, send), 5)

    asyncio.run(ask())
