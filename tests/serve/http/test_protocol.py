"""Tests of connections: slow, invalid and smuggled requests end them, and nothing else."""

import asyncio
import json
import logging
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from gpustack_draw.serve.http import exchange as exchange_log
from gpustack_draw.serve.http import protocol
from gpustack_draw.serve.http.access import AccessRules
from gpustack_draw.serve.http.body_limits import Limits
from gpustack_draw.serve.http.errors import EXCEPTION_HANDLERS
from gpustack_draw.serve.http.middleware import protection
from gpustack_draw.serve.http.request_counts import RequestCounts

SECONDS = 0.5  # for headers
POST = b"POST / HTTP/1.1\r\nHost: localhost\r\n"
GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n"


async def answer(request: Request) -> Response:
    return PlainTextResponse(str(len(await request.body())))


async def slow(_request: Request) -> Response:
    await asyncio.sleep(2 * SECONDS)
    return PlainTextResponse("slow")


async def large(_request: Request) -> Response:
    return Response(b"x" * 30_000_000)


async def endless(_request: Request) -> Response:
    async def pieces() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 100_000
            await asyncio.sleep(0)

    return StreamingResponse(pieces())


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    patch = pytest.MonkeyPatch()
    patch.setattr(protocol, "HEADER_SECONDS", SECONDS)
    patch.setattr(exchange_log, "_SECONDS_TO_DISCARD", 0.2)
    patch.setattr(protocol, "READ_SECONDS", SECONDS)
    patch.setattr(protocol, "MAX_CONNECTIONS", 20)
    app = Starlette(
        routes=[
            Route("/", answer, methods=["GET", "POST"]),
            Route("/slow", slow),
            Route("/large", large),
            Route("/endless", endless),
        ],
        exception_handlers=EXCEPTION_HANDLERS,
        middleware=protection(AccessRules(), Limits(body_bytes=100_000), RequestCounts()),
    )
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(app, **protocol.UVICORN_OPTIONS))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        yield listening.getsockname()[1]
        server.should_exit = True
        thread.join()
    patch.undo()


@pytest.fixture(autouse=True)
def _no_traceback(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.INFO)
    yield
    assert [record for record in caplog.records if record.exc_info] == []
    assert "Traceback" not in caplog.text


def connect(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port))
    connection.settimeout(20)
    return connection


def read_all(connection: socket.socket) -> bytes:
    received = b""
    try:
        while piece := connection.recv(65536):
            received += piece
    except ConnectionResetError:
        pass
    return received


def sends_until_closed(connection: socket.socket, piece: bytes) -> int:
    """Send a piece 20 times a second until the server closes; return how often."""
    for count in range(50):
        try:
            connection.sendall(piece)
        except OSError:
            return count
        time.sleep(0.05)
    return 50


def exchange(port: int, request: bytes) -> bytes:
    """Send bytes, end the sending direction, and return all that is received."""
    with connect(port) as connection:
        with suppress(OSError):  # the server may have closed it
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
        return read_all(connection)


def statuses(received: bytes) -> list[int]:
    return [int(piece[:3]) for piece in received.split(b"HTTP/1.1 ")[1:]]


def test_requests_follow_each_other_on_one_connection(port: int) -> None:
    with connect(port) as connection:
        connection.sendall(POST + b"Content-Length: 2\r\n\r\nab" + GET + b"\r\n" + GET + b"\r\n")
        time.sleep(SECONDS / 2)
        connection.sendall(GET + b"Connection: close\r\n\r\n")
        assert statuses(read_all(connection)) == [200, 200, 200, 200]


@pytest.mark.parametrize(
    "start", [b"", b"GET / HTTP/1.1\r\nHost: loc", GET + b"\r\n" + GET, GET + b"\r\n"]
)
def test_headers_that_do_not_arrive_end_the_connection(port: int, start: bytes) -> None:
    with connect(port) as connection:
        began = time.monotonic()
        connection.sendall(start)
        read_all(connection)
        assert time.monotonic() - began >= SECONDS / 2


def test_a_header_now_and_then_does_not_keep_the_connection(port: int) -> None:
    with connect(port) as connection:
        connection.sendall(GET)
        assert sends_until_closed(connection, b"X: y\r\n") < 50


