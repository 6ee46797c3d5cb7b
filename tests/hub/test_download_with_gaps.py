"""A download over several connections is interrupted, damaged, changed by others, and resumed."""

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hub_steps import error_of, read, wait_for_threads
from large_file import (
    AGAIN,
    LARGE,
    MB,
    SIZE,
    add_large_file,
    asked,
    gate,
    interrupt,
    kept,
    names,
)
from loopback_hub import LoopbackHub

from gpustack_draw.hub import (
    Hub,
    RepositoryFile,
    partial_file,
)
from gpustack_draw.hub.byte_ranges import ByteRange, find_gaps, merge
from gpustack_draw.hub.fetch import Fetch
from gpustack_draw.hub.partial_paths import PartialPaths
from gpustack_draw.progress.progress import Progress


@pytest.fixture
def file(hub: Hub, server: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> RepositoryFile:
    return add_large_file(hub, server, monkeypatch)


@pytest.mark.parametrize("count", [1, SIZE // 3, SIZE * 3 // 4])
def test_a_download_with_gaps_resumes_exactly(
    hub: Hub, server: LoopbackHub, file: RepositoryFile, count: int
) -> None:
    interrupt(hub, server, file, count)
    before = kept(hub, file)
    missing = find_gaps(before, SIZE)
    assert hub.bytes_to_fetch([file]) == sum(each.size for each in missing)
    seen: list[Progress] = []
    assert hub.fetch([file], seen.append) == ()
    assert read(hub, file) == LARGE
    assert merge(asked(server)) == missing
    assert server.bytes_sent == sum(each.size for each in missing)
    assert seen[-1].resumed == SIZE - server.bytes_sent
    assert names(hub, file) == [file.digest]


@pytest.mark.parametrize("count", [5 * MB, SIZE - 100])
def test_a_partial_file_without_gaps_resumes(
    hub: Hub, server: LoopbackHub, file: RepositoryFile, count: int
) -> None:
    """Such as one of huggingface_hub, or of an earlier version."""
    partial = hub.cache.partial(file)
    partial.parent.mkdir(parents=True)
    partial.write_bytes(LARGE[:count])
    assert hub.fetch([file]) == ()
    assert read(hub, file) == LARGE
    assert merge(asked(server)) == (ByteRange(count, SIZE),)
    assert server.bytes_sent == SIZE - count
    assert names(hub, file) == [file.digest]


def test_a_file_with_gaps_has_another_name(
    hub: Hub, server: LoopbackHub, file: RepositoryFile
) -> None:
    """huggingface_hub before version 1.18 appends to the usual one."""
    interrupt(hub, server, file, SIZE // 2)
    assert not hub.cache.partial(file).exists()
    assert sorted(names(hub, file)) == [
        f"{file.digest}.gaps.incomplete",
        f"{file.digest}.map.incomplete",
    ]


def test_a_server_ignores_ranges_when_a_download_with_gaps_resumes(
    hub: Hub, server: LoopbackHub, file: RepositoryFile
) -> None:
    interrupt(hub, server, file, SIZE // 2)
    server.fail("/resolve/", ignore_range=True, cut_after=2 * MB, times=1)
    server.fail("/resolve/", ignore_range=True)
    assert hub.fetch([file]) == ()
    assert read(hub, file) == LARGE
    assert len(server.requests) == 2


@pytest.mark.parametrize("damage", ["no map", "bad map", "no file", "short file", "wrong bytes"])
def test_damaged_partial_files(
    hub: Hub, server: LoopbackHub, file: RepositoryFile, damage: str
) -> None:
    """Only bytes that are on the disk count."""
    interrupt(hub, server, file, SIZE // 2)
    paths = PartialPaths(hub.cache.partial(file))
    before = kept(hub, file)
    expected = (ByteRange(0, SIZE),)
    if damage == "no map":
        paths.map.unlink()
    elif damage == "bad map":
        paths.map.write_bytes(b"00000000 x 0-99999\n" * 1000)
    elif damage == "no file":
        paths.gapped.unlink()
    elif damage == "short file":
        os.truncate(paths.gapped, 100_000)
        expected = (ByteRange(100_000, SIZE),)
    else:
        with paths.gapped.open("r+b") as opened:
            opened.write(b"other bytes")
        expected = find_gaps(before, SIZE)
    assert hub.cache.partial_bytes(file) == SIZE - sum(each.size for each in expected)
    assert hub.fetch([file]) == ((AGAIN,) if damage == "wrong bytes" else ())
    assert read(hub, file) == LARGE
    if damage != "wrong bytes":
        assert merge(asked(server)) == expected
    assert names(hub, file) == [file.digest]


def test_the_disk_fills_up(
    hub: Hub, server: LoopbackHub, file: RepositoryFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A part of a piece may have been written; what is known to be on the disk is kept."""
    exact, room = partial_file.write, [3 * MB]

    def write(descriptor: int, data: bytes) -> None:
        exact(descriptor, data[: room[0]])
        room[0] -= min(room[0], len(data))
        if not room[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(partial_file, "write", write)
    assert error_of(lambda: hub.fetch([file]))[1:] == (
        f"the disk of the cache '{hub.cache.folder}' is full",
        "free disk space, or set HF_HOME to a folder on another disk; partial files are kept",
    )
    wait_for_threads(file.path)
    before = kept(hub, file)
    assert sum(each.size for each in before) > 2 * MB
    monkeypatch.setattr(partial_file, "write", exact)
    server.requests.clear()
    assert hub.fetch([file]) == ()
    assert read(hub, file) == LARGE
    assert merge(asked(server)) == find_gaps(before, SIZE)


def test_the_header_of_a_file_with_gaps_is_read_locally(
    hub: Hub, server: LoopbackHub, file: RepositoryFile
) -> None:
    interrupt(hub, server, file, SIZE // 2)
    start = hub.cache.read_partial(file, 2 * MB)
    first = kept(hub, file)[0]
    assert start == LARGE[: min(2 * MB, first.end)]
    assert first.start == 0


# --- other processes ------------------------------------------------------------------------------


def test_fetches_without_a_lock_do_not_mix_bytes(
    hub: Hub, server: LoopbackHub, file: RepositoryFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Fetch, "_locked", lambda *_: threading.Lock())
    server.fail("/resolve/", seconds=0.005)
    threads = [Caught(lambda: hub.fetch([file])) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [thread.error for thread in threads] == [None] * 3
    assert read(hub, file) == LARGE
    assert names(hub, file) == [file.digest]


class Caught(threading.Thread):
    """A thread that keeps its error."""

    def __init__(self, action: Callable[[], Any]) -> None:
        super().__init__()
        self.action = action
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.action()
        except BaseException as error:
            self.error = error


@pytest.mark.parametrize("change", ["truncated", "appended", "removed", "replaced"])
def test_another_program_changes_the_file_with_gaps(
    hub: Hub, server: LoopbackHub, file: RepositoryFile, tmp_path: Path, change: str
) -> None:
    path = PartialPaths(hub.cache.partial(file)).gapped
    changed: list[int] = []

    def interfere(progress: Progress) -> None:
        if progress.step < SIZE // 2 or changed:
            return
        changed.append(progress.step)
        if change == "truncated":
            os.truncate(path, 1000)
        elif change == "appended":
            with path.open("ab") as appended:
                appended.write(b"other bytes")
        elif change == "removed":
            path.unlink()
        else:
            (tmp_path / "other").write_bytes(bytes(SIZE))
            (tmp_path / "other").replace(path)
        opened.set()

    with gate(server, SIZE // 2) as opened:
        notes = hub.fetch([file], interfere)
    # A connection that writes behind the new end in that moment hides that the file was truncated.
    assert notes in {(), (AGAIN,)} if change == "truncated" else notes == ()
    assert changed
    assert read(hub, file) == LARGE
    assert names(hub, file) == [file.digest]
