"""Server addresses, keys, timeouts, and the first contact with a server."""

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from loopback_gpustack import OLD, LoopbackGpustack
from server_commands import NAME, NOT_GPUSTACK, PROMPT, FailingCommand, free_port

from gpustack_draw.cli.main import main

pytestmark = pytest.mark.usefixtures("empty_folder", "short_waits")

CERTIFICATE = Path(__file__).parents[1] / "support" / "loopback.pem"
NAME_SERVER = "check --server or GPUSTACK_SERVER_URL, and that the server is running"


# --- the address ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "url"),
    [
        ("http://127.0.0.1", "http://127.0.0.1"),
        ("gpustack.example.com", "http://gpustack.example.com"),
        ("10.0.0.7:8080/", "http://10.0.0.7:8080"),
        ("https://Example.com/gpu/stack/", "https://example.com/gpu/stack"),
        ("https://example.com/v1", "https://example.com"),
        ("https://example.com/v1-openai/", "https://example.com"),
        ("http://example.com/#/playground?model=x", "http://example.com"),
        (" http://[::1]:80 ", "http://[::1]:80"),
    ],
)
def test_a_valid_address(typed: str, url: str) -> None:
    from gpustack_draw.gpustack_server.address import parse_server_url

    assert parse_server_url(typed) == url


ADDRESS_HINT = "write it as http://HOST, http://HOST:PORT or https://HOST"


@pytest.mark.parametrize(
    ("typed", "message", "hint"),
    [
        ("", "'' (--server) is not a server address", ADDRESS_HINT),
        ("http://", "'http://' (--server) is not a server address", ADDRESS_HINT),
        ("a b", "'a b' (--server) is not a server address", ADDRESS_HINT),
        ("h:99999", "'h:99999' (--server) is not a server address", ADDRESS_HINT),
        ("h:0", "'h:0' (--server) is not a server address", ADDRESS_HINT),
        ("[::1", "'[::1' (--server) is not a server address", ADDRESS_HINT),
        ("h\u00e4", "'h\u00e4' (--server) is not a server address", ADDRESS_HINT),
        (
            "ftp://host",
            "'ftp://host' (--server) does not begin with http:// or https://",
            ADDRESS_HINT,
        ),
        (
            "https://me:secret@host",
            "the address in --server contains a user name or password",
            "remove it, and set GPUSTACK_API_KEY to the server's API key",
        ),
    ],
)
def test_an_invalid_address(
    capsys: pytest.CaptureFixture[str], typed: str, message: str, hint: str
) -> None:
    assert FailingCommand(capsys, "no address").run(NAME, "--server", typed) == (2, message, hint)
    assert main(["models", "--server", typed]) == 2


