"""Large files come in ranges over several connections; faults leave fewer, and cost no bytes."""

import contextlib
import threading
from pathlib import Path
from typing import Any

import pytest
from hub_steps import error_of, get, read, wait_for_threads
from large_file import (
    AGAIN,
    LABEL,
    LARGE,
    SIZE,
    add_large_file,
    asked,
    change_after,
    kept,
    names,
)
from loopback_hub import LoopbackHub

from gpustack_draw.errors import FetchError
from gpustack_draw.hub import (
    Hub,
    HubUnavailableError,
    RepositoryFile,
    retry,
    transfer,
)
from gpustack_draw.hub.byte_ranges import ByteRange, find_gaps, merge
from gpustack_draw.hub.partial_file import PartialFile
from gpustack_draw.hub.transfer import ConnectionShare
from gpustack_draw.progress.progress import Progress

LOST = 32_768  # of huggingface_hub 0.36, after a closed connection
LOG_IN = "log in with 'hf auth login', or set HF_TOKEN"


@pytest.fixture
def file(hub: Hub, server: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> RepositoryFile:
    return add_large_file(hub, server, monkeypatch)


def test_a_large_file_comes_over_several_connections(
    hub: Hub, server: LoopbackHub, file: RepositoryFile
) -> None:
    """No byte is sent twice, and the progress is that of the file."""
    server.fail("/resolve/", rate=2e6)
    seen: list[Progress] = []
    counts: list[int] = []

    def watch(progress: Progress) -> None:
        seen.append(progress)
        counts.append(sum(thread.name == file.path for thread in threading.enumerate()))

    assert hub.fetch([file], watch) == ()
    assert read(hub, file) == LARGE
    assert server.most_downloads >= 4
    assert max(counts) <= 1 + transfer.MAX_CONNECTIONS  # one thread starts the connections
    assert merge(asked(server)) == (ByteRange(0, SIZE),)
    assert server.bytes_sent == SIZE
    assert names(hub, file) == [file.digest]
    steps = [progress.step for progress in seen]
    assert steps == sorted(steps)
    assert (steps[-1], seen[-1].total, seen[-1].resumed) == (SIZE, SIZE, 0)


def test_the_first_connection_shows_whether_there_are_ranges(
    hub: Hub, server: LoopbackHub, file: RepositoryFile
) -> None:
    """A server that ignores ranges gets one request."""
    server.fail("/resolve/", ignore_range=True)
    assert hub.fetch([file]) == ()
    assert read(hub, file) == LARGE
    assert len(server.requests) == 1
    assert server.bytes_sent == SIZE


def test_the_hub_redirects_few_ranges(hub: Hub, server: LoopbackHub, file: RepositoryFile) -> None:
    """Further ranges come from the address to which the first one was redirected."""
    cdn = server.add_cdn()
    assert hub.fetch([file]) == ()
    assert read(hub, file) == LARGE
    assert cdn.bytes_sent == SIZE
    assert len(cdn.requests) > 10
    assert len(server.requests) == 2  # for the first range, and for the rest of the file


def test_an_expired_address_is_replaced(
    hub: Hub, server: LoopbackHub, file: RepositoryFile
) -> None:
    cdn = server.add_cdn()
    cdn.fail("/resolve/", status=403, after=3, times=4)
    assert hub.fetch([file]) == ()
    assert read(hub, file) == LARGE
    assert cdn.bytes_sent == SIZE


def test_bytes_that_arrive_meanwhile_are_not_requested_again(
    hub: Hub, file: RepositoryFile, tmp_path: Path
) -> None:
    """A connection writes a piece while another one looks for missing ranges."""
    job = transfer._Job(ByteRange(0, SIZE))

    class Partial(PartialFile):
        @property
        def kept(self) -> tuple[ByteRange, ...]:
            found = (ByteRange(0, job.place),)
            job.place += 65_536
            return found

        @kept.setter
        def kept(self, _: object) -> None:
            pass

    with Partial(tmp_path / "ab.incomplete", file) as partial:
        one = transfer.Transfer(hub.client, file, partial, ConnectionShare(), print, print)
        one._jobs.append(job)
        assert one._free_ranges() == ()


def test_files_share_the_connections() -> None:
    share = ConnectionShare()
    assert share.per_file == 8
    seen = []
    with contextlib.ExitStack() as files:
        for _ in range(10):
            files.enter_context(share.joined())
            seen.append(share.per_file)
    assert seen == [8, 4, 2, 2, 1, 1, 1, 1, 1, 1]
    assert share.per_file == 8


def test_large_and_small_files_side_by_side(
    hub: Hub, server: LoopbackHub, file: RepositoryFile
) -> None:
    data = {"a.gguf": LARGE[::-1], "b.gguf": LARGE[1:], "c.txt": b"small"}
    server.add("acme/others", data)
    files = [file, *(get(hub, path, "acme/others") for path in data)]
    server.requests.clear()
    assert hub.fetch(files) == ()
    assert [read(hub, each) for each in files] == [LARGE, *data.values()]
    assert server.bytes_sent == sum(each.bytes for each in files)


# --- faults of some connections -------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 416, "times": 5},
        {"status": 429, "times": 5},
        {"status": 503, "times": 5},
        {"status": 403, "times": 5},
        {"status": 404, "times": 5},
        {"status": 429, "times": 5, "headers": {"Retry-After": "0"}},
        {"status": 429, "times": 2, "headers": {"Retry-After": "3600"}},
        {"status": 206, "times": 5, "headers": {"Content-Range": "bytes 5-9/10"}},
        {"cut_after": 0, "times": 5},
        {"cut_after": 65_536, "times": 7},
        {"coding": "chunked"},
        {"coding": "until closed"},
        {"longer": 100_000, "coding": "until closed"},
    ],
    ids=str,
)
def test_faults_of_some_connections(
    hub: Hub, server: LoopbackHub, file: RepositoryFile, fault: dict[str, Any]
) -> None:
    """The others continue, and no received byte is requested again."""
    server.fail("/resolve/", after=1, **fault)
    server.fail("/resolve/", seconds=0.002)
    assert hub.fetch([file]) == ()
    assert read(hub, file) == LARGE
    received = SIZE + LOST * fault.get("times", 0) if "cut_after" in fault else SIZE
    if "longer" not in fault:
        assert SIZE <= server.bytes_sent <= received
    assert names(hub, file) == [file.digest]


