"""Errors of changing pictures on a GPUStack server: one message and hint each, and no file left."""

import json
import time
from typing import Any

import pytest
from fake_models import plain_png
from input_files import noise
from loopback_gpustack import LoopbackGpustack
from PIL import Image
from server_commands import NAME, PROMPT, FailingCommand

import gpustack_draw
from gpustack_draw import Progress
from gpustack_draw.errors import UsageError

pytestmark = pytest.mark.usefixtures("empty_folder", "short_waits")

LOCALLY = "draw on this machine: demo, a file, or an hf.co model with --on local"
LOG_HINT = (
    "try again; if this happens again, check the log of the model's instance on the server's web"
    " page"
)


@pytest.fixture
def photo(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the path of a picture of 256x256."""
    path = tmp_path_factory.mktemp("pictures") / "photo.png"
    Image.fromarray(noise(256, 256)).save(path)
    return str(path)


# --- refused before anything is sent --------------------------------------------------------------


@pytest.mark.parametrize(
    ("release", "options", "message", "hint", "argument"),
    [
        (
            "old",
            {"ref_image": noise()},
            "GPUStack 0.7.1 takes no reference pictures",
            "name one picture with image to start from it",
            "ref_image",
        ),
        (
            "old",
            {"image": [noise(), noise()]},
            "GPUStack 0.7.1 starts from one picture, and 2 are named",
            "name one with image",
            "image",
        ),
        (
            "old",
            {"image": noise(), "control_image": noise()},
            "a control picture cannot be sent to a server",
            LOCALLY.replace("--on local", "on='local'"),
            "control_image",
        ),
        *(
            (
                release,
                {"hires": 2},
                "hires has no equivalent on a server, which draws one pass",
                LOCALLY.replace("--on local", "on='local'") + ", or one pass: hires=False",
                "hires",
            )
            for release in ("old", "new")
        ),
        (
            "new",
            {"control_image": noise()},
            "a control picture cannot be sent to a server",
            LOCALLY.replace("--on local", "on='local'"),
            "control_image",
        ),
        (
            "new",
            {"image": noise(), "expand": 16},
            (
                "GPUStack 2.3.0 cannot expand a picture: vLLM and SGLang, which it draws with, read"
                " no masks"
            ),
            LOCALLY.replace("--on local", "on='local'"),
            "expand",
        ),
        (
            "new",
            {"image": "missing.png"},
            "'missing.png' does not exist",
            "check the path",
            "image",
        ),
        (
            "new",
            {"image": noise(), "mask": noise()[:16]},
            "the mask has 48x16 pixels, another shape than the picture with 48x32",
            "make the mask from the picture, in the same size",
            "mask",
        ),
        (
            "old",
            {"image": noise(), "size": (2048, 512)},
            "'2048x512' is too large for 'sd-turbo' on this server: it draws 1024x1024 at most",
            "for example size='1024x1024'",
            "size",
        ),
    ],
)
def test_a_server_that_cannot_is_asked_nothing(
    request: pytest.FixtureRequest,
    release: str,
    options: dict[str, Any],
    message: str,
    hint: str,
    argument: str,
) -> None:
    server: LoopbackGpustack = request.getfixturevalue(release)
    with gpustack_draw.load(NAME) as model, pytest.raises(UsageError) as caught:
        model.generate(PROMPT, **options)
    assert (caught.value.message, caught.value.hint, caught.value.argument) == (
        message,
        hint,
        argument,
    )
    assert server.edits() == server.drawings() == []


# --- refused by the server ------------------------------------------------------------------------

WRAPPED = (
    "An unexpected error occurred: Worker request failed: 1 POST"
    " http://127.0.0.1:10150/v1/images/edits status={}, error={}"
)


def wrapped(status: int, error: str) -> bytes:
    """Return the body of GPUStack 2.3 for a response of its backend."""
    return json.dumps({"error": {"message": WRAPPED.format(status, error), "code": 503}}).encode()


@pytest.mark.parametrize(
    ("release", "status", "body", "title", "seen"),
    [
        ("old", 0, b"", "GPUStack 0.7.1", 404),
        ("old", 404, b"<html>not here</html>", "GPUStack 0.7.1", 404),
        ("old", 405, b'{"detail": "Method Not Allowed"}', "GPUStack 0.7.1", 405),
        ("new", 0, b"", "GPUStack 2.3.0", 404),
        ("new", 503, wrapped(404, '{"detail": "Not Found"}'), "GPUStack 2.3.0", 404),
        ("new", 503, wrapped(405, '{"detail": "Method Not Allowed"}'), "GPUStack 2.3.0", 405),
    ],
)
def test_a_server_without_the_route(
    request: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
    photo: str,
    release: str,
    status: int,
    body: bytes,
    title: str,
    seen: int,
) -> None:
    server: LoopbackGpustack = request.getfixturevalue(release)
    server.has_edits = False
    if status:
        server.fail("/images/edits", status=status, body=body)
    assert FailingCommand(capsys, server.url).run(NAME, "--image", photo) == (
        1,
        f"{title} at URL takes no pictures with 'sd-turbo' ({seen})",
        LOCALLY,
    )
    assert len(server.edits()) == 1


def test_a_missing_model_is_not_a_missing_route(
    old: LoopbackGpustack, capsys: pytest.CaptureFixture[str], photo: str
) -> None:
    body = {"error": {"message": "Model not found", "code": 404, "type": "NotFound"}}
    old.fail("/images/edits", status=404, body=json.dumps(body).encode())
    status, message, _ = FailingCommand(capsys, old.url).run(NAME, "--image", photo)
    assert (status, message) == (3, "URL has no model 'sd-turbo', the nearest are sd-turbo")


@pytest.mark.parametrize(
    ("side", "size", "words"),
    [(256, "197 kB", ""), (256, "197 kB", "too big"), (2048, "12.6 MB", "too big")],
)
def test_a_server_with_a_limit_of_uploads(
    old: LoopbackGpustack,
    capsys: pytest.CaptureFixture[str],
    tmp_path_factory: pytest.TempPathFactory,
    side: int,
    size: str,
    words: str,
) -> None:
    """A proxy answers before it has read the body, and closes the connection.

    A body of 12 MB does not fit into the buffers of a connection, so sending it fails.
    """
    old.add("large", meta={"max_width": 2048, "max_height": 2048})
    path = str(tmp_path_factory.mktemp("pictures") / "photo.png")
    Image.fromarray(noise(side, side)).save(path, compress_level=0)
    body = json.dumps({"detail": words}).encode() if words else b"<html>413</html>"
    old.fail("/images/edits", status=413, body=body, unread=side == 2048)
    assert FailingCommand(capsys, old.url).run(
        "large", "--image", path, "--size", f"{side}x{side}"
    ) == (
        1,
        f"URL does not take pictures of {size} (413)" + (f": {words}" if words else ""),
        "draw a smaller picture, for example with --size 512x512",
    )


def test_a_picture_that_the_backend_refuses(
    old: LoopbackGpustack, capsys: pytest.CaptureFixture[str], photo: str
) -> None:
    message = 'Illegal param: "image" must be a valid RGB image'
    old.fail("/images/edits", status=400, body=json.dumps({"detail": message}).encode())
    assert FailingCommand(capsys, old.url).run(NAME, "--image", photo) == (
        1,
        f"GPUStack 0.7.1 at URL rejects the request (400): {message}",
        "change the value that the message names",
    )


def test_a_drawing_of_another_shape_is_not_pasted(
    new: LoopbackGpustack, capsys: pytest.CaptureFixture[str], photo: str
) -> None:
    new.fail("/images/edits", picture=plain_png(512, 256, (1, 2, 3)))
    assert FailingCommand(capsys, new.url).run(NAME, "--image", photo, "--mask", photo) == (
        1,
        "URL sent a picture of 512x256 pixels instead of 256x256",
        (
            "the instance of 'sd-turbo' ignores the requested size: check its parameters on the"
            " server's web page"
        ),
    )


# --- retries, cancellation, time ------------------------------------------------------------------


def test_a_backend_without_streaming_is_asked_again(old: LoopbackGpustack, photo: str) -> None:
    """A form's value stream=false means true to GPUStack 0.7.1, so the value is left out."""
    old.ignores_stream = True
    gpustack_draw.load(NAME).generate(PROMPT, image=photo)
    assert [edit.body.get("stream") for edit in old.edits()] == ["true", None]
    assert [len(edit.parts) for edit in old.edits()] == [1, 1]


def test_requests_wait_for_a_server_that_is_full(new: LoopbackGpustack, photo: str) -> None:
    busy = b'{"error": {"message": "busy", "code": 503}}'
    new.fail("/images/edits", status=503, body=busy, headers={"Retry-After": "0"}, times=1)
    gpustack_draw.load(NAME).generate(PROMPT, image=photo)
    first, second = new.edits()
    assert first.body == second.body
    assert first.parts[0].content == second.parts[0].content


def test_a_server_that_failed_is_not_asked_again(
    new: LoopbackGpustack, capsys: pytest.CaptureFixture[str], photo: str
) -> None:
    new.fail("/images/edits", status=500, body=b"{}")
    assert FailingCommand(capsys, new.url).run(NAME, "--image", photo) == (
        1,
        "GPUStack 2.3.0 at URL could not draw with 'sd-turbo' (500)",
        LOG_HINT,
    )
    assert len(new.edits()) == 1


def test_an_error_in_on_progress_cancels_the_drawing(old: LoopbackGpustack, photo: str) -> None:
    old.fail("/images/edits", seconds=0.2)
    modes = []

    def stop(progress: Progress) -> None:
        modes.append(progress.mode)
        if progress.phase == "sample":
            raise LookupError("enough")

    with gpustack_draw.load(NAME) as model, pytest.raises(LookupError, match="enough"):
        model.generate(PROMPT, image=photo, on_progress=stop)
    assert set(modes) == {"img2img"}
    end = time.monotonic() + 5
    while old.disconnected == 0:
        assert time.monotonic() < end
        time.sleep(0.01)


def test_the_time_limit_includes_sending(
    new: LoopbackGpustack,
    capsys: pytest.CaptureFixture[str],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """A server that reads no body stops the client once the buffers between them are full."""
    path = str(tmp_path_factory.mktemp("pictures") / "large.png")
    Image.fromarray(noise(2048, 2048)).save(path, compress_level=0)
    new.fail("/images/edits", status=200, unread=True, seconds=3.0)
    assert FailingCommand(capsys, new.url).run(
        NAME, "--image", path, "--size", "2048x2048", "--timeout", "0.5"
    ) == (
        1,
        "URL returned no picture within 0.5 seconds",
        "increase --timeout, or request fewer pictures with --count",
    )


# --- hostile responses ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"<html>hello</html>", "the response of URL is not valid JSON"),
        (b"[]", "the response of URL is not valid JSON"),
        (b'{"data": []}', "the response of URL contains no picture"),
        (b'{"data": [{"b64_json": "!"}]}', "the picture from URL is damaged: it is not base64"),
        (
            b'{"data": [{"b64_json": "iVBORw0K"}]}',
            "the picture from URL is damaged: it is truncated, or not a PNG, JPEG or WebP file",
        ),
        (b'{"data": [' + b" " * 2**25 + b"]}", "the response of URL is too long"),
    ],
    ids=["html", "list", "no picture", "not base64", "truncated", "too long"],
)
def test_a_hostile_response(
    new: LoopbackGpustack,
    capsys: pytest.CaptureFixture[str],
    photo: str,
    body: bytes,
    message: str,
) -> None:
    new.fail("/images/edits", status=200, body=body)
    status, seen, hint = FailingCommand(capsys, new.url).run(
        NAME, "--image", photo, "--mask", photo
    )
    assert (status, seen) == (1, message)
    assert hint
