"""The way to a GPUStack server: TLS, proxies."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpustack_draw.cli.main import main
from loopback_gpustack import OLD, LoopbackGpustack
from server_commands import NAME, PROMPT, Answer, free_port

pytestmark = pytest.mark.usefixtures("empty_folder", "short_waits")

CERTIFICATE = Path(__file__).parent / "loopback.pem"
NAME_SERVER = "check --server or GPUSTACK_SERVER_URL, and that the server runs"


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
    "set SSL_CERT_FILE to a file with the certificate of the authority that signed the server's,"
    " and use the host name that it is for"
)


def test_a_certificate_that_nobody_knows(
    protected: LoopbackGpustack, capsys: pytest.CaptureFixture[str]
) -> None:
    status, message, hint = Answer(capsys, protected.url).to(NAME)
    assert (status, hint) == (1, TLS_HINT)
    assert message in {
        "URL cannot be trusted: self-signed certificate",
        "URL cannot be trusted: self signed certificate",  # OpenSSL 1.1
    }


def test_a_certificate_that_is_made_known(
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
    status, message, hint = Answer(capsys, url).to(NAME, "--server", url)
    assert (status, hint) == (1, TLS_HINT)
    assert message.startswith("URL cannot be trusted: Hostname mismatch")


def test_https_where_there_is_none(
    old: LoopbackGpustack, capsys: pytest.CaptureFixture[str]
) -> None:
    rest = old.url.partition("://")[2]
    status, message, hint = Answer(capsys, f"https://{rest}").to(
        NAME, "--server", f"https://{rest}"
    )
    assert (status, hint) == (1, f"type --server http://{rest}")
    assert message.startswith("URL does not speak TLS: ")


def test_http_where_there_is_https(
    protected: LoopbackGpustack, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"http://127.0.0.1:{protected.port}"
    status, message, _ = Answer(capsys, url).to(NAME, "--server", url)
    assert status == 1
    assert message in {
        "URL broke its answer off: the connection was closed",
        "what answers at URL is no GPUStack server: what it says is not HTTP",
    }


# --- proxies --------------------------------------------------------------------------------------


def test_a_proxy_of_the_environment_is_used(
    old: LoopbackGpustack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loopback server is its own proxy: it is asked for whole addresses."""
    monkeypatch.setenv("http_proxy", f"http://me:secret@127.0.0.1:{old.port}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert main([NAME, PROMPT, "-q", "--server", "http://gpustack.example"]) == 0
    assert [each.headers["Host"] for each in old.requests] == ["gpustack.example"] * 3
    assert old.requests[0].headers["Proxy-Authorization"] == "Basic bWU6c2VjcmV0"


def test_a_proxy_that_is_not_there(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", f"127.0.0.1:{free_port()}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert Answer(capsys, "no address").to(NAME, "--server", "https://gpustack.example") == (
        1,
        "https://gpustack.example cannot be reached through the proxy: connection refused",
        "check http_proxy and https_proxy, or name the server's host in no_proxy",
    )


def test_no_proxy_for_this_machine(old: LoopbackGpustack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    monkeypatch.delenv("no_proxy", raising=False)
    assert main([NAME, PROMPT, "-q"]) == 0
