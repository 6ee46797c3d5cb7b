"""The addresses of the page and of the gallery: files, limits, names that do not exist."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from sample_picture import make_picture
from starlette.applications import Starlette

import gpustack_draw
from gpustack_draw.serve.http.errors import EXCEPTION_HANDLERS
from gpustack_draw.serve.page.routes import routes


class Server:
    """The routes of the page, with a studio whose pictures a test draws itself."""

    def __init__(self, output: Path | None = None) -> None:
        self.draw: Callable[[gpustack_draw.Picture], None]
        served = [SimpleNamespace(name="cat", reference="hf.co/owner/cat-GGUF")]
        listeners = SimpleNamespace(add=self._listen, settle=lambda: None)
        studio = SimpleNamespace(listeners=listeners, served=lambda: served)
        context = SimpleNamespace(options=SimpleNamespace(output=output), studio=studio)
        self._app = Starlette(
            routes=routes(context),  # type: ignore[arg-type]
            exception_handlers=EXCEPTION_HANDLERS,
        )

    def _listen(self, listener: Callable[[gpustack_draw.Picture], None]) -> None:
        self.draw = listener

    def get(self, path: str, **headers: str) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self._app)
            async with httpx.AsyncClient(transport=transport, base_url="http://page") as client:
                return await client.get(path, headers=headers)

        return asyncio.run(ask())


def test_the_page_and_its_files_are_asked_for_again_only_when_they_change() -> None:
    server = Server()
    for path in ("/", "/page/page.js", "/page/base.css", "/page/icon.svg"):
        answer = server.get(path)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-cache"
        again = server.get(path, **{"If-None-Match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
    assert server.get("/").headers["content-type"] == "text/html; charset=utf-8"
    assert server.get("/page/page.js").headers["content-type"] == "text/javascript; charset=utf-8"


@pytest.mark.parametrize("output", [False, True])
def test_pictures_are_listed_and_read(output: bool, tmp_path: Path) -> None:
    server = Server(tmp_path if output else None)
    for seed in (1, 2, 3):
        server.draw(make_picture(seed=seed, model="cat-Q4_0", reference="hf.co/owner/cat-GGUF"))
    listed = server.get("/gallery?limit=2").json()
    assert [each["seed"] for each in listed["data"]] == ["3", "2"]
    assert [each["served_model"] for each in listed["data"]] == ["cat", "cat"]
    assert listed["has_more"] is True
    rest = server.get(f"/gallery?after={listed['data'][1]['id']}").json()
    assert [each["seed"] for each in rest["data"]] == ["1"]
    assert rest["has_more"] is False
    picture = server.get(f"/gallery/{listed['data'][0]['id']}")
    assert picture.headers["content-type"] == "image/png"
    assert gpustack_draw.read_parameters(picture.content).seed == 3
    small = server.get(f"/gallery/{listed['data'][0]['id']}/thumbnail")
    assert small.headers["content-type"] == "image/jpeg"
    assert "private" in small.headers["cache-control"]


def test_the_name_of_a_model_that_is_not_served_is_unknown() -> None:
    server = Server()
    server.draw(make_picture(model="dog"))
    assert server.get("/gallery").json()["data"][0]["served_model"] is None


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("/page/nothing.js", 404, "the page has no such file"),
        ("/page/..%2froutes.py", 404, "this address does not exist"),
        ("/gallery/..%2f..%2fetc%2fpasswd", 404, "this address does not exist"),
        ("/gallery/nothing", 404, "the gallery has no such picture"),
        ("/gallery/nothing/thumbnail", 404, "the gallery has no such picture"),
        ("/gallery?after=nothing", 404, "the gallery has no such picture"),
        ("/gallery?limit=0", 400, "limit is not a number from 1 to 100"),
        ("/gallery?limit=101", 400, "limit is not a number from 1 to 100"),
        ("/gallery?limit=ten", 400, "limit is not a number from 1 to 100"),
        ("/gallery?limit=٣", 400, "limit is not a number from 1 to 100"),
    ],
)
@pytest.mark.parametrize("output", [False, True])
def test_wrong_addresses(
    path: str, status: int, message: str, output: bool, tmp_path: Path
) -> None:
    answer = Server(tmp_path if output else None).get(path)
    assert (answer.status_code, answer.json()["error"]["message"]) == (status, message)
