"""Errors while a GPUStack server draws: one message and hint each, and no file left."""

import json
import os
import time
from collections.abc import Mapping

import pytest
from fake_models import blank_png, png
from loopback_gpustack import NEW, OLD, LoopbackGpustack
from server_commands import NAME, NOT_GPUSTACK, PROMPT, FailingCommand

import gpustack_draw
from gpustack_draw.cli.main import main

pytestmark = pytest.mark.usefixtures("empty_folder", "short_waits")

LOG_HINT = "try again; if this happens again, check the log of the model's instance"


# --- drawing --------------------------------------------------------------------------------------


def test_a_rejected_request_shows_the_backends_message(
    old: LoopbackGpustack, capsys: pytest.CaptureFixture[str]
) -> None:
    message = 'Illegal param: "size" must be at most 512'
    error = {"error": {"code": 400, "message": message, "type": "Bad Request"}, "detail": message}
    old.fail("/images/", status=400, body=json.dumps(error).encode())
    assert FailingCommand(capsys, old.url).run(NAME) == (
        1,
        f"GPUStack 0.7.1 at URL rejects the request (400): {message}",
        "change the value that the message names",
    )
    assert len(old.drawings()) == 1


WRAPPED = (
    "An unexpected error occurred: Worker request failed: 1 POST"
    " http://127.0.0.1:10150/v1/images/generations status=422, error="
)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"detail": "no such thing"}, "no such thing"),
        ({"error": {"message": WRAPPED + '{"detail": "bad size"}', "code": 503}}, "bad size"),
        ({"error": {"message": WRAPPED + "plain words", "code": 503}}, "plain words"),
        (
            {
                "detail": [
                    {"loc": ["body", "guidance_scale"], "msg": "should be less than 20"},
                    {"loc": ["body"], "msg": "is odd"},
                ]
            },
            "guidance_scale: should be less than 20; is odd",
        ),
    ],
)
def test_a_request_rejected_by_a_new_backend(
    new: LoopbackGpustack,
    capsys: pytest.CaptureFixture[str],
    body: Mapping[str, object],
    message: str,
) -> None:
    status = 503 if "error" in body else 422
    new.fail("/images/", status=status, body=json.dumps(body).encode())
    assert FailingCommand(capsys, new.url).run(NAME) == (
        1,
        f"GPUStack 2.3.0 at URL rejects the request (422): {message}",
        "change the value that the message names",
    )
    assert len(new.drawings()) == 1


def test_a_size_that_is_too_large_for_the_model(
    old: LoopbackGpustack, capsys: pytest.CaptureFixture[str]
) -> None:
    old.add("small", meta={"max_width": 1024, "max_height": 768})
    assert FailingCommand(capsys, old.url).run("small", "--size", "2000x512") == (
        2,
        "'2000x512' is too large for 'small' on this server: it draws 1024x768 at most",
        "for example --size 1024x768",
    )
    assert old.drawings() == []


INSTANCE_HINT = (
    "try again; if this happens again, check the log of the model's instance on the server's web"
    " page"
)


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (500, b"{}", ""),
        (500, b"<html>oops</html>", ""),
        (504, b'{"error": {"message": "Request to worker 1 timed out", "code": 504}}', "504"),
        (503, b"Cannot connect to\x1b[31m\nhost", "Cannot connect to [31m host"),
        (503, b"", ""),
    ],
)
def test_a_server_that_fails(
    old: LoopbackGpustack,
    capsys: pytest.CaptureFixture[str],
    status: int,
    body: bytes,
    message: str,
) -> None:
    suffix = {"": "", "504": ": Request to worker 1 timed out"}.get(message, f": {message}")
    old.fail("/images/", status=status, body=body)
    assert FailingCommand(capsys, old.url).run(NAME) == (
        1,
        f"GPUStack 0.7.1 at URL could not draw with 'sd-turbo' ({status}){suffix}",
        INSTANCE_HINT,
    )
    # Repeated twice if the instance was lost; not repeated without Retry-After otherwise.
    assert len(old.drawings()) == (3 if "Cannot connect" in message else 1)


@pytest.mark.parametrize(
    ("status", "headers", "times"),
    [(503, {"Retry-After": "0"}, 2), (429, {"Retry-After": "0"}, 2), (429, {}, 2)],
)
def test_a_busy_server_is_retried(
    old: LoopbackGpustack, status: int, headers: Mapping[str, str], times: int
) -> None:
    old.fail("/images/", status=status, headers=headers, times=times)
    assert main([NAME, PROMPT, "-q"]) == 0
    assert len(old.drawings()) == times + 1


