"""The routes of OpenAI's API with the embedded model."""

import asyncio
import base64
import io
import json
import logging
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from input_files import encoded
from PIL import Image
from served import ServedProcess, options_of
from upscaling_models import random_weights, write_weights

import gpustack_draw
from gpustack_draw.serve.app import create_app
from gpustack_draw.serve.context import Context
from gpustack_draw.serve.studio import Studio

pytestmark = pytest.mark.engine

PROMPT = "a red circle on a blue background"
QUICK = {"prompt": PROMPT, "size": "64x64", "seed": 7, "sample_steps": 1}


@pytest.fixture
def client(demo_server: ServedProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{demo_server.url}/v1", timeout=240) as http:
        yield http


GREEN = encoded(Image.new("RGB", (64, 64), "green"))


def picture_of(response: httpx.Response, index: int = 0) -> Image.Image:
    assert response.status_code == 200, response.text
    text = response.json()["data"][index]["b64_json"]
    return Image.open(io.BytesIO(base64.b64decode(text)))


def error_of(response: httpx.Response) -> tuple[int, str | None, str | None]:
    error = response.json()["error"]
    return response.status_code, error["param"], error["code"]


def test_the_list_of_models_has_the_defaults_of_each(client: httpx.Client) -> None:
    listed = client.get("/models").json()
    (model,) = listed["data"]
    assert (listed["object"], model["id"], model["object"]) == ("list", "demo", "model")
    meta = model["meta"]
    known = {name: meta.pop(name) for name in ("samplers", "schedulers", "gpustack_draw")}
    assert known == {
        "samplers": list(gpustack_draw.SAMPLERS),
        "schedulers": list(gpustack_draw.SCHEDULERS),
        "gpustack_draw": gpustack_draw.__version__,
    }
    assert meta == {
        "streams": True,
        "loras": [],
        "upscalers": [],
        "max_width": 2048,
        "max_height": 2048,
        "seed": -1,
        "family": "flux2-klein",
        "default_width": 256,
        "default_height": 256,
        "native_width": 256,
        "native_height": 256,
        "sample_method": "euler",
        "schedule_method": "discrete",
        "sampling_steps": 4,
        "cfg_scale": 1.0,
        "size_multiple": 16,
        "modes": ["txt2img", "edit", "img2img", "inpaint"],
        "image_use": "reference",
    }


def test_the_values_of_the_list_draw_what_the_model_draws_without_them(
    client: httpx.Client,
) -> None:
    """GPUStack's playground copies them into every request, and sends null for a random seed."""
    meta = client.get("/models").json()["data"][0]["meta"]
    names = ("sample_method", "sampling_steps", "schedule_method", "cfg_scale", "strength")
    copied = {name: meta[name] for name in names if name in meta}
    body = {"model": "any", "prompt": PROMPT, "n": 1, "size": "64x64", "stream": False, **copied}
    plain = client.post("/images/generations", json={"prompt": PROMPT, "size": "64x64", "seed": 3})
    same = client.post("/images/generations", json={**body, "seed": 3})
    assert picture_of(plain).tobytes() == picture_of(same).tobytes()
    random = client.post("/images/generations", json={**body, "seed": None, "sampling_steps": 1})
    assert 0 <= random.json()["data"][0]["seed"] < 2**32


def test_a_size_is_rounded_up_and_the_reply_names_it(client: httpx.Client) -> None:
    response = client.post("/images/generations", json={**QUICK, "size": "50x60"})
    assert response.json()["size"] == "64x64"
    assert picture_of(response).size == (64, 64)


def test_a_form_of_the_playground_edits_the_white_area(client: httpx.Client) -> None:
    mask = Image.new("RGBA", (64, 64), "black")
    mask.paste("white", (0, 0, 32, 64))
    files = {"image": ("a.png", GREEN, "image/png"), "mask": ("m.png", encoded(mask), "image/png")}
    fields = {"model": "demo", "n": "1", "response_format": "b64_json", "stream": "false"}
    drawn = picture_of(client.post("/images/edits", data={**QUICK, **fields}, files=files))
    assert drawn.crop((48, 0, 64, 64)).tobytes() == Image.new("RGB", (16, 64), "green").tobytes()
    assert drawn.crop((0, 0, 32, 64)).getextrema() != ((0, 0), (128, 128), (0, 0))


@pytest.mark.parametrize(
    "names", [("image[0]", "image[1]"), ("image", "ref_image"), ("image[]",) * 2]
)
def test_several_pictures_of_a_form_reach_the_model(
    client: httpx.Client, names: tuple[str, str]
) -> None:
    files = [(name, (f"{name}.png", GREEN, "image/png")) for name in names]
    response = client.post("/images/edits", data=QUICK, files=files)
    assert response.status_code == 200, response.text
    assert response.json()["parameters"]["references"] == 2


def test_an_edit_in_json_has_data_urls(client: httpx.Client) -> None:
    url = f"data:image/png;base64,{base64.b64encode(GREEN).decode()}"
    body = {**QUICK, "images": [{"image_url": url}], "strength": 0.5}
    response = client.post("/images/edits", json=body)
    assert response.json()["parameters"]["mode"] == "img2img"
    assert picture_of(response).size == (64, 64)


@pytest.mark.parametrize(
    ("path", "request_", "expected"),
    [
        ("/images/variations", {"json": {}}, (400, None, "unsupported")),
        ("/images/generations", {"content": b"prompt=x"}, (400, None, None)),
        (
            "/images/generations",
            {"data": {"prompt": "x"}},
            (415, None, "unsupported_media_type"),
        ),
        ("/images/edits", {"data": QUICK}, (415, None, "unsupported_media_type")),
        ("/images/generations", {"json": {**QUICK, "size": "4096x64"}}, (400, "size", None)),
        ("/images/generations", {"json": {**QUICK, "loras": ["style"]}}, (400, "loras", None)),
        (
            "/images/generations",
            {"json": {**QUICK, "loras": ["/etc/passwd"]}},
            (400, "loras", None),
        ),
        ("/images/generations", {"json": {**QUICK, "upscale": "../x"}}, (400, "upscale", None)),
        (
            "/images/edits",
            {"data": QUICK, "files": {"image": ("a.png", b"x", "image/png")}},
            (400, "image", None),
        ),
        (
            "/images/generations",
            {"json": {**QUICK, "stream": True, "size": "4096x64"}},
            (400, "size", None),
        ),
    ],
)
def test_wrong_requests_have_errors_of_openai(
    client: httpx.Client,
    path: str,
    request_: dict[str, Any],
    expected: tuple[int, str | None, str | None],
) -> None:
    response = client.post(path, **request_)
    assert error_of(response) == expected
    assert response.json()["error"]["type"] == "invalid_request_error"


def test_other_addresses_and_models_have_errors_of_openai(client: httpx.Client) -> None:
    assert error_of(client.get("/models/other")) == (404, "model", "model_not_found")
    assert error_of(client.get("/other")) == (404, None, None)
    assert error_of(client.get("/images/generations")) == (405, None, None)


@pytest.mark.parametrize("stream", [False, True])
def test_the_engine_is_free_after_a_client_has_left(client: httpx.Client, stream: bool) -> None:
    endless = {**QUICK, "sample_steps": 10_000, "n": 10, "stream": stream}
    if stream:
        with client.stream("POST", "/images/generations", json=endless) as response:
            next(line for line in response.iter_lines() if line.startswith(": step"))
    else:
        with pytest.raises(httpx.TimeoutException):
            client.post("/images/generations", json=endless, timeout=2)
    assert picture_of(client.post("/images/generations", json=QUICK)).size == (64, 64)


def test_fields_that_are_ignored_are_logged_once_by_name(caplog: pytest.LogCaptureFixture) -> None:
    async def ask(http: httpx.AsyncClient) -> None:
        for body in ({"foo": 1, "bar\n": 2}, {"foo": 3}):
            response = await http.post("/v1/images/generations", json={**QUICK, **body})
            assert response.status_code == 200, response.text

    with caplog.at_level(logging.WARNING):
        asyncio.run(with_app(ask, "demo"))
    lines = [record.getMessage() for record in caplog.records if "ignored" in record.getMessage()]
    assert lines == ["ignored fields of a request: foo, bar"]


def test_upscaling_models_are_named_as_the_list_of_models_has_them(tmp_path: Path) -> None:
    file = write_weights(tmp_path / "twice.gguf", random_weights(1, 2, seed=1))

    async def ask(http: httpx.AsyncClient) -> None:
        (model,) = (await http.get("/v1/models")).json()["data"]
        (name,) = model["meta"]["upscalers"]
        for field, size in (({"upscale": name}, (128, 128)), ({"hires": 2}, (128, 128))):
            more = {"hires_upscaler": name, "hires_steps": 1} if "hires" in field else {}
            response = await http.post("/v1/images/generations", json={**QUICK, **field, **more})
            assert picture_of(response).size == size
            assert str(tmp_path) not in response.text
        for field_name in ("upscale", "hires_upscaler"):
            body = {**QUICK, "hires": 2, field_name: "other"}
            response = await http.post("/v1/images/generations", json=body)
            assert error_of(response) == (400, field_name, None)

    asyncio.run(with_app(ask, "demo", "--upscaler", str(file)))


async def with_app(ask: Callable[[httpx.AsyncClient], Awaitable[None]], *arguments: str) -> None:
    """Call a function with a client of the application in this process."""
    options = options_of(*arguments)
    async with Studio(options) as studio:
        await studio.ready()
        transport = httpx.ASGITransport(create_app(Context(options, studio)))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
            await ask(http)


def test_a_stream_is_lines_of_data_and_comments(client: httpx.Client) -> None:
    options = {"stream": True, "stream_options": {"progress": True}}
    response = client.post("/images/generations", json={**QUICK, **options, "sample_steps": 2})
    assert response.headers["content-type"] == "text/event-stream"
    lines = response.text.split("\n\n")
    assert lines.pop() == ""
    assert all(line.startswith(("data: {", ": ")) and "\n" not in line for line in lines)
    assert any(line.startswith(": step ") for line in lines)
    events = [json.loads(line[6:]) for line in lines if line.startswith("data: ")]
    assert {event["type"] for event in events} == {
        "image_generation.progress",
        "image_generation.completed",
    }
    # A step that is over before its event was sent is skipped.
    steps = [event["step"] for event in events if event.get("phase") == "sample"]
    assert steps == sorted(set(steps) & {0, 1, 2})
