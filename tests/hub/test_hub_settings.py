"""Environment variables that prevent the use of the network: a one-sentence error names them.

A cached model is used all the same, and ``models`` lists it. The library raises only DrawError.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import model_files as files
import pytest
from loopback_hub import LoopbackHub

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="forks")

# Forks for each set of variables, because huggingface_hub reads them during its import.
CODE = """
import contextlib, importlib, json, os, sys
import gpustack_draw, gpustack_draw.hub, gpustack_draw.api, gpustack_draw.list_models

for library in ("httpx2", "httpx", "requests"):
    with contextlib.suppress(ImportError):
        importlib.import_module(library)

def outcome(action):
    try:
        return action()
    except gpustack_draw.DrawError as error:
        return [type(error).__name__, error.message, error.hint]

def use(reference):
    with gpustack_draw.load(reference) as model:
        return [*model.resolved.notes, *model.fetch(), str(model.resolved.files[0].path.is_file())]

for line in sys.stdin:
    if os.fork() == 0:
        assert "huggingface_hub" not in sys.modules
        os.environ.update(json.loads(line))
        found = {
            "new": outcome(lambda: use("hf.co/acme/new")),
            "cached": outcome(lambda: use("hf.co/acme/sd")),
            "models": outcome(lambda: [model.model for model in gpustack_draw.models()]),
        }
        print(json.dumps(found), flush=True)
        os._exit(0)
    os.wait()
