"""Connections to a GPUStack server: TLS and proxies."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from loopback_gpustack import OLD, LoopbackGpustack
from server_commands import NAME, PROMPT, FailingCommand, free_port

from gpustack_draw.cli.main import main

pytestmark = pytest.mark.usefixtures("empty_folder", "short_waits")

CERTIFICATE = Path(__file__).parents[1] / "support" / "loopback.pem"
NAME_SERVER = "check --server or GPUSTACK_SERVER_URL, and that the server is running"


# --- TLS ------------------------------------------------------------------------------------------


@pytest.fixture
def protected(monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackGpustack]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    server = LoopbackGpustack(OLD, context=context)
    server.add(NAME)
    monkeypatch.setenv("GPUSTACK_SERVER_URL", server.url)
    yield server
    server.close()


TLS_HINT = (
    "set SSL_CERT_FILE to the certificate of the server's certificate authority, and use the host"
    " name in the server's certificate"
)


def test_a_self_signed_certificate(
    protected: LoopbackGpustack, capsys: pytest.CaptureFixture[str]
) -> None:
    status, message, hint = FailingCommand(capsys, protected.url).run(NAME)
    assert (status, hint) == (1, TLS_HINT)
    assert message in {
        "the TLS connection to URL failed: self-signed certificate",
        "the TLS connection to URL failed: self signed certificate",  # OpenSSL 1.1
    }


def test_a_certificate_in_ssl_cert_file(
    protected: LoopbackGpustack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    assert main([NAME, PROMPT, "-q"]) == 0


def test_a_certificate_for_another_host(
    protected: LoopbackGpustack,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    url = f"https://localhost:{protected.port}"
    status, message, hint = FailingCommand(capsys, url).run(NAME, "--server", url)
    assert (status, hint) == (1, TLS_HINT)
    assert message.startswith("the TLS connection to URL failed: Hostname mismatch")


def test_https_to_an_http_server(old: LoopbackGpustack, capsys: pytest.CaptureFixture[str]) -> None:
    rest = old.url.partition("://")[2]
    status, message, hint = FailingCommand(capsys, f"https://{rest}").run(
        NAME, "--server", f"https://{rest}"
    )
    assert (status, hint) == (1, f"type --server http://{rest}")
    assert message.startswith("URL does not use TLS: ")


def test_http_to_an_https_server(
    protected: LoopbackGpustack, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"http://127.0.0.1:{protected.port}"
    status, message, _ = FailingCommand(capsys, url).run(NAME, "--server", url)
    assert status == 1
    assert message in {
        "the response of URL is incomplete: the connection was closed",
        "URL is not a GPUStack server: the response is not HTTP",
    }


# --- proxies --------------------------------------------------------------------------------------


def test_a_proxy_of_the_environment_is_used(
    old: LoopbackGpustack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loopback server acts as the proxy, which receives absolute URLs."""
    monkeypatch.setenv("http_proxy", f"http://me:secret@127.0.0.1:{old.port}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert main([NAME, PROMPT, "-q", "--server", "http://gpustack.example"]) == 0
    assert [each.headers["Host"] for each in old.requests] == ["gpustack.example"] * 3
    assert old.requests[0].headers["Proxy-Authorization"] == "Basic bWU6c2VjcmV0"


def test_an_unreachable_proxy(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", f"127.0.0.1:{free_port()}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert FailingCommand(capsys, "no address").run(
        NAME, "--server", "https://gpustack.example"
    ) == (
        1,
        "https://gpustack.example cannot be reached through the proxy: connection refused",
        "check http_proxy and https_proxy, or list the server's host in no_proxy",
    )


def test_no_proxy_for_this_machine(old: LoopbackGpustack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    monkeypatch.delenv("no_proxy", raising=False)
    assert main([NAME, PROMPT, "-q"]) == 0


PROXY_HINT = "write it as http://HOST:PORT, or list the server's host in no_proxy"
SOCKS = "names a SOCKS proxy; only HTTP proxies are supported"
SOCKS_HINT = (
    "set http_proxy and https_proxy to an HTTP proxy, or list the server's host in no_proxy"
)


@pytest.mark.parametrize(
    ("variable", "value", "message", "hint"),
    [
        (
            "HTTPS_PROXY",
            "htp://proxy:3128",
            "HTTPS_PROXY is not the address of an HTTP proxy: 'htp://proxy:3128'",
            PROXY_HINT,
        ),
        (
            "https_proxy",
            "http://proxy:port",
            "https_proxy is not the address of an HTTP proxy: 'http://proxy:port'",
            PROXY_HINT,
        ),
        (
            "https_proxy",
            "http://me:secret@proxy:99999",
            "https_proxy is not the address of an HTTP proxy",
            PROXY_HINT,
        ),
        (
            "all_proxy",
            "http://[::1",
            "all_proxy is not the address of an HTTP proxy: 'http://[::1'",
            PROXY_HINT,
        ),
        (
            "ALL_PROXY",
            "socks5://127.0.0.1:7890",
            f"ALL_PROXY {SOCKS}: 'socks5://127.0.0.1:7890'",
            SOCKS_HINT,
        ),
    ],
)
def test_an_invalid_proxy(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    value: str,
    message: str,
    hint: str,
) -> None:
    for name in ("no_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv(variable, value)
    answer = FailingCommand(capsys, "no address").run(NAME, "--server", "https://gpustack.example")
    assert answer == (2, message, hint)


def test_an_invalid_proxy_is_ignored_for_this_machine(
    old: LoopbackGpustack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:7890")
    monkeypatch.setenv("http_proxy", "htp://x")
    assert main([NAME, PROMPT, "-q"]) == 0
