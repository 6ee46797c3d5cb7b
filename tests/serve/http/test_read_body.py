"""Tests of bodies: JSON objects and forms are read within limits, anything else is refused."""

import asyncio
import json
import threading
from typing import Any

import pytest
from asgi_calls import Reply, call
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gpustack_draw.serve.http.errors import EXCEPTION_HANDLERS, json_response
from gpustack_draw.serve.http.form import MAX_FIELD_BYTES, MAX_FIELDS, MAX_FILES
from gpustack_draw.serve.http.read_body import read_form, read_json, run_for


async def answer_json(request: Request) -> Response:
    return json_response(await read_json(request))


async def answer_form(request: Request) -> Response:
    parts = await read_form(request)
    return json_response([[name, repr(content)] for name, content in parts])


APP = Starlette(
    routes=[
        Route("/json", answer_json, methods=["POST"]),
        Route("/form", answer_form, methods=["POST"]),
    ],
    exception_handlers=EXCEPTION_HANDLERS,
)


def test_only_a_large_body_is_read_in_a_thread_of_its_own() -> None:
    def names_read_for(body: bytes) -> tuple[str, str]:
        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body}

        async def run() -> str:
            request = Request({"type": "http", "headers": []}, receive)
            return await run_for(request, lambda: threading.current_thread().name)

        return threading.current_thread().name, asyncio.run(run())

    own, small = names_read_for(b" " * 16384)
    assert small == own
    own, large = names_read_for(b" " * 16385)
    assert large != own


def post_json(body: bytes, content_type: str | None = "application/json") -> Reply:
    headers = [] if content_type is None else [("content-type", content_type)]
    return call(APP, "POST", "/json", headers=headers, pieces=[body])


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "Application/JSON; charset=UTF-8",
        'application/json;charset="utf-8"',
        "application/problem+json",
        None,
    ],
)
def test_an_object_is_read(content_type: str | None) -> None:
    assert post_json('{"prompt": "猫 \\ud83d\\ude00"}'.encode(), content_type).json == {
        "prompt": "猫 😀"
    }


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "the body is not valid JSON: Expecting value: line 1 column 1 (char 0)"),
        (b"\xff{}", "the body is not valid JSON: byte 0 is not UTF-8"),
        (b"\xef\xbb\xbf{}", None),
        ('{"a": 1}'.encode("utf-16"), "the body is not valid JSON: byte 0 is not UTF-8"),
        (b'{"a": NaN}', "the body is not valid JSON: NaN is not JSON"),
        (b'{"a": -Infinity}', "the body is not valid JSON: -Infinity is not JSON"),
        (b'{"a": 1e999}', "the body is not valid JSON: not a finite number"),
        (b'{"a": ' + b"9" * 5000 + b"}", "the body is not valid JSON: too many digits"),
        (b"[" * 100_000, "the body is not valid JSON: nested too deeply"),
        (b'{"a":' * 100_000, "the body is not valid JSON: nested too deeply"),
        (b"[" + b"0," * 100_000 + b"0]", "the body is not valid JSON: too many values"),
        (b"[" + b'""' * 200_100 + b"]", "the body is not valid JSON: too many values"),
        (b'["' + b"\\n" * 2_000_001 + b'"]', "the body is not valid JSON: too many escapes"),
        (b"[]", 'the body is not an object of JSON; send {"prompt": "..."}'),
        (b'"text"', 'the body is not an object of JSON; send {"prompt": "..."}'),
        (b"null", 'the body is not an object of JSON; send {"prompt": "..."}'),
        (b'{"a": "\\ud800"}', "the body has half a surrogate pair, which is no character"),
        (b'{"a": [{"\\uDFFF": 1}]}', "the body has half a surrogate pair, which is no character"),
        (b'{"a": "\\ude00\\ud83d"}', "the body has half a surrogate pair, which is no character"),
        (b"{'a': 1}", None),
        (b'{"a": 1} {"b": 2}', None),
        (b'{"a": "\0"}', None),
    ],
)
def test_other_json_is_refused(body: bytes, message: str | None) -> None:
    reply = post_json(body)
    assert reply.status == 400
    assert message is None or reply.error["message"] == message


