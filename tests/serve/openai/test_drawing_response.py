"""Responses while they are drawn: streams, errors, and clients that close the connection."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest
from sample_picture import make_picture
from starlette.requests import ClientDisconnect

from gpustack_draw import EngineCrashed, NotEnlargedError, UsageError
from gpustack_draw.serve.openai import event_stream
from gpustack_draw.serve.openai.drawing_response import DrawingResponse
from gpustack_draw.serve.openai.events import GENERATION
from gpustack_draw.serve.openai.reply_options import ReplyOptions
from gpustack_draw.serve.studio import Accepted, Drawn, Event
from gpustack_draw.serve.studio.busy import QueueFullError

PICTURE = make_picture()
ACCEPTED = Accepted((PICTURE.settings,))
STREAM, PLAIN = ReplyOptions(stream=True), ReplyOptions()
Drawing = Callable[[], AsyncGenerator[Event, None]]


class Client:
    """The other end of a connection.

    Attributes:
        status: HTTP status of the response; 0 before it was sent.
        headers: Its headers.
        body: What was received.
        reads: Whether it reads what is sent; else the server gives up sending.
    """

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""
        self._gone = asyncio.Event()
        self.reads = True

    def leave(self) -> None:
        """Close the connection."""
        self._gone.set()

    async def request(self, draw: Drawing, options: ReplyOptions) -> None:
        """Receive a response until its end."""
        response = DrawingResponse(draw, options, GENERATION)
        await response({"type": "http"}, self._receive, self._send)

    async def _receive(self) -> dict[str, Any]:
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        await asyncio.sleep(0)
        if not self.reads and self.status:
            raise ConnectionError
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            self.body += message["body"]


def respond(draw: Drawing, options: ReplyOptions) -> Client:
    async def run() -> Client:
        client = Client()
        await asyncio.wait_for(client.request(draw, options), 10)
        return client

    return asyncio.run(run())


async def draw_one() -> AsyncGenerator[Event, None]:
    yield ACCEPTED
    yield Drawn(0, PICTURE)


def failing(error: Exception, *before: Event) -> Drawing:
    async def draw() -> AsyncGenerator[Event, None]:
        for event in before:
            yield event
        raise error

    return draw


def test_a_reply_is_json_and_a_stream_is_sent_unbuffered() -> None:
    client = respond(draw_one, PLAIN)
    assert (client.status, client.headers["content-type"]) == (200, "application/json")
    assert int(client.headers["content-length"]) == len(client.body)
    assert json.loads(client.body)["data"][0]["seed"] == 7
    client = respond(draw_one, STREAM)
    assert (client.status, client.headers["content-type"]) == (200, "text/event-stream")
    assert (client.headers["cache-control"], client.headers["x-accel-buffering"]) == (
        "no-cache",
        "no",
    )


@pytest.mark.parametrize("options", [PLAIN, STREAM])
def test_an_error_before_the_drawing_has_its_status(options: ReplyOptions) -> None:
    client = respond(failing(QueueFullError("the queue is full", retry_after=7)), options)
    assert (client.status, client.headers["retry-after"]) == (503, "7")
    assert json.loads(client.body)["error"]["code"] == "queue_full"
    client = respond(failing(UsageError("too large", argument="size")), options)
    assert (client.status, json.loads(client.body)["error"]["param"]) == (400, "size")


@pytest.mark.parametrize("options", [PLAIN, STREAM])
def test_pictures_that_were_drawn_before_an_error_are_not_lost(options: ReplyOptions) -> None:
    error = NotEnlargedError("drawn, but not enlarged", picture=PICTURE, hint="draw a smaller one")
    client = respond(failing(error, ACCEPTED, Drawn(0, PICTURE)), options)
    record = {
        "message": "drawn, but not enlarged; draw a smaller one",
        "type": "server_error",
        "param": "upscale",
        "code": "not_enlarged",
    }
    if options is PLAIN:
        reply = json.loads(client.body)
        assert (client.status, reply.keys()) == (500, {"error", "data"})
        assert (reply["error"], [item["seed"] for item in reply["data"]]) == (record, [7])
        return
    completed, failed = (json.loads(line[6:]) for line in client.body.split(b"\n\n")[:-1])
    assert (completed["type"], completed["seed"]) == ("image_generation.completed", 7)
    assert failed == {"error": record}


def test_an_error_of_a_drawing_is_the_last_event_of_its_stream() -> None:
    error = EngineCrashed("the engine ended while it drew", hint="ask again")
    client = respond(failing(error, ACCEPTED), STREAM)
    assert client.status == 200
    assert client.body.startswith(b"data: ")
    assert client.body.endswith(b"}\n\n")
    assert json.loads(client.body.removeprefix(b"data: ")) == {
        "error": {
            "message": "the engine ended while it drew; ask again",
            "type": "server_error",
            "param": None,
            "code": "engine_crashed",
        }
    }
    client = respond(failing(error, ACCEPTED), PLAIN)
    assert (client.status, json.loads(client.body)["error"]["code"]) == (500, "engine_crashed")


def test_an_unexpected_error_is_raised_and_ends_a_stream_without_its_words() -> None:
    async def run(options: ReplyOptions, *before: Event) -> Client:
        client = Client()
        with pytest.raises(ZeroDivisionError):
            await client.request(failing(ZeroDivisionError("secret"), *before), options)
        return client

    assert asyncio.run(run(PLAIN, ACCEPTED)).status == 0  # the server responds
    assert asyncio.run(run(STREAM)).status == 0
    client = asyncio.run(run(STREAM, ACCEPTED))
    assert b'"internal error"' in client.body
    assert b"secret" not in client.body


@pytest.mark.parametrize("options", [PLAIN, STREAM])
@pytest.mark.parametrize("before", [(), (ACCEPTED,), (ACCEPTED, Drawn(0, PICTURE))])
def test_a_drawing_ends_when_its_client_leaves(
    options: ReplyOptions, before: tuple[Event, ...]
) -> None:
    ended = []

    async def run() -> None:
        client, waits = Client(), asyncio.Event()

        async def draw() -> AsyncGenerator[Event, None]:
            try:
                for event in before:
                    yield event
                waits.set()
                await asyncio.sleep(60)
            finally:
                ended.append(True)

        task = asyncio.create_task(client.request(draw, options))
        await waits.wait()
        client.leave()
        with pytest.raises(ClientDisconnect):
            await asyncio.wait_for(task, 5)

    asyncio.run(run())
    assert ended == [True]


def test_a_silent_stream_has_comments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "SECONDS_OF_SILENCE", 0.02)

    async def draw() -> AsyncGenerator[Event, None]:
        yield ACCEPTED
        await asyncio.sleep(0.2)
        yield Drawn(0, PICTURE)

    lines = respond(draw, STREAM).body.split(b"\n\n")
    comments, (completed, end) = lines[:-2], lines[-2:]
    assert len(comments) >= 2
    assert set(comments) == {b": waiting"}
    assert (completed[:6], end) == (b"data: ", b"")


@pytest.mark.parametrize("seconds", [0.0, 0.2])
def test_a_drawing_ends_when_its_client_does_not_read(
    monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    monkeypatch.setattr(event_stream, "SECONDS_OF_SILENCE", 0.02)
    ended = []

    async def draw() -> AsyncGenerator[Event, None]:
        try:
            yield ACCEPTED
            await asyncio.sleep(seconds)
            yield Drawn(0, PICTURE)
            await asyncio.sleep(60)
        finally:
            ended.append(True)

    async def run() -> None:
        client = Client()
        client.reads = False
        with pytest.raises((ConnectionError, ClientDisconnect)):
            await asyncio.wait_for(client.request(draw, STREAM), 5)

    asyncio.run(run())
    assert ended == [True]
