"""A file that is as large as one of gigabytes for the downloads of a test."""

import contextlib
import random
import threading
from collections.abc import Callable, Iterator

import pytest
from hub_steps import get, wait_for_threads
from loopback_hub import Content, LoopbackHub

from gpustack_draw.hub import Hub, RepositoryFile, transfer
from gpustack_draw.hub.byte_ranges import ByteRange
from gpustack_draw.hub.partial_paths import PartialPaths
from gpustack_draw.progress.progress import Progress

KB, MB = 1024, 1024 * 1024
SIZE = 8 * MB + 12_345
LARGE = random.Random(1).randbytes(SIZE)  # so that bytes at a wrong place are noticed
LABEL = "hf.co/acme/large:m.gguf"
AGAIN = f"{LABEL} did not match its digest, and was downloaded again"


def add_large_file(
    hub: Hub, server: LoopbackHub, monkeypatch: pytest.MonkeyPatch
) -> RepositoryFile:
    """Add a file of 8 MB, and make it large enough for several connections."""
    monkeypatch.setattr(transfer, "MIN_BYTES", MB)
    monkeypatch.setattr(transfer, "MIN_RANGE_BYTES", 128 * KB)
    monkeypatch.setattr(transfer, "MAX_RANGE_BYTES", 512 * KB)
    monkeypatch.setattr(transfer, "SECONDS_BEFORE_MORE", 0.05)
    server.add("acme/large", {"m.gguf": Content(LARGE)})
    found = get(hub, "m.gguf", "acme/large")
    server.requests.clear()
    return found


def asked(server: LoopbackHub) -> list[ByteRange]:
    """Return the ranges that have been requested."""
    found = []
    for request in server.requests:
        first, _, last = request.range.removeprefix("bytes=").partition("-")
        found.append(ByteRange(int(first or 0), int(last or SIZE - 1) + 1))
    return found


def kept(hub: Hub, file: RepositoryFile) -> tuple[ByteRange, ...]:
    return PartialPaths(hub.cache.partial(file)).find_kept().ranges


def names(hub: Hub, file: RepositoryFile) -> list[str]:
    return [path.name for path in hub.cache.blob(file).parent.iterdir()]


def change_after(content: Content, count: int, change: Callable[[], None]) -> None:
    """Change a file when the server has sent a number of bytes of it."""
    exact, sent = content.read, [0]

    def read_and_change(begin: int, end: int) -> bytes:
        if sent[0] <= count < sent[0] + end - begin:
            change()
        sent[0] += end - begin
        return exact(begin, end)

    content.read = read_and_change  # type: ignore[method-assign]


@contextlib.contextmanager
def gate(server: LoopbackHub, count: int) -> Iterator[threading.Event]:
    """Make the server wait for an event after it has sent a number of bytes."""
    content = server.repositories["acme/large"].files["m.gguf"]
    opened, exact, sent = threading.Event(), content.read, [0]

    def read_and_wait(begin: int, end: int) -> bytes:
        if sent[0] >= count:
            opened.wait(30)
        sent[0] += end - begin
        return exact(begin, end)

    content.read = read_and_wait  # type: ignore[method-assign]
    yield opened
    content.read = exact  # type: ignore[method-assign]
    opened.set()


def interrupt(hub: Hub, server: LoopbackHub, file: RepositoryFile, count: int) -> None:
    """Interrupt a download after some bytes, and wait for its connections to close."""

    def stop(progress: Progress) -> None:
        if progress.step >= count:
            raise KeyboardInterrupt

    with gate(server, count), pytest.raises(KeyboardInterrupt):
        hub.fetch([file], stop)
    wait_for_threads(file.path)
    server.requests.clear()