def test_a_server_that_allows_two_connections(
    hub: Hub, server: LoopbackHub, file: RepositoryFile
) -> None:
    server.max_downloads = 2
    server.fail("/resolve/", seconds=0.005)
    assert hub.fetch([file]) == ()
    assert read(hub, file) == LARGE
    assert server.most_downloads == 2
    assert server.bytes_sent == SIZE


def test_connections_that_stall(
    hub: Hub, server: LoopbackHub, file: RepositoryFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.3)
    server.fail("/resolve/", after=2, stall_after=65_536, times=3)
    server.fail("/resolve/", seconds=0.002)
    assert hub.fetch([file]) == ()
    assert read(hub, file) == LARGE
    assert server.bytes_sent <= SIZE + 3 * LOST


def test_some_servers_of_a_hub_ignore_ranges(
    hub: Hub, server: LoopbackHub, file: RepositoryFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their connections are closed; the ones with ranges complete the file."""
    monkeypatch.setattr(PartialFile, "restart", None)  # what has been received stays
    server.fail("/resolve/", after=1, times=3, ignore_range=True)
    server.fail("/resolve/", seconds=0.02)
    assert hub.fetch([file]) == ()
    assert read(hub, file) == LARGE
    assert names(hub, file) == [file.digest]


def test_wrong_bytes_of_some_connections(
    hub: Hub, server: LoopbackHub, file: RepositoryFile
) -> None:
    """The digest does not match, and one connection downloads the file again."""
    server.fail("/resolve/", after=2, times=1, wrong_bytes=True)
    assert hub.fetch([file]) == (AGAIN,)
    assert read(hub, file) == LARGE
    assert server.requests[-1].range == ""


def test_a_server_that_sends_other_ranges_than_it_states(
    hub: Hub, server: LoopbackHub, file: RepositoryFile
) -> None:
    """The second try requests no range."""
    content = server.repositories["acme/large"].files["m.gguf"]
    exact = content.read

    def read_wrongly(begin: int, end: int) -> bytes:
        shift = 1 if server.requests[-1].range else 0
        return exact(begin - shift, end - shift) if begin else exact(begin, end)

    content.read = read_wrongly  # type: ignore[method-assign]
    assert hub.fetch([file]) == (AGAIN,)
    assert read(hub, file) == LARGE
    assert server.requests[-1].range == ""


def test_a_file_that_changes_between_two_ranges(
    hub: Hub, server: LoopbackHub, file: RepositoryFile
) -> None:
    """Both versions are not mixed: the digest of the first one does not match."""
    content = server.repositories["acme/large"].files["m.gguf"]
    change_after(content, SIZE // 3, lambda: setattr(content, "start", LARGE[::-1]))
    error_type, message, hint = error_of(lambda: hub.fetch([file]))
    assert (error_type, message, hint) == (
        FetchError,
        f"{LABEL} was downloaded twice and does not match its SHA-256 {file.digest[:12]}...",
        "try again later, or use another file; a proxy may have changed the data",
    )
    assert names(hub, file) == []


def test_a_file_that_becomes_longer_between_two_ranges(
    hub: Hub, server: LoopbackHub, file: RepositoryFile
) -> None:
    content = server.repositories["acme/large"].files["m.gguf"]
    change_after(content, SIZE // 3, lambda: setattr(content, "size", SIZE + 5))
    error_type, message, _ = error_of(lambda: hub.fetch([file]))
    assert error_type is HubUnavailableError
    expected = f"the hub sent another byte range of {LABEL} than requested: bytes "
    assert message.startswith(expected)
    assert message.endswith(f"/{SIZE + 5}")


@pytest.mark.parametrize(
    ("status", "message", "hint"),
    [
        (
            429,
            "{url} received too many requests from this address (429)",
            f"try again in a few minutes; accounts have a higher limit: {LOG_IN}",
        ),
        (
            416,
            "{url} reports a server error (416)",
            "try again later; https://status.huggingface.co shows the status of the hub",
        ),
        (
            403,
            "{url} refuses access to hf.co/acme/large (403)",
            "check that your token has read access to this repository",
        ),
    ],
)
def test_a_hub_that_refuses_all_connections_at_last(
    hub: Hub, server: LoopbackHub, file: RepositoryFile, status: int, message: str, hint: str
) -> None:
    """The last connection's error is reported, and the next run requests what is missing."""
    server.fail("/resolve/", status=status, after=6)
    assert error_of(lambda: hub.fetch([file]))[1:] == (message.format(url=server.url), hint)
    wait_for_threads(file.path)
    before = kept(hub, file)
    assert before
    server.faults.clear()
    server.requests.clear()
    assert hub.fetch([file]) == ()
    assert read(hub, file) == LARGE
    assert merge(asked(server)) == find_gaps(before, SIZE)


def test_a_file_without_a_digest_has_one_connection(
    hub: Hub, server: LoopbackHub, file: RepositoryFile
) -> None:
    """Nothing would notice that its ranges are of different versions."""
    server.add("acme/bare", {"m.gguf": LARGE}, bare=True, small=frozenset({"m.gguf"}))
    server.fail("/resolve/", etag='"abc-3"')
    bare = get(hub, "m.gguf", "acme/bare")
    server.requests.clear()
    assert hub.fetch([bare]) == ()
    assert read(hub, bare) == LARGE
    assert [request.range for request in server.requests] == ["bytes=0-0", ""]


def test_retries_start_again_after_progress(
    hub: Hub, server: LoopbackHub, file: RepositoryFile
) -> None:
    """An outage of all connections, several times: each time, a few bytes arrive."""
    for _ in range(2 * retry.MAX_TRIES):
        server.fail("/resolve/", cut_after=65_536, times=1)
        server.fail("/resolve/", status=503, times=2)
    assert hub.fetch([file]) == ()
    assert read(hub, file) == LARGE
