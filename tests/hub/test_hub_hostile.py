"""A hostile hub: its data is checked before it reaches the disk, the terminal or a parser."""

import gzip
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hub_steps import DATA, error_of, get, look_up, read
from loopback_hub import LoopbackHub

import gpustack_draw
from gpustack_draw.errors import FetchError
from gpustack_draw.hub import Hub, HubUnavailableError, RepositoryFile, client, connection
from gpustack_draw.hub.fetch import Fetch
from gpustack_draw.hub.repository import is_safe

COMMIT = "0123abcdef" * 4
LABEL = "hf.co/acme/tiny:data.gguf"


def answer_with(server: LoopbackHub, body: bytes, **headers: str) -> None:
    server.fail("/api/", status=200, headers=headers, body=body)


def list_with(sha: object, **entry: object) -> bytes:
    return json.dumps({"sha": sha, "siblings": [{"rfilename": "m.gguf", **entry}]}).encode()


def files_below(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


@pytest.mark.parametrize(
    "sha",
    [
        "/tmp/models",
        "x/../../../../outside",
        "..",
        "",
        "main",
        "a\0b",
        "b" * 5000,
        "\ud800",
        COMMIT.upper(),
        COMMIT + "\n",
        COMMIT + "/..",
        "C:" + COMMIT[2:],
        None,
        40,
        [COMMIT],
        {},
    ],
)
def test_an_invalid_commit_is_refused(
    hub: Hub, server: LoopbackHub, tmp_path: Path, sha: object
) -> None:
    before = files_below(tmp_path.parent)
    answer_with(server, list_with(sha, size=5))
    error_type, message, _ = error_of(lambda: look_up(hub))
    assert (error_type, message) == (
        HubUnavailableError,
        f"{server.url} does not respond like a hub",
    )
    assert files_below(tmp_path.parent) == before


def test_a_file_of_the_user_is_never_replaced(
    server: LoopbackHub, hub: Hub, tmp_path: Path
) -> None:
    mine = tmp_path / "mine" / "m.gguf"
    mine.parent.mkdir()
    mine.write_text("precious")
    answer_with(server, list_with(str(mine.parent), size=5))
    with pytest.raises(FetchError):
        gpustack_draw.load("hf.co/acme/tiny")
    # Not even if such a commit passed the first check.
    file = RepositoryFile("acme/tiny", "main", str(mine.parent), "m.gguf", 5, "ab" * 32)
    assert error_of(lambda: hub.fetch([file]))[0] is FetchError
    assert mine.read_text() == "precious"


@pytest.mark.parametrize(
    "path",
    [
        *("../m.gguf", "/m.gguf", "a//m.gguf", "a/./m.gguf", "a\\m.gguf", "a\0.gguf", "c:m.gguf"),
        *("\x1b[31m.gguf", "\u202e.gguf", "\ud800.gguf", "", ".", "..", "a" * 256 + ".gguf"),
        *("\N{LATIN SMALL LETTER A WITH DIAERESIS}" * 130, "/".join(["d" * 100] * 50)),
    ],
)
def test_paths_outside_the_repository_are_ignored(hub: Hub, server: LoopbackHub, path: str) -> None:
    assert not is_safe(path)
    siblings = [{"rfilename": path, "size": 5}, {"rfilename": "good.gguf", "size": 5}]
    answer_with(server, json.dumps({"sha": COMMIT, "siblings": siblings}).encode())
    assert look_up(hub).paths == ["good.gguf"]
    for file in (
        RepositoryFile("acme/tiny", "main", COMMIT, path),
        RepositoryFile("acme/tiny", "main", path, "m.gguf"),
    ):
        error_type, message, _ = error_of(lambda file=file: hub.cache.pointer(file))  # type: ignore[misc]
        assert error_type is FetchError
        assert message.endswith(" is not a path inside the cache")
        assert message.isprintable()


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 200_000,
        b'{"a":' * 200_000,
        b'{"siblings":[{"rfilename":"m.gguf","size":1e999}]}',
        b'{"sha":"' + COMMIT.encode() + b'","siblings":[{"rfilename":"m.gguf","size":NaN}]}',
        b'{"sha":"'
        + COMMIT.encode()
        + b'","siblings":[{"rfilename":"m.gguf","size":'
        + b"9" * 5000
        + b"}]}",
        b'{"sha":"' + COMMIT.encode() + b'","siblings":[7]}',
        b'{"sha":"' + COMMIT.encode() + b'"}',
        b"[]",
        b"null",
        b"",
        b"\xff\xfe",
        b"<html>",
        b" " * (client.MAX_LIST_BYTES + 1),
    ],
    ids=lambda body: repr(body[:30]),
)
def test_an_invalid_list(hub: Hub, server: LoopbackHub, body: bytes) -> None:
    answer_with(server, body)
    start = time.monotonic()
    error_type, message, hint = error_of(lambda: look_up(hub))
    assert (error_type, message) == (
        HubUnavailableError,
        f"{server.url} does not respond like a hub",
    )
    assert hint.startswith("check the network and HF_ENDPOINT: ")
    assert len(server.requests) == 1  # a retry would not help
    assert time.monotonic() - start < 10