"""
CLIENT_IS_OLD = version("huggingface_hub").startswith("0.")
LISTED = ["demo", "hf.co/acme/sd:Q4_0"]
HERE = "; available offline: demo, hf.co/acme/sd:Q4_0"


class Place:
    """A loopback hub and a cache with one of its two models."""

    def __init__(self, server: LoopbackHub, folder: Path) -> None:
        self.server = server
        self.folder = folder
        proxies = {"http_proxy", "https_proxy", "all_proxy", "no_proxy"}
        others = {"SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"}
        kept = {
            name: value
            for name, value in os.environ.items()
            if name.lower() not in proxies and name not in others and not name.startswith("HF_")
        }
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", CODE],
            env={**kept, **server.environment(folder / "home")},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=folder,
        )

    def outcomes(self, **variables: str) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(variables) + "\n")
        self.process.stdin.flush()
        found = json.loads(self.process.stdout.readline())
        assert isinstance(found, dict)
        return found


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    server = LoopbackHub()
    model = files.gguf_bytes(files.SD1_ALL)
    server.add("acme/sd", {"sd-Q4_0.gguf": model})
    found = Place(server, tmp_path_factory.mktemp("settings"))
    assert found.outcomes()["models"] == LISTED
    server.add("acme/new", {"new-Q4_0.gguf": model})
    (found.folder / "file").write_text("no certificate")
    (found.folder / "folder").mkdir()
    yield found
    found.process.communicate()
    server.close()


def socks(name: str, value: str) -> tuple[str, str]:
    package = "PySocks" if CLIENT_IS_OLD else "socksio"
    return (
        f"{name} is a SOCKS proxy, {value!r}, which requires the Python package {package}",
        f"pip install {package}, or unset {name}",
    )


def no_proxy(name: str, value: str) -> tuple[str, str]:
    return (
        f"{name} is not a proxy URL: {value!r}",
        f"write it as http://HOST:PORT, or unset {name}",
    )


def unreachable(proxy: str, name: str) -> tuple[str, str]:
    return (
        "{url} cannot be reached: connection refused",
        f"check the network, the proxy {proxy} of {name} and HF_ENDPOINT",
    )


def not_a_number(name: str, value: str) -> tuple[str, str]:
    return (
        f"{name} is not a whole number of seconds: {value!r}",
        f"correct it, or unset {name}",
    )


def not_a_hub(value: str) -> tuple[str, str]:
    return (
        f"HF_ENDPOINT is not a URL: {value!r}",
        "write it as https://HOST, or unset it to use https://huggingface.co",
    )


def no_token(name: str) -> tuple[str, str]:
    return (
        f"{name} is not a Hugging Face token: a token is ASCII text without spaces",
        f"copy it again from https://huggingface.co/settings/tokens, or unset {name}",
    )


WRONG_TOKEN = (
    "{url} rejects the token of this machine",
    "log in again with 'hf auth login', or correct or unset HF_TOKEN",
)
FAULTY = [
    ("ALL_PROXY", "socks5://127.0.0.1:7890", *socks("ALL_PROXY", "socks5://127.0.0.1:7890")),
    ("all_proxy", "socks5h://u:secret@127.0.0.1:1", *socks("all_proxy", "socks5h://127.0.0.1:1")),
    ("HTTP_PROXY", "htp://x", *no_proxy("HTTP_PROXY", "htp://x")),
    ("http_proxy", "htp://x", *no_proxy("http_proxy", "htp://x")),
    ("ALL_PROXY", "socks4://x:1", *no_proxy("ALL_PROXY", "socks4://x:1")),
    ("HTTP_PROXY", "http://x:99999", *no_proxy("HTTP_PROXY", "http://x:99999")),
    ("HTTP_PROXY", "http://u:secret@x:abc", *no_proxy("HTTP_PROXY", "http://x:abc")),
    ("HTTP_PROXY", "x y", *no_proxy("HTTP_PROXY", "x y")),
    ("HTTP_PROXY", "http://", *no_proxy("HTTP_PROXY", "http://")),
    ("HTTP_PROXY", "http://127.0.0.1:1", *unreachable("http://127.0.0.1:1", "HTTP_PROXY")),
    ("HTTP_PROXY", "127.0.0.1:1", *unreachable("127.0.0.1:1", "HTTP_PROXY")),
    ("ALL_PROXY", "http://u:secret@127.0.0.1:1", *unreachable("http://127.0.0.1:1", "ALL_PROXY")),
    ("HF_HUB_DOWNLOAD_TIMEOUT", "1.5", *not_a_number("HF_HUB_DOWNLOAD_TIMEOUT", "1.5")),
    ("HF_HUB_DOWNLOAD_TIMEOUT", "", *not_a_number("HF_HUB_DOWNLOAD_TIMEOUT", "")),
    ("HF_HUB_ETAG_TIMEOUT", "10 s", *not_a_number("HF_HUB_ETAG_TIMEOUT", "10 s")),
    (
        *("HF_HUB_ETAG_TIMEOUT", "-5", "HF_HUB_ETAG_TIMEOUT is not above 0: -5"),
        "correct it, or unset HF_HUB_ETAG_TIMEOUT",
    ),
    ("HF_TOKEN", "hf_\N{HORIZONTAL ELLIPSIS}abc", *no_token("HF_TOKEN")),
    ("HF_TOKEN", "hf_a b", *no_token("HF_TOKEN")),
    ("HF_TOKEN", "hf_\x1b[31m", *no_token("HF_TOKEN")),
    (
        "HUGGING_FACE_HUB_TOKEN",
        "hf_\N{LATIN SMALL LETTER E WITH ACUTE}",
        *no_token("HUGGING_FACE_HUB_TOKEN"),
    ),
    ("HF_TOKEN", "hf_a\nb", *WRONG_TOKEN),
    ("HF_TOKEN", "hf_expired", *WRONG_TOKEN),
    (
        *("HF_TOKEN_PATH", "folder"),
        "HF_TOKEN_PATH names a file that cannot be read: 'folder': is a directory",
        "correct it, or unset HF_TOKEN_PATH",
    ),
    (
        *("HF_ENDPOINT", "", "HF_ENDPOINT is empty"),
        "unset it to use https://huggingface.co, or set it to the URL of another hub",
    ),
    *(
        ("HF_ENDPOINT", value, *not_a_hub(value))
        for value in (
            *("hub.example.com", "http://[::bad", "http://127.0.0.1:99999", "http://a b"),
            *("ftp://x", "http://\x1b[31m", "nonsense:"),
        )
    ),
    (
        *("HF_ENDPOINT", "http://127.0.0.1:1"),
        "http://127.0.0.1:1 cannot be reached: connection refused",
        "check the network, the proxy settings and HF_ENDPOINT",
    ),
    (
        *("HF_ENDPOINT", "https://127.0.0.1:{port}"),
        "https://127.0.0.1:{port} cannot be reached: wrong version number",
        "check the network, the proxy settings and HF_ENDPOINT",
    ),
    (
        *("HF_ENDPOINT", "{url}/wrong/mirror"),
        "no repository hf.co/acme/new at {url}/wrong/mirror, or it is private",
        (
            "check the spelling and HF_ENDPOINT; if it is private, log in with 'hf auth login',"
            " or set HF_TOKEN"
        ),
    ),
]
# Variables that only the HTTP library of newer versions rejects.
FAULTY_FOR_HTTPX = [
    ("HTTPS_PROXY", "htp://x", *no_proxy("HTTPS_PROXY", "htp://x")),
    *(
        (
            *("SSL_CERT_FILE", value),
            f"SSL_CERT_FILE names an invalid certificate file: {value!r}: {reason}",
            "correct it, or unset SSL_CERT_FILE",
        )
        for value, reason in (
            ("/nonexistent", "no such file or directory"),
            ("folder", "is a directory"),
            ("file", "no certificate or crl found"),
        )
    ),
    (
        *("HF_OIDC_RESOURCE", "x"),
        "cannot get a token: HF_OIDC_RESOURCE is set but no OIDC id token is available",
        "correct or unset HF_OIDC_RESOURCE",
    ),
]


def check(place: Place, variables: dict[str, str], message: str, hint: str) -> None:
    known = {"url": place.server.url, "port": place.server.port}
    found = place.outcomes(**{name: value.format(**known) for name, value in variables.items()})
    error_type, said, advice = found["new"]
    assert said.startswith(message.format(**known))
    assert said.isprintable()
    assert "secret" not in said + advice
    assert (error_type, advice) in {
        ("HubUnavailableError", hint + HERE),
        ("NoSuchPageError", hint + HERE),
    }
    note, is_here = found["cached"]
    assert note.endswith("; using the cache")
    assert is_here == "True"
    assert found["models"] == LISTED


@pytest.mark.parametrize(("name", "value", "message", "hint"), FAULTY)
def test_an_invalid_variable(place: Place, name: str, value: str, message: str, hint: str) -> None:
    check(place, {name: value}, message, hint)


@pytest.mark.skipif(CLIENT_IS_OLD, reason="the client uses requests, which reads others")
@pytest.mark.parametrize(("name", "value", "message", "hint"), FAULTY_FOR_HTTPX)
def test_an_invalid_variable_of_newer_versions(
    place: Place, name: str, value: str, message: str, hint: str
) -> None:
    check(place, {name: value}, message, hint)


@pytest.mark.skipif(CLIENT_IS_OLD, reason="the client uses requests, which reads others")
def test_an_ssl_key_log_that_cannot_be_written(place: Place) -> None:
    certificates = str(Path(__file__).parents[1] / "support" / "loopback.pem")
    check(
        place,
        {"SSL_CERT_FILE": certificates, "SSLKEYLOGFILE": "/nonexistent/log"},
        "SSLKEYLOGFILE names a file that is not writable: '/nonexistent/log':"
        " no such file or directory",
        "correct it, or unset SSLKEYLOGFILE",
    )


def test_several_invalid_variables(place: Place) -> None:
    """The first one is named; a cached model can be used all the same."""
    check(
        place,
        {
            "HF_HUB_DOWNLOAD_TIMEOUT": "1.5",
            "HF_HUB_ETAG_TIMEOUT": "x",
            "HF_ENDPOINT": "http://[::bad",
        },
        *not_a_hub("http://[::bad"),
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("NO_PROXY", value) for value in ("*", "::1,, ,.example.com", "10.0.0.0/8")),
        *(("HF_HUB_OFFLINE", value) for value in ("", "0", "maybe")),
        *(("HF_HUB_DOWNLOAD_TIMEOUT", value) for value in ("0", "20")),
        *(("HF_TOKEN", value) for value in ("", "  ", "\n")),
        ("HF_TOKEN_PATH", "/nonexistent"),
        ("HF_HUB_USER_AGENT_ORIGIN", "\N{LATIN SMALL LETTER U WITH DIAERESIS}"),
        ("HF_HUB_VERBOSITY", "loud"),
        ("HF_HUB_DISABLE_XET", "maybe"),
        ("HF_XET_CACHE", "/nonexistent"),
        ("HF_XET_HIGH_PERFORMANCE", "x"),
        ("HF_INFERENCE_ENDPOINT", "http://[::bad"),
        ("HF_HUB_ENABLE_HF_TRANSFER", "1"),
        ("HTTPS_PROXY", ""),
        ("SSL_CERT_FILE", ""),
        ("HUGGINGFACE_CO_STAGING", "maybe"),
        ("HOME", "/nonexistent"),
    ],
)
def test_a_harmless_unusual_variable(place: Place, tmp_path: Path, name: str, value: str) -> None:
    found = place.outcomes(HF_HOME=str(tmp_path), **{name: value})
    assert found == {
        "new": ["True"],
        "cached": ["True"],
        "models": ["demo", "hf.co/acme/new:Q4_0", "hf.co/acme/sd:Q4_0"],
    }


@pytest.mark.parametrize("value", ["[::1]", "[::bad", "\x1b[31m", "http://[::bad"])
def test_invalid_hosts_in_no_proxy(place: Place, tmp_path: Path, value: str) -> None:
    """Some versions of httpx ignore them, as curl does; others raise an error."""
    found = place.outcomes(HF_HOME=str(tmp_path), NO_PROXY=value)["new"]
    if found != ["True"]:
        here = "; available offline: demo"
        assert found[1:] == [
            f"NO_PROXY contains an invalid host: {value!r}",
            f"correct it, or unset NO_PROXY{here}",
        ]


@pytest.mark.parametrize(
    ("variables", "reason", "hint"),
    [
        (
            {"HF_HUB_CACHE": "file"},
            "the cache 'file' cannot be used: not a directory",
            "set HF_HUB_CACHE to another folder",
        ),
        (
            {"HF_HOME": "file"},
            "the cache 'file/hub' cannot be used: not a directory",
            "set HF_HOME to another folder",
        ),
        (
            {"HUGGINGFACE_HUB_CACHE": "file", "HF_HOME": "folder"},
            "the cache 'file' cannot be used: not a directory",
            "set HUGGINGFACE_HUB_CACHE to another folder",
        ),
    ],
)
def test_a_cache_that_is_not_a_folder(
    place: Place, variables: dict[str, str], reason: str, hint: str
) -> None:
    found = place.outcomes(**variables)
    assert found["new"] == ["FetchError", reason, hint]
    assert found["models"] == ["demo"]


def test_the_message_names_the_variable_that_forbids_the_network(place: Place) -> None:
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        found = place.outcomes(**{name: "1"})
        _, message, hint = found["new"]
        assert message.endswith(f" is not cached, and {name} is set")
        assert hint == f"unset {name} to download it{HERE}"
        assert found["cached"] == ["True"]
