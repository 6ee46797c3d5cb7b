"""The partial file with gaps: its map lists no byte that is missing, whatever stops."""

import os
import zlib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpustack_draw.hub import partial_file, partial_map
from gpustack_draw.hub.byte_ranges import ByteRange, Ranges, clip, count_bytes, find_gaps, merge
from gpustack_draw.hub.partial_file import OtherWriterError, PartialFile
from gpustack_draw.hub.partial_map import PartialMap, read_map
from gpustack_draw.hub.partial_paths import PartialPaths
from gpustack_draw.hub.repository import RepositoryFile

SIZE = 1000
FILE = RepositoryFile("acme/tiny", "main", "0123abcdef" * 4, "m.gguf", SIZE, "ab" * 32)
DATA = bytes(range(250)) * 4


def ranges(*pairs: tuple[int, int]) -> Ranges:
    return tuple(ByteRange(start, end) for start, end in pairs)


# --- ranges ---------------------------------------------------------------------------------------

PAIRS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)))


@given(PAIRS, st.integers(0, 60))
def test_ranges_are_sets_of_bytes(pairs: list[tuple[int, int]], size: int) -> None:
    wanted = {place for start, end in pairs for place in range(start, end)}
    merged = merge(ranges(*pairs))
    assert [place for each in merged for place in range(each.start, each.end)] == sorted(wanted)
    assert all(before.end < after.start for before, after in pairwise(merged))
    assert count_bytes(merged) == len(wanted)
    clipped = clip(merged, size)
    assert count_bytes(clipped) == len({place for place in wanted if place < size})
    gaps = find_gaps(clipped, size)
    assert merge((*clipped, *gaps)) == merge([ByteRange(0, size)])
    assert count_bytes(clipped) + count_bytes(gaps) == size


# --- the map --------------------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "map"


@pytest.fixture
def written(path: Path) -> Iterator[PartialMap]:
    opened = PartialMap(path)
    yield opened
    opened.close()


def flush(path: Path, listed: Ranges) -> None:
    opened = PartialMap(path)
    opened.write_flushed(listed)
    opened.flush()
    opened.close()


def restart_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partial_map, "_boot", lambda: "another")


def test_the_map_of_a_killed_process(path: Path, written: PartialMap) -> None:
    """Writes survive the end of the process, flushed or not."""
    assert read_map(path) is None
    written.write_flushed(ranges((0, 5)))
    assert read_map(path) == ranges((0, 5))
    for end in (5, 600, 7, 10**15):
        written.write(ranges((0, end), (2**62 - 1, 2**62)))
        assert read_map(path) == ranges((0, end), (2**62 - 1, 2**62))
    written.write(())
    assert read_map(path) == ()


