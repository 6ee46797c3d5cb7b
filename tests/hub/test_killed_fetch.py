"""Processes that fetch a large file over several connections are killed, interrupted, resumed."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_steps import look_up
from loopback_hub import Content, LoopbackHub

from gpustack_draw.hub import Hub
from gpustack_draw.hub.byte_ranges import ByteRange, count_bytes, find_gaps, merge
from gpustack_draw.hub.partial_paths import PartialPaths

SIZE = 12 * 1024 * 1024 + 4321
LARGE = random.Random(2).randbytes(SIZE)

# The file is as large as one of gigabytes. Each line of the output is a number of received bytes.
FETCH = """
from gpustack_draw.hub import Hub, partial_file, transfer
transfer.MIN_BYTES = 1 << 20
transfer.MIN_RANGE_BYTES, transfer.MAX_RANGE_BYTES = 1 << 17, 1 << 20
partial_file._BYTES_BETWEEN_FLUSHES = 1 << 20
hub = Hub()
files = hub.repository("acme/large", is_sufficient=None).files
def show(progress):
    print(progress.step, flush=True)
try:
    print(hub.fetch(files, show))
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.fixture
def server(server: LoopbackHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LoopbackHub:
    server.add("acme/large", {"m.gguf": Content(LARGE)})
    server.use(monkeypatch, tmp_path)
    return server


@pytest.fixture
def processes() -> Iterator[list["subprocess.Popen[str]"]]:
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        process.kill()
        process.communicate()


def start(
    server: LoopbackHub, home: Path, processes: list["subprocess.Popen[str]"]
) -> "subprocess.Popen[str]":
    processes.append(
        subprocess.Popen(
            [sys.executable, "-c", FETCH],
            env={**os.environ, **server.environment(home)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    )
    return processes[-1]


def wait_until(server: LoopbackHub, process: "subprocess.Popen[str]", count: int) -> None:
    while server.bytes_sent < count and process.poll() is None:
        time.sleep(0.002)


def kept(hub: Hub) -> tuple[ByteRange, ...]:
    (file,) = look_up(hub, "acme/large").files
    found = PartialPaths(hub.cache.partial(file)).find_kept()
    data = found.path.read_bytes() if found.ranges else b""
    for each in found.ranges:
        assert data[each.start : each.end] == LARGE[each.start : each.end]
    return found.ranges


def requested(server: LoopbackHub) -> tuple[ByteRange, ...]:
    """Return the ranges that have been requested, none twice."""
    found = []
    for request in server.requests:
        if "/resolve/" in request.path:
            first, _, last = request.range.removeprefix("bytes=").partition("-")
            found.append(ByteRange(int(first or 0), int(last or SIZE - 1) + 1))
    assert count_bytes(found) == count_bytes(merge(found))
    return merge(found)


def test_a_fetch_that_is_killed_several_times(
    server: LoopbackHub, tmp_path: Path, processes: list["subprocess.Popen[str]"]
) -> None:
    """Each process requests only bytes that are not on the disk, and leaves what it reported."""
    hub = Hub()
    server.fail("/resolve/", rate=4e6)
    before: tuple[ByteRange, ...] = ()
    moments = random.Random(3)
    for _ in range(5):
        server.requests.clear()
        process = start(server, tmp_path, processes)
        wait_until(server, process, moments.randrange(1, SIZE // 4))
        process.kill()
        output, errors = process.communicate()
        assert errors == ""
        lines = output[: output.rfind("\n") + 1].splitlines()
        steps = [int(line) for line in lines if line.isdigit()]
        missing = find_gaps(before, SIZE)
        assert merge((*missing, *requested(server))) == missing
        before = kept(hub)
        assert count_bytes(before) >= max(steps, default=0)
    server.requests.clear()
    output, errors = start(server, tmp_path, processes).communicate(timeout=60)
    assert (output.splitlines()[-1], errors) == ("()", "")
    assert requested(server) == find_gaps(before, SIZE)
    assert server.bytes_sent == count_bytes(find_gaps(before, SIZE))
    (file,) = look_up(hub, "acme/large").files
    path = hub.path_of(file)
    assert path is not None
    assert path.read_bytes() == LARGE
    assert [each.name for each in hub.cache.blob(file).parent.iterdir()] == [file.digest]


def test_ctrl_c_while_all_connections_are_silent(
    server: LoopbackHub, tmp_path: Path, processes: list["subprocess.Popen[str]"]
) -> None:
    server.fail("/resolve/", rate=4e6, times=1)
    server.fail("/resolve/", stall_after=65_536)
    process = start(server, tmp_path, processes)
    while sum("/resolve/" in request.path for request in server.requests) < 6:
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=10)  # a silent connection would take as long
    assert (output.splitlines()[-1], errors, process.returncode) == ("interrupted", "", 0)
    assert kept(Hub())


def test_two_processes_fetch_a_large_file_once(
    server: LoopbackHub, tmp_path: Path, processes: list["subprocess.Popen[str]"]
) -> None:
    """The second one shows the progress of the first one, and continues when that is killed."""
    server.fail("/resolve/", rate=1e5)
    first = start(server, tmp_path, processes)
    wait_until(server, first, SIZE // 20)
    second = start(server, tmp_path, processes)
    assert second.stdout is not None
    while int(second.stdout.readline()) == 0:
        pass
    first.kill()
    first.communicate()
    server.faults.clear()
    output, errors = second.communicate(timeout=60)
    assert (output.splitlines()[-1], errors) == ("()", "")
    (file,) = look_up(Hub(), "acme/large").files
    path = Hub().path_of(file)
    assert path is not None
    assert path.read_bytes() == LARGE
