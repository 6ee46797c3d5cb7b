"""Drawings of the page go on without their client, who can come back."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import httpx
import pytest
from asgi_calls import call_async
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from gpustack_draw.serve.http.errors import EXCEPTION_HANDLERS
from gpustack_draw.serve.page.drawing_routes import drawing_routes
from gpustack_draw.serve.page.drawings import MAX_FINISHED

ID = "0123456789abcdef" * 2


class ImagesApi:
    """Answers with the events that a test sends."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.events: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self.was_canceled = asyncio.Event()

    async def draw(self, request: Request) -> Response:
        self.bodies.append(await request.body())
        if request.headers["content-type"] == "text/plain":
            return JSONResponse({"error": {"message": "no"}}, 415)
        return StreamingResponse(self._stream(), media_type="text/event-stream")

    async def _stream(self) -> AsyncIterator[str]:
        try:
            while (event := await self.events.get()) is not None:
                yield f"data: {json.dumps(event)}\n\n"
        except asyncio.CancelledError:
            self.was_canceled.set()
            raise


class Client:
    """Reads the events of a drawing as a browser does, through the application's own interface."""

    def __init__(self, app: Starlette, method: str, path: str, body: bytes = b"{}") -> None:
        self.app, self.method, self.path, self.body = app, method, path, body
        self.status = 0
        self.received: asyncio.Queue[bytes] = asyncio.Queue()
        self.task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        first = [{"type": "http.request", "body": self.body, "more_body": False}]

        async def receive() -> Any:
            if first:
                return first.pop()
            return await asyncio.Event().wait()

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                self.status = message["status"]
            elif message.get("body"):
                self.received.put_nowait(message["body"])

        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": self.method,
            "path": self.path,
            "raw_path": self.path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(b"content-type", b"application/json")],
        }
        await self.app(scope, receive, send)

    async def event(self) -> Any:
        return json.loads((await asyncio.wait_for(self.received.get(), 10)).removeprefix(b"data:"))

    async def leave(self) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])


def run(test: Callable[[ImagesApi, Starlette], Coroutine[Any, Any, None]]) -> None:
    async def body() -> None:
        api = ImagesApi()
        app = Starlette(
            routes=[
                *drawing_routes(),
                Route("/v1/images/generations", api.draw, methods=["POST"]),
                Route("/v1/images/edits", api.draw, methods=["POST"]),
            ],
            exception_handlers=EXCEPTION_HANDLERS,
        )
        await test(api, app)

    asyncio.run(body())


def progress(step: int) -> dict[str, Any]:
    return {"type": "image_generation.progress", "step": step, "steps": 20}


COMPLETED = {"type": "image_generation.completed", "b64_json": "AAAA", "seed": 7}


@pytest.mark.parametrize("kind", ["generations", "edits"])
def test_a_drawing_has_the_body_and_the_events_of_the_images_api(kind: str) -> None:
    async def test(api: ImagesApi, app: Starlette) -> None:
        client = Client(app, "POST", f"/drawings/{ID}/{kind}", b'{"prompt": "a cat"}')
        api.events.put_nowait(progress(1))
        assert await client.event() == progress(1)
        api.events.put_nowait(COMPLETED)
        assert await client.event() == COMPLETED
        api.events.put_nowait(None)
        await client.task
        assert client.status == 200
        assert api.bodies == [b'{"prompt": "a cat"}']

    run(test)


def test_a_drawing_goes_on_when_its_client_leaves_and_can_be_followed_again() -> None:
    async def test(api: ImagesApi, app: Starlette) -> None:
        first = Client(app, "POST", f"/drawings/{ID}/generations")
        for step in (1, 2, 3):
            api.events.put_nowait(progress(step))
            await first.event()
        await first.leave()
        second = Client(app, "GET", f"/drawings/{ID}")
        assert await second.event() == progress(3)  # the latest one only
        api.events.put_nowait(COMPLETED)
        assert await second.event() == COMPLETED
        api.events.put_nowait(None)
        await second.task
        assert not api.was_canceled.is_set()

    run(test)


