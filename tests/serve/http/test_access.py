"""Tests of hosts, origins and keys: only requests that may ask reach the application."""

import base64

import pytest
from asgi_calls import Reply, call
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from gpustack_draw.serve.http.access import AccessRules
from gpustack_draw.serve.http.body_limits import Limits
from gpustack_draw.serve.http.errors import EXCEPTION_HANDLERS
from gpustack_draw.serve.http.middleware import protection
from gpustack_draw.serve.http.request_counts import RequestCounts

KEY = "sk-0123456789"


async def answer(_request: Request) -> Response:
    return PlainTextResponse("ok")


def ask(rules: AccessRules, method: str = "GET", path: str = "/v1/models", **headers: str) -> Reply:
    paths = ("/v1/models", "/sdapi/v1/options", "/", "/health", "/version", "/page/page.js")
    app = Starlette(
        routes=[Route(each, answer, methods=["GET", "POST"]) for each in paths],
        exception_handlers=EXCEPTION_HANDLERS,
        middleware=protection(rules, Limits(), RequestCounts()),
    )
    return call(app, method, path, headers=[(n.replace("_", "-"), v) for n, v in headers.items()])


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.1:1234",
        "localhost:1234",
        "LOCALHOST",
        "localhost.:1234",
        "app.localhost",
        "[::1]:1234",
        "192.168.1.5:1234",
        "[fe80::1%25eth0]:1234",
        "cat.example.org",
        "Cat.Example.org.:80",
        "box",
        "",
    ],
)
def test_the_servers_own_names_and_addresses_pass(host: str) -> None:
    rules = AccessRules(host="box", allowed_hosts=("cat.example.ORG",))
    assert ask(rules, host=host).status == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example.org",
        "127.0.0.1.evil.example.org",
        "localhost.evil.example.org",
        "evillocalhost",
        "evil.example.org:1234",
        "127.0.0.1@evil.example.org",
        "[::1].evil.example.org",
        "127.0.0.1:x@evil.example.org",
        "2130706433.evil",
        "box, evil",
    ],
)
def test_other_names_are_refused_because_they_could_be_rebound(host: str) -> None:
    reply = ask(AccessRules(), host=host)
    assert (reply.status, reply.error["code"]) == (403, "host_not_allowed")


def test_a_refused_host_names_the_option() -> None:
    assert ask(AccessRules(), host="cat.lan:80").error["message"] == (
        "this server does not answer to the host 'cat.lan:80'; start it with --allowed-host cat.lan"
    )


def test_any_host_passes_where_that_was_typed() -> None:
    assert ask(AccessRules(allowed_hosts=("*",)), host="evil.example.org").status == 200


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("127.0.0.1:1234", "http://127.0.0.1:1234"),
        ("localhost:1234", "http://LOCALHOST:1234"),
        ("draw.example.org", "https://draw.example.org"),
        ("127.0.0.1:1234", "https://draw.example.org"),  # a proxy that changes the host
        ("127.0.0.1:1234", "https://other.example.org"),
    ],
)
def test_pages_of_the_server_and_of_allowed_origins_pass(host: str, origin: str) -> None:
    rules = AccessRules(
        allowed_hosts=("draw.example.org",), allowed_origins=("https://other.example.org",)
    )
    assert ask(rules, "POST", host=host, origin=origin).status == 200


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example.org",
        "http://127.0.0.1:3000",  # another program of the same machine
        "http://localhost:1234",
        "null",
        "",
        "file://",
        "http://127.0.0.1:1234.evil.example.org",
    ],
)
def test_pages_of_other_origins_are_refused(origin: str) -> None:
    reply = ask(AccessRules(), "POST", host="127.0.0.1:1234", origin=origin)
    assert (reply.status, reply.error["code"]) == (403, "origin_not_allowed")
    assert "access-control-allow-origin" not in reply.headers


def test_a_refused_origin_names_the_option() -> None:
    assert ask(AccessRules(), origin="http://cat.lan").error["message"] == (
        "pages of 'http://cat.lan' may not use this server;"
        " start it with --allowed-origin http://cat.lan"
    )