def test_the_map_after_a_power_loss(
    path: Path, written: PartialMap, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what has been flushed is certain to be on the disk."""
    for end in range(10, 60, 10):
        written.write(ranges((0, end + 5)))
        written.write_flushed(ranges((0, end)))
    written.write(ranges((0, 999)))
    restart_the_machine(monkeypatch)
    assert read_map(path) == ranges((0, 50))
    flush(path, ranges((0, 70)))
    assert read_map(path) == ranges((0, 70))
    written.write(ranges((0, 80)))
    assert read_map(path) == ranges((0, 80))


@pytest.mark.parametrize("torn", [0, 1, 9, 30])
def test_a_power_loss_while_the_map_is_flushed(
    path: Path, written: PartialMap, monkeypatch: pytest.MonkeyPatch, torn: int
) -> None:
    """The page that was being written may hold anything; the one before it is valid."""
    written.write_flushed(ranges((0, 100), (200, 300)))
    written.write_flushed(ranges((0, 300)))
    restart_the_machine(monkeypatch)
    assert read_map(path) == ranges((0, 300))
    with path.open("r+b") as opened:
        opened.seek(4096 + torn)
        opened.write(b"\0" * 20)
    assert read_map(path) == ranges((0, 100), (200, 300))


def test_a_system_without_a_name_of_its_boot(
    path: Path, written: PartialMap, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partial_map, "_BOOT_ID", path.with_name("none"))
    monkeypatch.setattr(partial_map, "_boot", partial_map._boot.__wrapped__)
    written.write_flushed(())
    written.write(ranges((3, 5)))
    assert read_map(path) == ranges((3, 5))


def slot(text: str) -> bytes:
    return f"{zlib.crc32(text.encode()):08x} {text}\n".encode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0" * 20_000,
        b"0-5",
        b"00000000 0 0-5\n",
        slot("0 0-5-6"),
        slot("0 5"),
        slot("0 a-b"),
        slot("x 0-5"),
        slot("0 0-5 6"),
        b"\xff" * 9000,
    ],
    ids=lambda data: repr(data[:20]),
)
def test_an_invalid_map_lists_nothing(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    assert read_map(path) is None
    flush(path, ranges((0, 7)))
    assert read_map(path) == ranges((0, 7))


def test_a_map_of_too_many_ranges_lists_the_first_ones(path: Path) -> None:
    many = ranges(*((2**60 + place, 2**60 + place + 1) for place in range(0, 1000, 2)))
    flush(path, many)
    listed = read_map(path)
    assert listed == many[: len(listed or ())]
    assert len(listed or ()) > 20
    assert path.stat().st_size <= 4096


# --- the partial file -----------------------------------------------------------------------------


class Watch:
    """Watches the calls of the operating system, each of which may be the last one."""

    def __init__(self, paths: PartialPaths, monkeypatch: pytest.MonkeyPatch) -> None:
        self.paths = paths
        self.monkeypatch = monkeypatch
        self.durable: set[int] = set()
        self.checks = 0
        self.exact_write, self.exact_fsync = partial_file.write, os.fsync
        self.exact_slot = PartialMap._write_slot
        monkeypatch.setattr(partial_file, "write", self.write)
        monkeypatch.setattr(os, "fsync", self.fsync)
        watch = self

        def write_slot(written: PartialMap, *arguments: object) -> None:
            watch.exact_slot(written, *arguments)  # type: ignore[arg-type]
            watch.check()

        monkeypatch.setattr(PartialMap, "_write_slot", write_slot)

    def write(self, descriptor: int, data: bytes) -> None:
        self.check()
        self.exact_write(descriptor, data)
        self.check()

    def fsync(self, descriptor: int) -> None:
        self.exact_fsync(descriptor)
        if os.path.sameopenfile(descriptor, descriptor) and not self.is_map(descriptor):
            self.durable = self.right_bytes()
        self.check()

    def is_map(self, descriptor: int) -> bool:
        return self.paths.map.exists() and os.path.samestat(
            os.fstat(descriptor), self.paths.map.stat()
        )

    def right_bytes(self) -> set[int]:
        path = self.paths.gapped if self.paths.gapped.exists() else self.paths.plain
        data = path.read_bytes() if path.exists() else b""
        return {place for place, byte in enumerate(data) if byte == DATA[place] + 1}

    def check(self) -> None:
        """The map lists bytes that are there now, and after a power loss those that are durable."""
        self.checks += 1
        listed = self.listed()
        assert listed <= self.right_bytes()
        with self.monkeypatch.context() as patch:
            patch.setattr(partial_map, "_boot", lambda: "another")
            assert self.listed() <= self.durable

    def listed(self) -> set[int]:
        listed = read_map(self.paths.map) or ()
        return {place for each in listed for place in range(each.start, each.end)}


ONES = bytes(byte + 1 for byte in DATA)  # differ from the zeros of gaps


def test_the_map_never_lists_a_missing_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After each call of the operating system, a killed process and a power loss included."""
    monkeypatch.setattr(partial_file, "_BYTES_BETWEEN_FLUSHES", 150)
    plain = tmp_path / "ab.incomplete"
    watch = Watch(PartialPaths(plain), monkeypatch)

    def add(partial: PartialFile, start: int, end: int) -> None:
        partial.add(start, ONES[start:end])

    with PartialFile(plain, FILE) as partial:
        add(partial, 0, 40)
        partial.allow_gaps()
        partial.allow_gaps()
        for start in (300, 40, 600, 320, 80, 340, 620):
            add(partial, start, start + 20)
    with PartialFile(plain, FILE) as partial:
        assert partial.kept == ranges((0, 60), (80, 100), (300, 360), (600, 640))
        partial.restart()
        watch.durable = set()
        for start in (0, 500, 100, 600, 200, 700, 300, 800, 400, 900):
            add(partial, start, start + 100)
        partial.finish()
    assert watch.checks > 60
    assert plain.read_bytes() == ONES
    assert list(tmp_path.iterdir()) == [plain]


def test_a_plain_partial_file_is_the_start_of_the_file(tmp_path: Path) -> None:
    plain = tmp_path / "ab.incomplete"
    plain.write_bytes(DATA[:100])
    PartialPaths(plain).map.write_bytes(b"left over")
    with PartialFile(plain, FILE) as partial:
        assert partial.kept == ranges((0, 100))
        partial.add(100, DATA[100:150])
        assert list(tmp_path.iterdir()) == [plain]
        assert partial.received == 150


def test_a_partial_file_that_is_too_long_is_discarded(tmp_path: Path) -> None:
    plain = tmp_path / "ab.incomplete"
    plain.write_bytes(bytes(SIZE + 1))
    with PartialFile(plain, FILE) as partial:
        assert (partial.kept, plain.stat().st_size) == ((), 0)


def test_a_closed_partial_file_accepts_no_bytes(tmp_path: Path) -> None:
    """A connection may outlive the download."""
    partial = PartialFile(tmp_path / "ab.incomplete", FILE)
    partial.close()
    with pytest.raises(OtherWriterError):
        partial.add(0, b"late")