@pytest.mark.parametrize("size", [-1, 2**70, "5", 5.5, True, None, []])
def test_an_invalid_size_is_unknown(hub: Hub, server: LoopbackHub, size: object) -> None:
    answer_with(server, list_with(COMMIT, size=size))
    assert look_up(hub).file("m.gguf").bytes == (1 if size is True else -1)


def test_a_file_whose_size_is_never_stated(hub: Hub, server: LoopbackHub) -> None:
    """A fetch without a limit is refused."""
    server.add("acme/bare", {"m.gguf": DATA}, bare=True, small=frozenset({"m.gguf"}))
    server.fail("/resolve/", ignore_range=True, coding="until closed")
    file = get(hub, "m.gguf", "acme/bare")
    expected = f"the hub does not state the size of {file.label}"
    assert error_of(lambda: hub.fetch([file]))[1] == expected
    assert error_of(lambda: hub.read_header(file))[1] == expected


def test_a_small_body_that_unpacks_to_gigabytes(hub: Hub, server: LoopbackHub) -> None:
    packed = gzip.compress(b" " * 100_000_000)
    assert len(packed) < 200_000
    answer_with(server, packed, **{"Content-Encoding": "gzip"})
    assert error_of(lambda: look_up(hub))[1] == f"{server.url} does not respond like a hub"
    counts: list[int] = []

    def pieces() -> Iterator[bytes]:
        for place in range(0, len(packed), 10_000):
            counts.append(place)
            yield packed[place : place + 10_000]

    with pytest.raises(ValueError, match="more than 1000 bytes"):
        connection.decompress(pieces(), "gzip", 1000)
    assert counts == [0]


@pytest.mark.parametrize("coding", ["br", "deflate", "gzip, gzip"])
def test_a_body_with_an_unknown_encoding(hub: Hub, server: LoopbackHub, coding: str) -> None:
    answer_with(server, b"{}", **{"Content-Encoding": coding})
    assert error_of(lambda: look_up(hub))[1] == f"{server.url} does not respond like a hub"


# --- messages -------------------------------------------------------------------------------------

ESCAPES = "\x1b]0;owned\x07\x1b[31mred\x9b2J"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 410, 416, 418, 429, 451, 500, 503])
@pytest.mark.parametrize("header", ["X-Error-Message", "X-Error-Code", "Retry-After"])
def test_escape_sequences_are_not_printed(
    hub: Hub, server: LoopbackHub, status: int, header: str
) -> None:
    server.fail("/api/", status=status, headers={header: ESCAPES})
    error_type, message, hint = error_of(lambda: look_up(hub))
    assert issubclass(error_type, gpustack_draw.DrawError)
    assert message.isprintable()
    assert hint.isprintable()