NOT_JSON = ", not application/json; send the header Content-Type: application/json"


@pytest.mark.parametrize(
    ("content_type", "message"),
    [
        (
            "application/x-www-form-urlencoded",
            f"the body is 'application/x-www-form-urlencoded'{NOT_JSON}",
        ),
        (
            "text/plain",  # which a page of another site can send without asking
            f"the body is 'text/plain'{NOT_JSON}",
        ),
        ("application/json; charset=utf-7", "the body's charset is 'utf-7', not utf-8"),
        ("application/json;CHARSET=utf-16", "the body's charset is 'utf-16', not utf-8"),
    ],
)
def test_other_types_are_refused(content_type: str, message: str) -> None:
    reply = post_json(b'{"prompt": "cat"}', content_type)
    assert (reply.status, reply.error["code"]) == (415, "unsupported_media_type")
    assert reply.error["message"] == message


def part(header: str, content: bytes) -> bytes:
    return b"--XX\r\n" + header.encode() + b"\r\n\r\n" + content + b"\r\n"


def post_form(body: bytes, content_type: str = "multipart/form-data; boundary=XX") -> Reply:
    return call(APP, "POST", "/form", headers=[("content-type", content_type)], pieces=[body])


FIELD = "Content-Disposition: form-data; name="
FILE = FIELD + '"image[]"; filename="../../etc/passwd"\r\nContent-Type: image/png'


def test_the_parts_of_a_form_keep_their_order_and_repeated_names() -> None:
    body = part(FIELD + '"prompt"', "a 猫".encode()) + part(FILE, b"\x89PNG\r\n--X")
    body += part(FIELD + '"n"', b"1") + part(FIELD + "n", b"2") + part(FILE, b"") + b"--XX--\r\n"
    assert post_form(body).json == [
        ["prompt", "'a 猫'"],
        ["image[]", repr(b"\x89PNG\r\n--X")],
        ["n", "'1'"],
        ["n", "'2'"],
        ["image[]", "b''"],
    ]


END = b"--XX--\r\n"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "the form is not complete"),
        (b"--XX\r\n", "the form is not complete"),
        (part(FIELD + '"a"', b"1"), "the form is not complete"),
        (b"no boundary", "the body is not a valid form"),
        (part(FIELD + '"a"\r\nX' + "y" * 9000 + ": 1", b"1") + END, None),
        (part("Content-Type: text/plain", b"1") + END, "a part of the form has no name"),
        (part('Content-Disposition: form-data; name=""', b"") + END, None),
        (part('Content-Disposition: attachment; name="a"', b"") + END, None),
        (part(FIELD + '"a"', b"\xff") + END, "'a' in the form is not UTF-8 text"),
        (part(FIELD + '"' + "a" * 201 + '"', b"") + END, None),
        (part(FIELD + '"a"', b"") * (MAX_FIELDS + 1) + END, "the form has more than 200 fields"),
        (part(FILE, b"") * (MAX_FILES + 1) + END, "the form has more than 20 files"),
        (
            part(FIELD + '"image"', b"x" * (MAX_FIELD_BYTES + 1)) + END,
            "'image' has more than 262144 bytes; send a picture as a file, with a file name",
        ),
    ],
)
def test_other_forms_are_refused(body: bytes, message: str | None) -> None:
    reply = post_form(body)
    assert reply.status == 400
    assert message is None or reply.error["message"] == message


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("multipart/form-data", 400),
        ("multipart/form-data; boundary=", 400),
        ("multipart/form-data; boundary=" + "x" * 300, 400),
        ("multipart/form-data; boundary=XX; charset=utf-7", 415),
        ("multipart/mixed; boundary=XX", 415),
        ("application/json", 415),
    ],
)
def test_other_types_of_forms_are_refused(content_type: str, status: int) -> None:
    body = part(FIELD + '"a"', b"1") + END
    assert post_form(body, content_type).status == status


def test_a_form_of_random_bytes_is_refused() -> None:
    values: Any = json.dumps(list(range(1000))).encode()
    assert post_form(b"--XX\r\n" + values).status == 400
