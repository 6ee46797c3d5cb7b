"""A hostile GPUStack server causes no hang, no traceback, no escape codes and no leaked key."""

import gc
import json
import re
import signal
import ssl
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from loopback_gpustack import LoopbackGpustack
from raw_server import RawServer, drip, reply
from server_commands import NAME, PROMPT, FailingCommand

from gpustack_draw.cli.main import main
from gpustack_draw.errors import DrawError
from gpustack_draw.gpustack_server.address import ServerAddress
from gpustack_draw.gpustack_server.models import RunningModel, parse_instance
from gpustack_draw.gpustack_server.redirect import redirect_target

pytestmark = pytest.mark.usefixtures("empty_folder", "short_waits")

KEY = "gpustack_0123456789abcdef_secret"
NO_ADDRESS = "which is not a server address"
FAR = "https://gpustack.example"
CHECK_ADDRESS = "check server or GPUSTACK_SERVER_URL: use the host and port of its web page"


def gpustack(
    picture: bytes | Callable[[], Iterable[bytes]] = b"", version: bytes = b""
) -> RawServer:
    """Start a server that has the model and sends a fixed answer to a drawing."""

    def answer(head: bytes) -> bytes | Iterable[bytes]:
        target = head.split()[1]
        if target.endswith(b"/version"):
            return version or reply(200, b'{"version": "v2.3.0", "git_commit": "x"}')
        if target.startswith(b"/v1/models"):
            return reply(200, json.dumps({"data": [{"id": NAME}]}).encode())
        return picture if isinstance(picture, bytes) else picture()

    return RawServer(answer)