def test_escape_sequences_in_a_range_are_not_printed(hub: Hub, server: LoopbackHub) -> None:
    file = get(hub)
    server.fail("/resolve/", status=206, headers={"Content-Range": f"bytes {ESCAPES}0-1/5"})
    assert error_of(lambda: hub.fetch([file]))[1] == (
        f"the hub sent another byte range of {LABEL} than requested: bytes ]0;owned [31mred 2J0-1/5"
    )


def test_a_long_message_is_shortened(hub: Hub, server: LoopbackHub) -> None:
    server.fail("/api/", status=403, headers={"X-Error-Message": "no " * 10_000})
    assert len(error_of(lambda: look_up(hub))[1]) < 400


@pytest.mark.parametrize(
    ("value", "when"),
    [("9" * 4000, "tomorrow"), ("86400", "tomorrow"), ("90", "in 90 seconds")],
)
def test_the_longest_retry_after(hub: Hub, server: LoopbackHub, value: str, when: str) -> None:
    server.fail("/api/", status=429, headers={"Retry-After": value})
    error_type, _, hint = error_of(lambda: look_up(hub))
    assert error_type is HubUnavailableError
    assert hint.startswith(f"try again {when}; ")


# --- redirects ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "location",
    [
        *(
            "http://[::bad",
            "http://127.0.0.1:99999/",
            "http://127.0.0.1:abc/x",
            "ftp://x/",
            "http:",
        ),
        *("file:///etc/passwd", "http://x\x1b[31m/", "javascript:x", "http://x:0/", "."),
    ],
)
def test_invalid_redirects(hub: Hub, server: LoopbackHub, location: str) -> None:
    server.fail("/api/", status=302, headers={"Location": location})
    error_type, message, hint = error_of(lambda: look_up(hub))
    assert error_type is HubUnavailableError
    assert (message + hint).isprintable()
    if not message.startswith(f"{server.url} cannot be reached: "):  # older versions of httpx
        assert message == f"{server.url} redirects too often, or to an invalid URL"
        assert hint.startswith("check HF_ENDPOINT and the network; ")


def test_the_token_stays_with_the_host_and_port(
    hub: Hub, server: LoopbackHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", server.TOKEN)
    other = LoopbackHub()
    other.repositories = server.repositories
    for place in (other.url, other.url.replace("127.0.0.1", "localhost")):
        server.faults.clear()
        server.fail("/api/", status=302, headers={"Location": f"{place}/api/models/acme/tiny"})
        look_up(hub)
    other.close()
    assert [request.token for request in other.requests] == ["", ""]
    server.faults.clear()
    server.renamed["acme/older"] = "acme/tiny"
    server.requests.clear()
    look_up(hub, "acme/older")
    assert [request.token for request in server.requests] == [f"Bearer {server.TOKEN}"] * 2


# --- time -----------------------------------------------------------------------------------------


def drip(*pieces: bytes, each: bytes) -> Callable[[socket.socket], None]:
    def send(connected: socket.socket) -> None:
        for piece in pieces:
            connected.sendall(piece)
        while True:
            connected.sendall(each)
            time.sleep(0.02)

    return send


@pytest.fixture
def raw_hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Any], str]]:
    """A server whose responses are written by a function."""
    listening = socket.create_server(("127.0.0.1", 0))
    senders: list[Callable[[socket.socket], None]] = []

    def serve() -> None:
        while True:
            try:
                connected, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=run, args=(connected,), daemon=True).start()

    def run(connected: socket.socket) -> None:
        with connected:
            try:
                connected.recv(65536)
                senders[-1](connected)
            except OSError:
                pass

    def start(send: Callable[[socket.socket], None]) -> str:
        from huggingface_hub import constants

        senders.append(send)
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        monkeypatch.setattr(constants, "ENDPOINT", url)
        return url

    threading.Thread(target=serve, daemon=True).start()
    yield start
    listening.close()