def test_bytes_after_a_response_do_not_keep_the_connection(port: int) -> None:
    with connect(port) as connection:
        connection.sendall(b"POST /none HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert sends_until_closed(connection, b"1\r\nx\r\n") < 50


def test_a_slow_response_is_not_limited_by_the_time_for_headers(port: int) -> None:
    with connect(port) as connection:
        connection.sendall(b"GET /slow HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert read_all(connection).endswith(b"slow")


@pytest.mark.parametrize("start", [GET + b"X: ", b"GET /"])
def test_headers_without_an_end_are_not_kept(port: int, start: bytes) -> None:
    # The answer can be lost, because the rest is not read.
    assert statuses(exchange(port, start + b"y" * 1_000_000)) in ([400], [])


@pytest.mark.parametrize("path", [b"/large", b"/endless"])
def test_a_client_that_does_not_read_loses_its_connection(port: int, path: bytes) -> None:
    with connect(port) as connection:
        connection.sendall(GET.replace(b" / ", b" " + path + b" ") + b"Connection: close\r\n\r\n")
        time.sleep(5 * SECONDS)
        assert 0 < len(read_all(connection)) < 30_000_000


def test_a_client_that_reads_slowly_gets_everything(port: int) -> None:
    with connect(port) as connection:
        connection.sendall(GET.replace(b" / ", b" /large ") + b"Connection: close\r\n\r\n")
        received = 0
        while piece := connection.recv(2_000_000):
            received += len(piece)
            time.sleep(0.02)
        assert received > 30_000_000


CHUNKED = POST + b"Transfer-Encoding: chunked\r\n"


@pytest.mark.parametrize(
    "request_bytes",
    [
        POST + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",
        POST + b"Content-Length: -1\r\n\r\n",
        POST + b"Content-Length: +4\r\n\r\nabcd",
        POST + b"Content-Length: 4 4\r\n\r\nabcd",
        POST + b"Content-Length: 0x4\r\n\r\nabcd",
        POST + b"Content-Length : 4\r\n\r\nabcd",
        POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
        POST + b"X: a\0b\r\n\r\n",
        POST + b"Host: other\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET  / HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: h\r\n\r\n",
        b"G\0T / HTTP/1.1\r\nHost: h\r\n\r\n",
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\r\n\r\n",
        b"\r\n\r\n\r\n",
    ],
)
def test_invalid_http_has_one_answer_in_json(port: int, request_bytes: bytes) -> None:
    received = exchange(port, request_bytes)
    assert statuses(received) == [400]
    body = json.loads(received.partition(b"\r\n\r\n")[2])
    assert body["error"]["message"] == "the request is not valid HTTP/1.1"


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: h\r\n\r\n",
        b"GET http://evil.example.org/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"CONNECT evil:80 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"TRACE / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"X" * 200 + b" / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ],
)
def test_unusual_requests_are_refused(port: int, request_bytes: bytes) -> None:
    received = statuses(exchange(port, request_bytes))
    assert received
    assert all(400 <= status < 500 for status in received)


SMUGGLED = GET.replace(b"GET /", b"GET /smuggled") + b"\r\n"


@pytest.mark.parametrize(
    "request_bytes",
    [
        # Either length alone would make the rest another request.
        CHUNKED + b"Content-Length: 3\r\n\r\n0\r\n\r\n",
        CHUNKED + b"Content-Length: 5\r\n\r\n0\r\n\r\n",
        CHUNKED + b"\r\n1\nx\n0\n\n",
        CHUNKED + b"\r\n1;a=b\nx\r\n0\r\n\r\n",
        CHUNKED + b"\r\n1\r\nxy0\r\n\r\n",
        CHUNKED + b"\r\n-1\r\nx\r\n0\r\n\r\n",
        CHUNKED + b"\r\n0x1\r\nx\r\n0\r\n\r\n",
        CHUNKED + b"\r\n" + b"f" * 21 + b"\r\nx\r\n0\r\n\r\n",
    ],
)
def test_a_second_request_cannot_be_hidden_in_a_body(port: int, request_bytes: bytes) -> None:
    received = exchange(port, request_bytes + SMUGGLED)
    assert 404 not in statuses(received)[:1]
    assert statuses(received) in ([400], [200, 404], [])


def test_an_invalid_body_after_the_response_has_no_second_answer(port: int) -> None:
    request = b"POST /none HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    with connect(port) as connection:
        connection.sendall(request)
        received = connection.recv(65536)
        connection.sendall(b"zz\r\n")
        assert statuses(received + read_all(connection)) == [403]


def test_a_body_over_the_limit_is_answered_although_the_client_still_sends(port: int) -> None:
    with connect(port) as connection:
        connection.sendall(POST + b"Content-Length: 150000\r\n\r\n")
        connection.sendall(b"x" * 150_000)
        assert statuses(read_all(connection)) == [413]


def test_a_body_is_not_asked_for_where_it_is_too_large(port: int) -> None:
    with connect(port) as connection:
        connection.sendall(POST + b"Content-Length: 150000\r\nExpect: 100-continue\r\n\r\n")
        assert statuses(read_all(connection)) == [413]


def test_an_upgrade_is_an_ordinary_request(port: int) -> None:
    upgrade = b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA==\r\n"
    for name in (b"websocket", b"h2c"):
        request = GET + b"Upgrade: " + name + b"\r\n" + upgrade + b"\r\n"
        assert statuses(exchange(port, request)) == [200]


def test_one_connection_too_many_is_refused(port: int) -> None:
    connections = [connect(port) for _ in range(21)]
    try:
        received = [read_all(connection) for connection in connections]
    finally:
        for connection in connections:
            connection.close()
    refused = [statuses(each) for each in received if each]
    assert refused == [[503]]
    assert b"too many connections" in b"".join(received)


def test_headers_of_a_proxy_are_not_believed(port: int, caplog: pytest.LogCaptureFixture) -> None:
    exchange(port, GET + b"X-Forwarded-For: 10.9.8.7\r\nForwarded: for=10.9.8.7\r\n\r\n")
    time.sleep(0.1)
    assert "10.9.8.7" not in caplog.text