def test_the_origin_that_gpustack_forwards_passes() -> None:
    headers = {"origin": "http://cluster", "x_gpustack_model_instance": "model-8-9.static"}
    assert ask(AccessRules(), "POST", **headers).status == 200


def test_a_browser_may_not_ask_with_gpustacks_header() -> None:
    headers = {
        "origin": "http://evil.example.org",
        "access_control_request_method": "POST",
        "access_control_request_headers": "x-gpustack-model-instance",
    }
    assert ask(AccessRules(), "OPTIONS", **headers).status == 403
    allowing = AccessRules(allowed_origins=("http://cat.lan",))
    assert ask(allowing, "OPTIONS", **headers).status == 403


def test_an_allowed_origin_may_ask_first_without_the_key() -> None:
    rules = AccessRules(allowed_origins=("http://cat.lan",), api_key=KEY)
    reply = ask(
        rules,
        "OPTIONS",
        origin="http://cat.lan",
        access_control_request_method="POST",
        access_control_request_headers="authorization, content-type",
    )
    assert (reply.status, reply.headers["access-control-allow-origin"]) == (200, "http://cat.lan")
    reply = ask(rules, "POST", origin="http://cat.lan", authorization=f"Bearer {KEY}")
    assert (reply.status, reply.headers["access-control-allow-origin"]) == (200, "http://cat.lan")


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "authorization",
    [f"Bearer {KEY}", f"bearer  {KEY} ", basic(f"any:{KEY}"), basic(f":{KEY}"), basic(KEY)],
)
def test_the_key_opens_every_route(authorization: str) -> None:
    assert ask(AccessRules(api_key=KEY), authorization=authorization).status == 200


@pytest.mark.parametrize(
    ("authorization", "message"),
    [
        ("", "the API key is missing"),
        ("Bearer", "the API key is missing"),
        ("Bearer ", "the API key is missing"),
        (KEY, "the API key is missing"),
        (f"Digest {KEY}", "the API key is missing"),
        ("Basic Og==", "the API key is missing"),
        ("Basic %%%", "the API key is missing"),
        ("Basic /////w==", "the API key is missing"),
        (f"Bearer {KEY}x", "the API key is wrong"),
        (f"Bearer {KEY[:-1]}", "the API key is wrong"),
        (f"Bearer {KEY.upper()}", "the API key is wrong"),
        ("Bearer \xe9", "the API key is wrong"),
        ("Bearer " + "x" * 20_000, "the API key is wrong"),
        (basic(f"{KEY}:x"), "the API key is wrong"),
    ],
)
def test_without_the_key_nothing_answers(authorization: str, message: str) -> None:
    reply = ask(AccessRules(api_key=KEY), authorization=authorization)
    assert (reply.status, reply.error["code"]) == (401, "invalid_api_key")
    assert reply.error["message"] == f"{message}; send it as Authorization: Bearer KEY"
    assert reply.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("path", ["/", "/health", "/version", "/page/page.js"])
def test_pages_without_data_need_no_key(path: str) -> None:
    assert ask(AccessRules(api_key=KEY), path=path).status == 200


@pytest.mark.parametrize("path", ["/v1/models", "/page", "/pages/x", "//", "/health/", "/metrics"])
def test_every_other_path_needs_the_key_even_an_unknown_one(path: str) -> None:
    assert ask(AccessRules(api_key=KEY), path=path).status == 401


@pytest.mark.parametrize("path", ["/sdapi/v1/options", "/controlnet/model_list"])
def test_clients_of_web_uis_are_asked_for_a_password(path: str) -> None:
    reply = ask(AccessRules(api_key=KEY), path=path)
    assert reply.headers["www-authenticate"] == 'Basic realm="gpustack-draw"'


def test_without_a_key_any_authorization_passes() -> None:
    assert ask(AccessRules(), authorization="Basic Og==").status == 200