def test_an_invalid_address_in_the_environment(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GPUSTACK_SERVER_URL", "gopher://x")
    assert FailingCommand(capsys, "no address").run(NAME) == (
        2,
        "'gopher://x' (GPUSTACK_SERVER_URL) does not begin with http:// or https://",
        ADDRESS_HINT,
    )


@pytest.mark.parametrize("typed", ["0", "-1", "soon", "nan", "1e9", "9999999"])
def test_an_invalid_timeout(capsys: pytest.CaptureFixture[str], typed: str) -> None:
    assert FailingCommand(capsys, "no address").run(NAME, "--timeout", typed) == (
        2,
        f"'{typed}' is not a number of seconds above 0 and up to 604800",
        "for example --timeout 600",
    )


@pytest.mark.parametrize("key", ["two words", "tab\there", "k\u00e9y"])
def test_an_invalid_key_is_not_printed(
    old: LoopbackGpustack,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    key: str,
) -> None:
    monkeypatch.setenv("GPUSTACK_API_KEY", key)
    assert FailingCommand(capsys, old.url).run(NAME) == (
        2,
        "GPUSTACK_API_KEY contains invalid characters",
        "copy the key again, without quotes, spaces or line breaks",
    )
    assert old.requests == []


@pytest.mark.parametrize(
    ("arguments", "status", "message", "hint"),
    [
        (
            [NAME, "--on", "mars"],
            2,
            "'mars' is not a place to draw",
            "type --on auto, --on local or --on server",
        ),
        (
            ["acme/sd", "--on", "local"],
            3,
            "no model named 'acme/sd' on this machine, and --on local uses no server",
            (
                "check the path, type hf.co/acme/sd for a model of Hugging Face, or leave"
                " --on local out"
            ),
        ),
        (
            ["demo", "--on", "server"],
            2,
            "'demo' is on this machine: a server cannot draw with it",
            "leave --on server out, or name a model of the server or hf.co/OWNER/REPO",
        ),
        (
            ["./x.gguf", "--on", "server"],
            2,
            "'./x.gguf' is on this machine: a server cannot draw with it",
            "leave --on server out, or name a model of the server or hf.co/OWNER/REPO",
        ),
    ],
)
def test_an_invalid_place(
    capsys: pytest.CaptureFixture[str],
    arguments: Sequence[str],
    status: int,
    message: str,
    hint: str,
) -> None:
    assert FailingCommand(capsys, "no address").run(*arguments) == (status, message, hint)


# --- no such server -------------------------------------------------------------------------------


def test_a_refused_connection(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    assert FailingCommand(capsys, url).run(NAME, "--server", url) == (
        1,
        "no GPUStack server answers at URL: connection refused",
        NAME_SERVER,
    )


def test_an_unknown_name_without_a_configured_server(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from gpustack_draw.gpustack_server.address import ServerAddress

    url = f"http://127.0.0.1:{free_port()}"
    monkeypatch.setattr("gpustack_draw.api.find_server", lambda *_, **__: ServerAddress(url=url))
    assert FailingCommand(capsys, url).run("acme/sd") == (
        3,
        "no model named 'acme/sd' on this machine",
        (
            "check the path, type hf.co/acme/sd for a model of Hugging Face, or name your"
            " GPUStack server with --server or GPUSTACK_SERVER_URL"
        ),
    )


def test_an_unknown_host(capsys: pytest.CaptureFixture[str]) -> None:
    status, message, hint = FailingCommand(capsys, "no address").run(
        NAME, "--server", "nowhere.invalid"
    )
    assert (status, hint) == (1, NAME_SERVER)
    assert message.startswith("no GPUStack server answers at http://nowhere.invalid: ")


def test_a_refused_connection_is_retried(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server may be starting."""
    monkeypatch.setattr("gpustack_draw.gpustack_server.retry.REFUSED_DELAYS", (0.3, 0.3, 0.3, 0.3))
    port = free_port()
    servers = []

    def start() -> None:
        monkeypatch.setattr("loopback_gpustack._Server.__init__", _on_port(port), raising=True)
        servers.append(LoopbackGpustack(OLD))
        servers[0].add(NAME)

    timer = threading.Timer(0.2, start)
    timer.start()
    assert main([NAME, PROMPT, "-q", "--server", f"127.0.0.1:{port}"]) == 0
    timer.join()
    servers[0].close()


def _on_port(port: int):
    import http.server

    def start(self, address, handler) -> None:
        self.connections = set()
        http.server.ThreadingHTTPServer.__init__(self, ("127.0.0.1", port), handler)

    return start


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 404, "body": b"nothing here", "content_type": "text/plain"},
        {"status": 200, "body": b"<html>Welcome</html>", "content_type": "text/html"},
        {"status": 200, "body": b'{"version": 3}'},
        {"status": 200, "body": b'{"version": "blue"}'},
        {"status": 200, "body": b"[1]"},
    ],
)
def test_not_a_gpustack_server(
    old: LoopbackGpustack, capsys: pytest.CaptureFixture[str], fault: Mapping[str, object]
) -> None:
    old.fail("/version", **fault)
    assert FailingCommand(capsys, old.url).run(NAME) == (
        1,
        "URL is not a GPUStack server",
        NOT_GPUSTACK,
    )
    assert old.paths() == ["GET /version"]


def test_a_server_without_http(old: LoopbackGpustack, capsys: pytest.CaptureFixture[str]) -> None:
    old.fail("/version", raw=b"SSH-2.0-OpenSSH_9.9\r\n")
    assert FailingCommand(capsys, old.url).run(NAME) == (
        1,
        "URL is not a GPUStack server: the response is not HTTP",
        f"check the port, or type --server https://127.0.0.1:{old.port}",
    )


@pytest.mark.parametrize(
    ("release", "message", "hint"),
    [
        (
            "0.3.2",
            "GPUStack 0.3.2 at URL is too old: it cannot draw",
            "gpustack-draw supports the releases 0.4 to 2.3: upgrade the server",
        ),
        (
            "-unknown-",
            "the GPUStack server at URL reports an unknown version: 'v-unknown-'",
            "gpustack-draw supports the releases 0.4 to 2.3",
        ),
    ],
)
def test_an_unsupported_release(
    old: LoopbackGpustack,
    capsys: pytest.CaptureFixture[str],
    release: str,
    message: str,
    hint: str,
) -> None:
    old.release = release
    assert FailingCommand(capsys, old.url).run(NAME) == (1, message, hint)


def test_a_starting_server(old: LoopbackGpustack, capsys: pytest.CaptureFixture[str]) -> None:
    old.fail("/version", status=502, body=b"<html>Bad Gateway</html>", content_type="text/html")
    assert FailingCommand(capsys, old.url).run(NAME) == (
        1,
        "URL returned an error (502)",
        "the server may be starting: try again in a minute",
    )


def test_a_silent_server(
    old: LoopbackGpustack, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gpustack_draw.gpustack_server.request_json.REQUEST_SECONDS", 0.2)
    old.fail("/version", status=200, seconds=2)
    assert FailingCommand(capsys, old.url).run(NAME) == (
        1,
        "URL does not answer",
        "it may be busy or starting: try again in a minute",
    )