def test_a_finished_drawing_keeps_its_results_for_a_while() -> None:
    async def test(api: ImagesApi, app: Starlette) -> None:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://page") as client:
            ids = [f"{number:032x}" for number in range(MAX_FINISHED + 2)]
            for drawing_id in ids:
                for event in (progress(1), progress(2), COMPLETED, None):
                    api.events.put_nowait(event)
                await client.post(f"/drawings/{drawing_id}/generations", json={})
            answers = [await client.get(f"/drawings/{drawing_id}") for drawing_id in ids]
        assert [answer.status_code for answer in answers] == [404] + [200] * (MAX_FINISHED + 1)
        lines = answers[-1].text.split("\n\n")
        assert [json.loads(line[5:]) for line in lines if line] == [progress(2), COMPLETED]

    run(test)


def test_canceling_ends_the_request_and_its_clients() -> None:
    async def test(api: ImagesApi, app: Starlette) -> None:
        client = Client(app, "POST", f"/drawings/{ID}/generations")
        api.events.put_nowait(progress(1))
        await client.event()
        cancel = Client(app, "DELETE", f"/drawings/{ID}")
        await asyncio.wait_for(asyncio.gather(cancel.task, client.task), 10)
        assert cancel.status == 204
        assert api.was_canceled.is_set()

    run(test)


def test_a_drawing_that_has_not_begun_is_canceled_too() -> None:
    async def test(api: ImagesApi, app: Starlette) -> None:
        client = Client(app, "POST", f"/drawings/{ID}/generations")
        cancel = Client(app, "DELETE", f"/drawings/{ID}")
        await asyncio.wait_for(asyncio.gather(cancel.task, client.task), 10)
        assert (client.status, cancel.status) == (409, 204)
        assert api.bodies == []

    run(test)


def test_refusals_of_the_images_api_reach_the_page() -> None:
    async def test(api: ImagesApi, app: Starlette) -> None:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://page") as client:
            answer = await client.post(
                f"/drawings/{ID}/edits", content=b"x", headers={"Content-Type": "text/plain"}
            )
        assert answer.status_code == 415
        assert answer.json() == {"error": {"message": "no"}}

    run(test)


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("GET", f"/drawings/{ID}", 404, "there is no such drawing"),
        ("DELETE", f"/drawings/{ID}", 404, "there is no such drawing"),
        ("POST", f"/drawings/{ID}/variations", 404, "this address does not exist"),
        ("POST", "/drawings/short/generations", 404, "this address does not exist"),
        ("POST", f"/drawings/{ID.upper()}/generations", 404, "this address does not exist"),
        ("POST", f"/drawings/{'1' * 32}/generations", 409, "there is a drawing with this id"),
    ],
)
def test_wrong_addresses(method: str, path: str, status: int, message: str) -> None:
    async def test(api: ImagesApi, app: Starlette) -> None:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://page") as client:
            api.events.put_nowait(None)
            await client.post(f"/drawings/{'1' * 32}/generations", json={})
            answer = await client.request(method, path)
        assert answer.status_code == status
        assert answer.json()["error"]["message"] == message

    run(test)


def test_one_of_two_requests_with_one_id_draws() -> None:
    async def test(api: ImagesApi, app: Starlette) -> None:
        both_are_here = asyncio.Event()

        async def pieces() -> AsyncIterator[bytes]:
            await both_are_here.wait()
            yield b"{}"

        path, headers = f"/drawings/{ID}/generations", [("Content-Type", "application/json")]
        calls = [
            asyncio.create_task(call_async(app, "POST", path, headers=headers, pieces=pieces()))
            for _ in range(2)
        ]
        await asyncio.sleep(0)
        both_are_here.set()
        for _ in calls:
            api.events.put_nowait(None)
        replies = await asyncio.gather(*calls)
        assert sorted(reply.status for reply in replies) == [200, 409]
        assert len(api.bodies) == 1

    run(test)


def test_two_clients_follow_one_drawing() -> None:
    async def test(api: ImagesApi, app: Starlette) -> None:
        clients = [
            Client(app, "POST", f"/drawings/{ID}/generations"),
        ]
        api.events.put_nowait(progress(1))
        await clients[0].event()
        clients.append(Client(app, "GET", f"/drawings/{ID}"))
        assert await clients[1].event() == progress(1)
        for event in (COMPLETED, None):
            api.events.put_nowait(event)
        for client in clients:
            assert await client.event() == COMPLETED
            await client.task

    run(test)