@pytest.mark.parametrize(
    "send",
    [
        drip(b"HTTP/1.1 200 OK\r\nX: ", each=b"a"),
        drip(each=b"HTTP/1.1 100 Continue\r\n\r\n"),
        drip(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n", each=b" "),
        drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", each=b"1\r\n \r\n"),
        drip(b"HTTP/1.1 403 No\r\nContent-Length: 100000000\r\nX: ", each=b" "),
        drip(b"HTTP/1.1 302 X\r\nContent-Length: 9999999\r\nLocation: /x\r\nY: ", each=b" "),
    ],
    ids=["head", "continue", "body", "chunks", "refusal", "redirect"],
)
def test_a_hub_that_sends_single_bytes_times_out(
    hub: Hub,
    raw_hub: Callable[[Any], str],
    monkeypatch: pytest.MonkeyPatch,
    send: Callable[[socket.socket], None],
) -> None:
    monkeypatch.setattr(client, "SECONDS_FOR_LIST", 0.5)
    monkeypatch.setattr(connection, "SECONDS_FOR_HEAD", 0.5)
    set_short_timeouts(monkeypatch)
    url = raw_hub(send)
    error_type, message, _ = error_of(lambda: look_up(hub))
    assert (error_type, message) == (HubUnavailableError, f"{url} responds too slowly")


def test_a_header_sent_in_single_bytes_times_out(
    hub: Hub, server: LoopbackHub, raw_hub: Callable[[Any], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "SECONDS_FOR_RANGE", 0.5)
    monkeypatch.setattr(client, "_MIN_BYTES_PER_SECOND", 1e9)
    file = get(hub, "a/tiny-Q4_0.gguf")
    head = b"HTTP/1.1 206 OK\r\nContent-Range: bytes 0-65535/%d\r\nContent-Length: 65536\r\n\r\n"
    url = raw_hub(drip(head % file.bytes, each=b"G"))
    error_type, message, _ = error_of(lambda: hub.read_header(file))
    assert (error_type, message) == (HubUnavailableError, f"{url} responds too slowly")


def set_short_timeouts(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_ETAG_TIMEOUT", 0.4)
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.4)


# --- the bytes on the disk ------------------------------------------------------------------------


@pytest.mark.parametrize("change", ["overwritten", "truncated", "appended", "removed"])
def test_a_file_that_another_program_changes_while_it_is_fetched(
    hub: Hub, server: LoopbackHub, change: str
) -> None:
    """The digest is that of the bytes on the disk, not of those received."""
    file = get(hub)
    partial = hub.cache.partial(file)
    server.fail("/resolve/", seconds=0.02)
    changed: list[int] = []

    def interfere(progress: gpustack_draw.Progress) -> None:
        if progress.step < 500_000 or changed:
            return
        changed.append(progress.step)
        if change == "removed":
            partial.unlink()
            return
        with partial.open("r+b") as opened:
            if change == "truncated":
                opened.truncate(1000)
            else:
                opened.seek(100_000, 0 if change == "overwritten" else 2)
                opened.write(b"other bytes")

    notes = hub.fetch([file], interfere)
    assert changed
    wrong = f"{LABEL} did not match its digest, and was downloaded again"
    assert notes == ((wrong,) if change == "overwritten" else ())
    assert read(hub, file) == DATA
    path = hub.path_of(file)
    assert path is not None
    assert hub.cache.is_verified(file, path)
    assert [path.name for path in hub.cache.blob(file).parent.iterdir()] == [file.digest]


def test_two_fetches_without_a_lock_do_not_mix_bytes(
    hub: Hub, server: LoopbackHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shared disk may not support locks, and users may delete lock files."""
    file = get(hub)
    server.fail("/resolve/", seconds=0.01)
    monkeypatch.setattr(Fetch, "_locked", lambda *_: threading.Lock())
    errors: list[BaseException] = []

    def fetch() -> None:
        try:
            hub.fetch([file])
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=fetch) for _ in range(3)]
    for thread in threads:
        thread.start()
        time.sleep(0.05)
    for thread in threads:
        thread.join()
    assert errors == []
    assert read(hub, file) == DATA
    assert [path.name for path in hub.cache.blob(file).parent.iterdir()] == [file.digest]