def test_a_server_that_stays_busy(
    old: LoopbackGpustack, capsys: pytest.CaptureFixture[str]
) -> None:
    old.fail("/images/", status=429, body=b'{"detail": "slow down"}')
    assert FailingCommand(capsys, old.url).run(NAME) == (
        1,
        "URL has too many requests (429): slow down",
        "try again later, or with fewer pictures",
    )
    assert len(old.drawings()) == 3


def test_a_long_retry_after_is_an_error(
    old: LoopbackGpustack, capsys: pytest.CaptureFixture[str]
) -> None:
    old.fail("/images/", status=503, headers={"Retry-After": "86400"})
    status, message, _ = FailingCommand(capsys, old.url).run(NAME)
    assert (status, message) == (1, "GPUStack 0.7.1 at URL could not draw with 'sd-turbo' (503)")


NO_PICTURE = (
    1,
    "the response of URL contains no picture",
    "the instance of 'sd-turbo' may have stopped: check its log on the server's web page",
)


@pytest.mark.parametrize(
    "fault",
    [
        {"cut": 2},
        {"lines": [b'data: {"data": [{"progressed_steps": 1, "progress_steps": 4}]}']},
        {"lines": [b'data: {"data": [{"finish_reason": "stop", "b64_json": ""}]}']},
        {"lines": [b'data: {"data": []}', b"", b": nothing", b"data: [DONE]"]},
    ],
)
def test_a_stream_that_ends_without_a_picture(
    old: LoopbackGpustack, capsys: pytest.CaptureFixture[str], fault: Mapping[str, object]
) -> None:
    old.fail("/images/", **fault)
    assert FailingCommand(capsys, old.url).run(NAME) == NO_PICTURE
    assert len(old.drawings()) == 1


def test_an_empty_answer_is_retried_once(
    old: LoopbackGpustack, capsys: pytest.CaptureFixture[str]
) -> None:
    old.fail("/images/", lines=[])
    old.faults[0].times = 1
    assert main([NAME, PROMPT, "-q", "--output", "cat.png"]) == 0
    os.remove("cat.png")
    capsys.readouterr()
    old.requests.clear()
    old.faults.clear()
    old.fail("/images/", status=200, body=b"")
    assert FailingCommand(capsys, old.url).run(NAME) == NO_PICTURE
    assert [body.get("stream") for body in old.drawings()] == [True, None]


@pytest.mark.parametrize(
    "body",
    [b'{"data": []}', b'{"data": [{}]}', b'{"data": [{"b64_json": null, "url": "http://x/"}]}'],
)
def test_an_object_without_a_picture(
    new: LoopbackGpustack, capsys: pytest.CaptureFixture[str], body: bytes
) -> None:
    new.fail("/images/", status=200, body=body)
    assert FailingCommand(capsys, new.url).run(NAME) == NO_PICTURE


def test_an_incomplete_object(new: LoopbackGpustack, capsys: pytest.CaptureFixture[str]) -> None:
    new.fail("/images/", cut=100)
    assert FailingCommand(capsys, new.url).run(NAME) == NO_PICTURE


@pytest.mark.parametrize(
    "body", [b"picture", b'{"data": [{"b64_json": "iVBO', b"[" * 100_000, b"\xff{}"]
)
def test_an_answer_that_is_not_json(
    new: LoopbackGpustack, capsys: pytest.CaptureFixture[str], body: bytes
) -> None:
    new.fail("/images/", status=200, body=body)
    assert FailingCommand(capsys, new.url).run(NAME) == (
        1,
        "the response of URL is not valid JSON",
        "check that this is the address of the GPUStack server itself",
    )


def test_an_html_page_instead_of_a_picture(
    new: LoopbackGpustack, capsys: pytest.CaptureFixture[str]
) -> None:
    new.fail("/images/", status=200, body=b"<html>Log in</html>", content_type="text/html")
    assert FailingCommand(capsys, new.url).run(NAME) == (
        1,
        "URL is not a GPUStack server",
        NOT_GPUSTACK,
    )


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (b"no picture at all", "it is truncated, or not a PNG, JPEG or WebP file"),
        (png(64, 64)[:2000], "it is truncated, or not a PNG, JPEG or WebP file"),
    ],
)
def test_a_damaged_picture(
    old: LoopbackGpustack, capsys: pytest.CaptureFixture[str], picture: bytes, message: str
) -> None:
    old.fail("/images/", picture=picture)
    assert FailingCommand(capsys, old.url).run(NAME) == (
        1,
        f"the picture from URL is damaged: {message}",
        LOG_HINT,
    )