# --- time -----------------------------------------------------------------------------------------

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
# First bytes, then bytes repeated without end, and the seconds between them.
SLOW: dict[str, tuple[bytes, bytes, float]] = {
    "status line": (b"HTTP", b"/", 0.02),
    "headers": (b"HTTP/1.1 200 OK\r\nX: ", b"a", 0.02),
    "100 Continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.02),
    "fast 100 Continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100, 0.0),
    "body with a length": (b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n", b" ", 0.02),
    "body without a length": (b"HTTP/1.1 200 OK\r\n\r\n", b" ", 0.02),
    "size of a chunk": (CHUNKED, b"0", 0.02),
    "trailer": (CHUNKED + b"0\r\n", b"X: y\r\n", 0.02),
    "events": (b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n", b": ping\n\n", 0.02),
    "error": (b"HTTP/1.1 500 X\r\nContent-Length: 99999\r\n\r\n", b" ", 0.02),
}


@pytest.mark.parametrize("part", SLOW)
def test_the_timeout_limits_the_whole_answer(capsys: pytest.CaptureFixture[str], part: str) -> None:
    with gpustack(lambda: drip(*SLOW[part])) as server:
        assert FailingCommand(capsys, server.url).run(
            NAME, "--server", server.url, "--timeout", "0.5"
        ) == (
            1,
            "URL returned no picture within 0.5 seconds",
            "increase --timeout, or request fewer pictures with --count",
        )


@pytest.mark.parametrize("part", ["headers", "100 Continue", "body with a length"])
def test_other_requests_have_a_time_limit(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    monkeypatch.setattr("gpustack_draw.gpustack_server.request_json.REQUEST_SECONDS", 0.3)
    with RawServer(lambda _: drip(*SLOW[part])) as server:
        assert FailingCommand(capsys, server.url).run(NAME, "--server", server.url) == (
            1,
            "URL does not answer",
            "it may be busy or starting: try again in a minute",
        )


@pytest.mark.parametrize("part", ["headers", "100 Continue", "size of a chunk"])
def test_the_time_limit_applies_to_tls(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    certificate = Path(__file__).parents[1] / "support" / "loopback.pem"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setattr("gpustack_draw.gpustack_server.request_json.REQUEST_SECONDS", 0.5)
    with RawServer(lambda _: drip(*SLOW[part]), context=context) as server:
        assert FailingCommand(capsys, server.url).run(NAME, "--server", server.url)[:2] == (
            1,
            "URL does not answer",
        )


@pytest.mark.skipif(sys.platform == "win32", reason="sends no such signal to one process")
@pytest.mark.parametrize("part", ["headers", "fast 100 Continue"])
def test_ctrl_c_cancels_a_slow_answer(part: str) -> None:
    with gpustack(lambda: drip(*SLOW[part])) as server:
        process = subprocess.Popen(
            [sys.executable, "-m", "gpustack_draw", NAME, PROMPT, "--server", server.url],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        while not any(b"/images/" in head for head in server.requests):
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        output, error = process.communicate(timeout=10)  # the timeout is 1800 seconds
    assert (process.returncode, output) == (130, b"")
    assert error.endswith(b"gpustack-draw: interrupted\n")


def test_a_slow_proxy_has_a_time_limit(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gpustack_draw.gpustack_server.connection.CONNECT_SECONDS", 0.3)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with RawServer(lambda _: drip(b"HTTP/1.1 200 OK\r\nX: ", b"a")) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        assert FailingCommand(capsys, "no address").run(NAME, "--server", FAR) == (
            1,
            f"{FAR} cannot be reached through the proxy: no response within 0.3 seconds",
            "check http_proxy and https_proxy, or list the server's host in no_proxy",
        )


# --- redirects and the key ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "location", "target"),
    [
        ("http://h", "https://h/version", "https://h"),
        ("http://h:80", "https://h:443/version", "https://h:443"),
        ("http://h:8443", "https://h:8443/version", "https://h:8443"),
        ("http://h", "http://H/gpustack/version/", "http://h/gpustack"),
        ("http://h:8080", "/gpustack/version?x=1", "http://h:8080/gpustack"),
        ("https://h/a", "../version", "https://h"),
    ],
)
def test_a_redirect_to_the_same_server_is_followed(url: str, location: str, target: str) -> None:
    assert redirect_target(ServerAddress(url, is_configured=True), location) == target


@pytest.mark.parametrize(
    ("url", "location", "place", "hint"),
    [
        (
            "http://h",
            "https://evil.example/version",
            "another host, https://evil.example",
            "if that is your server, type server='https://evil.example'",
        ),
        (
            "http://h",
            "http://h:8080/version",
            "another port, http://h:8080",
            "if that is your server, type server='http://h:8080'",
        ),
        (
            "http://h:30080",
            "https://h:30443/version",
            "another port, https://h:30443",
            "if that is your server, type server='https://h:30443'",
        ),
        (
            "https://h",
            "https://h:8443/",
            "another port, https://h:8443",
            "if that is your server, type server='https://h:8443'",
        ),
        (
            "https://h",
            "http://h/version",
            "http://h, which is not encrypted",
            "if you accept that, type server='http://h'",
        ),
        (
            "http://h",
            "http://me:secret@h/version",
            "an address with a user name or password",
            CHECK_ADDRESS,
        ),
        (
            "http://h",
            "http://me:secret@[::bad",
            "an address with a user name or password",
            CHECK_ADDRESS,
        ),
        *(
            (
                "http://h",
                location,
                f"{location!r}, which is not a server address",
                CHECK_ADDRESS,
            )
            for location in (
                "http://[::bad",
                "http://h:99999/",
                "http://h:abc/version",
                "http://h:0/",
                "ftp://h/",
                "javascript:alert(1)",
                "http://evil\x1b[31m",
                "http://h/\N{RIGHT-TO-LEFT OVERRIDE}",
            )
        ),
        (
            "http://h",
            "http://h/" + "a" * 2000,
            "'http://h/" + "a" * 88 + f"...', {NO_ADDRESS}",
            CHECK_ADDRESS,
        ),
    ],
)
def test_a_redirect_to_another_server_is_an_error(
    url: str, location: str, place: str, hint: str
) -> None:
    with pytest.raises(DrawError) as caught:
        redirect_target(ServerAddress(url, is_configured=True), location)
    assert (caught.value.message, caught.value.hint) == (f"{url} redirects to {place}", hint)
    assert "secret" not in str(caught.value)


def test_a_redirect_of_an_unconfigured_server_is_an_unknown_name() -> None:
    with pytest.raises(DrawError) as caught:
        redirect_target(ServerAddress("http://127.0.0.1"), "https://127.0.0.1:1/", "acme/sd")
    assert caught.value.message == "no model named 'acme/sd' on this machine"


def test_a_redirect_is_followed_without_the_key(
    new: LoopbackGpustack, capsys: pytest.CaptureFixture[str]
) -> None:
    new.fail("/version", status=308, headers={"Location": "/version?again"}, times=1)
    assert main([NAME, PROMPT, "-q"]) == 0
    keys = [each.headers.get("Authorization") for each in new.requests]
    assert keys[:2] == [None, None]
    assert keys[2:] == [f"Bearer {new.USER}"] * (len(keys) - 2)


def test_the_key_is_not_sent_to_another_port(
    new: LoopbackGpustack, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GPUSTACK_API_KEY", KEY)
    redirect = reply(302, headers={"Location": f"{new.url}/version"})
    with RawServer(lambda _: redirect) as server:
        assert FailingCommand(capsys, server.url).run(NAME, "--server", server.url) == (
            1,
            f"URL redirects to another port, {new.url}",
            f"if that is your server, type --server {new.url}",
        )
        assert new.requests == []
        assert KEY.encode() not in b"".join(server.requests)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirected_drawing_is_an_error(
    new: LoopbackGpustack, capsys: pytest.CaptureFixture[str], status: int
) -> None:
    with gpustack(
        reply(status, headers={"Location": f"{new.url}/v1/images/generations"})
    ) as server:
        assert FailingCommand(capsys, server.url).run(NAME, "--server", server.url)[:2] == (
            1,
            f"GPUStack 2.3.0 at URL could not draw with 'sd-turbo' ({status})",
        )
    assert new.requests == []


# --- text -----------------------------------------------------------------------------------------


def test_escape_codes_in_a_redirect_are_not_printed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    headers = {"Location": "http://evil\x1bc.example/version"}
    with RawServer(lambda _: reply(302, headers=headers)) as server:
        assert FailingCommand(capsys, server.url).run(NAME, "--server", server.url) == (
            1,
            f"URL redirects to 'http://evil c.example/version', {NO_ADDRESS}",
            CHECK_ADDRESS.replace("server", "--server", 1),
        )


def test_control_characters_in_headers_are_not_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """With --debug, in all headers that are read, for several statuses."""
    bad = "\x1b]0;pwned\x07\x1b[31mred\x9b0m\x08"
    names = (
        "Content-Type",
        "Location",
        "Retry-After",
        "Server",
        "WWW-Authenticate",
        "X-Request-Id",
    )
    headers = dict.fromkeys(names, bad)
    for status in (200, 302, 401, 403, 404, 429, 500, 503):
        for answers in (
            {"version": reply(status, b"{}", headers)},
            {"picture": reply(status, b"{}", headers)},
        ):
            with gpustack(**answers) as server:
                assert main([NAME, PROMPT, "--debug", "--server", server.url]) in {1, 3}
                errors = capsys.readouterr().err
                assert re.findall(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", errors) == []


def test_escape_codes_of_a_proxy_are_not_printed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with RawServer(lambda _: b"HTTP/1.1 403 \x1b[31mno\r\n\r\n") as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        assert FailingCommand(capsys, "no address").run(NAME, "--server", FAR)[:2] == (
            1,
            f"{FAR} cannot be reached through the proxy: tunnel connection failed: 403 [31mno",
        )
    # Debian 12's Python leaves the answer of a refused tunnel open, for the garbage collector.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.mark.parametrize(
    ("version", "message"),
    [
        (
            "v2.3.0" + "a" * 50_000,
            "the GPUStack server at URL reports an unknown version: 'v2.3.0" + "a" * 34 + "'",
        ),
        (
            "v2.3.0\x1b[31m",
            "the GPUStack server at URL reports an unknown version: 'v2.3.0\\x1b[31m'",
        ),
    ],
)
def test_an_invalid_version(capsys: pytest.CaptureFixture[str], version: str, message: str) -> None:
    body = json.dumps({"version": version, "git_commit": "x"}).encode()
    with gpustack(version=reply(200, body)) as server:
        assert FailingCommand(capsys, server.url).run(NAME, "--server", server.url)[:2] == (
            1,
            message,
        )


@pytest.mark.parametrize(
    "retry_after",
    ["9" * 400, "-1", "1e999", "nan", "inf", "Fri, 31 Dec 9999 23:59:59 GMT", "0 +00", ", , ,"],
)
def test_an_invalid_retry_after(capsys: pytest.CaptureFixture[str], retry_after: str) -> None:
    answer = reply(503, b'{"detail": "busy"}', {"Retry-After": retry_after})
    with gpustack(answer) as server:
        assert FailingCommand(capsys, server.url).run(NAME, "--server", server.url)[:2] == (
            1,
            "GPUStack 2.3.0 at URL could not draw with 'sd-turbo' (503): busy",
        )


# --- size, depth and numbers ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 5_000_000,
        b'{"data": [' + b"[]," * 2_000_000 + b"[]]}",
        b'{"data": [{"b64_json": NaN}]}',
        b'{"data": [' + b"9" * 1_000_000 + b"]}",
    ],
    ids=["deep", "wide", "NaN", "digits"],
)
def test_json_beyond_the_limits(capsys: pytest.CaptureFixture[str], body: bytes) -> None:
    with gpustack(reply(200, body)) as server:
        assert FailingCommand(capsys, server.url).run(NAME, "--server", server.url)[:2] == (
            1,
            "the response of URL is not valid JSON",
        )


def test_an_endless_list_of_models(
    new: LoopbackGpustack, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gpustack_draw.gpustack_server.request_json.MAX_JSON_BYTES", 1000)
    new.fail("/v1/models", status=200, body=b'{"data": [' + b" " * 2000)
    main(["models", "--server", new.url])
    errors = capsys.readouterr().err.splitlines()
    assert errors[:2] == [
        f"gpustack-draw: the response of {new.url} is too long",
        "gpustack-draw: check that this is the address of the GPUStack server itself",
    ]


@pytest.mark.parametrize(
    ("progress", "percent"),
    [
        (40, 40),
        (99.9, 99),
        (-1, None),
        (101, None),
        (10**30, None),
        (float("nan"), None),
        (float("inf"), None),
        ("40", None),
        ([40], None),
    ],
)
def test_download_progress_is_a_percentage_or_none(progress: object, percent: int | None) -> None:
    instance = parse_instance({"state": ["odd"], "download_progress": progress})
    assert (instance.percent, instance.text) == (percent, "['odd']")


@pytest.mark.parametrize("value", [0, -1, 1e9, float("nan"), True, "4", None, [4]])
def test_a_metadata_number_out_of_range_is_none(value: object) -> None:
    assert RunningModel(NAME, {"sampling_steps": value}).number("sampling_steps", 10_000) is None