def test_a_picture_that_is_not_base64(
    new: LoopbackGpustack, capsys: pytest.CaptureFixture[str]
) -> None:
    new.fail("/images/", status=200, body=b'{"data": [{"b64_json": "a*b"}]}')
    assert FailingCommand(capsys, new.url).run(NAME) == (
        1,
        "the picture from URL is damaged: it is not base64",
        LOG_HINT,
    )


@pytest.mark.parametrize(
    ("line", "status", "message"),
    [
        (
            b'data: {"error": {"message": "Service unavailable.", "code": 503}}',
            1,
            "GPUStack 0.7.1 at URL could not draw with 'sd-turbo' (503): Service unavailable.",
        ),
        (
            b'{"error": {"message": "Internal server error: x", "code": 500}}',
            1,
            "GPUStack 0.7.1 at URL could not draw with 'sd-turbo' (500): Internal server error: x",
        ),
        (
            b'error: {"code": 400, "message": "Illegal param", "type": "Bad Request"}',
            1,
            "GPUStack 0.7.1 at URL rejects the request (400): Illegal param",
        ),
        (
            b'data: {"data": [{"finish_reason": "length"}]}',
            1,
            "GPUStack 0.7.1 at URL could not draw with 'sd-turbo': the drawing ended with 'length'",
        ),
    ],
)
def test_an_error_in_the_middle_of_a_stream(
    old: LoopbackGpustack,
    capsys: pytest.CaptureFixture[str],
    line: bytes,
    status: int,
    message: str,
) -> None:
    step = b'data: {"data": [{"progressed_steps": 1, "progress_steps": 4, "b64_json": ""}]}'
    old.fail("/images/", lines=[step, line])
    assert FailingCommand(capsys, old.url).run(NAME)[:2] == (status, message)


def test_a_slow_server_times_out(new: LoopbackGpustack, capsys: pytest.CaptureFixture[str]) -> None:
    new.fail("/images/", seconds=3)
    start = time.monotonic()
    assert FailingCommand(capsys, new.url).run(NAME, "--timeout", "0.3") == (
        1,
        "URL returned no picture within 0.3 seconds",
        "increase --timeout, or request fewer pictures with --count",
    )
    assert time.monotonic() - start < 2


def test_a_slow_stream_times_out(old: LoopbackGpustack, capsys: pytest.CaptureFixture[str]) -> None:
    old.steps = 100
    old.fail("/images/", seconds=0.05)
    status, message, _ = FailingCommand(capsys, old.url).run(NAME, "--timeout", "0.4")
    assert (status, message) == (1, "URL returned no picture within 0.4 seconds")


@pytest.mark.parametrize("release", [OLD, NEW])
def test_an_answer_longer_than_any_picture(
    old: LoopbackGpustack,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    release: str,
) -> None:
    monkeypatch.setattr("gpustack_draw.gpustack_server.picture_client._BYTES_PER_PIXEL", 1e-3)
    old.release = release
    status, message, _ = FailingCommand(capsys, old.url).run(NAME)
    assert (status, message) == (1, "the response of URL is too long")


LARGER_HINT = (
    "the instance of 'sd-turbo' ignores the requested size: check its parameters on the server's"
    " web page"
)


@pytest.mark.parametrize(
    ("size", "asked"),
    [((2049, 2048), "256x256"), ((8192, 8192), "2048x2048"), ((8193, 1), "256x256")],
)
def test_a_picture_far_larger_than_requested_is_not_decoded(
    new: LoopbackGpustack,
    capsys: pytest.CaptureFixture[str],
    size: tuple[int, int],
    asked: str,
) -> None:
    new.fail("/images/", picture=blank_png(*size))
    assert FailingCommand(capsys, new.url).run(NAME, "--size", asked) == (
        1,
        f"URL sent a picture of {size[0]}x{size[1]} pixels instead of {asked}",
        LARGER_HINT,
    )


@pytest.mark.parametrize(
    ("size", "asked"),
    [((256, 256), "64x64"), ((1024, 1024), "64x64"), ((2304, 2048), "2100x2000")],
)
def test_a_server_may_round_the_size_or_choose_its_own(
    new: LoopbackGpustack, size: tuple[int, int], asked: str
) -> None:
    new.fail("/images/", picture=blank_png(*size))
    picture = gpustack_draw.generate(NAME, PROMPT, size=asked)
    assert picture.size == size


def test_the_library_raises_the_same_errors(old: LoopbackGpustack) -> None:
    with pytest.raises(gpustack_draw.ModelNotFoundError) as caught:
        gpustack_draw.generate("none", PROMPT)
    assert caught.value.exit_status == 3
    old.fail("/images/", status=500)
    with pytest.raises(gpustack_draw.ServerError):
        gpustack_draw.generate(NAME, PROMPT)
