"""The file of measured speeds: bounded, untrusted, and never an error of a drawing."""

import json
import os
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from gpustack_draw.speed.measurements import (
    Computer,
    Measurement,
    add_measurements,
    read_measurements,
    speed_file,
)

SAMPLE = Measurement(
    device="CPU: a processor",
    threads=2,
    phase="sample",
    network="sd1 320 1700000000",
    variant="",
    operations=8e11,
    seconds=4.0,
)


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "state"))
    return tmp_path / "state" / "gpustack-draw"


def write(entries: list[object], version: int = 1) -> None:
    speed_file().parent.mkdir(parents=True, exist_ok=True)
    speed_file().write_text(json.dumps({"version": version, "measurements": entries}))


def test_measurements_are_kept(state: Path) -> None:
    decode = replace(SAMPLE, phase="decode", network="vae 4", seconds=2.0)
    add_measurements([SAMPLE])
    add_measurements([decode])
    assert read_measurements() == [SAMPLE, decode]
    assert [path.name for path in state.iterdir()] == ["speeds.json"]
    assert SAMPLE.is_of(Computer(device="CPU: a processor", threads=2))
    assert not SAMPLE.is_of(Computer(device="CPU: a processor", threads=3))


def test_a_measurement_of_the_same_work_is_averaged_and_becomes_the_newest() -> None:
    other = replace(SAMPLE, variant="loras")
    add_measurements([SAMPLE, other])
    add_measurements([replace(SAMPLE, seconds=6.0, operations=8.001e11)])
    assert read_measurements() == [other, replace(SAMPLE, seconds=4.6, operations=8.001e11)]


def test_the_oldest_measurements_are_dropped() -> None:
    add_measurements(replace(SAMPLE, operations=1e9 * (1 + each)) for each in range(400))
    known = read_measurements()
    assert len(known) == 300
    assert known[-1].operations == 400e9


def test_no_file_is_no_measurement() -> None:
    assert read_measurements() == []


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"version": 1}',
        b'{"version": 1, "measurements": 7}',
        b'{"version": 2, "measurements": []}',
        b"[" * 100_000,
        b'{"version": 1, "measurements": [NaN]}',
        b'{"version": 1, "measurements": [' + b"0," * 500_000 + b"0]}",
    ],
    ids=range(11),
)
def test_a_damaged_file_is_no_measurement_and_is_replaced(content: bytes) -> None:
    speed_file().parent.mkdir(parents=True)
    speed_file().write_bytes(content)
    assert read_measurements() == []
    add_measurements([SAMPLE])
    assert read_measurements() == [SAMPLE]


@pytest.mark.parametrize(
    "change",
    [
        {"seconds": -1},
        {"seconds": 0},
        {"seconds": True},
        {"seconds": "4"},
        {"operations": None},
        {"operations": 10**39},
        {"threads": -1},
        {"threads": 1e9},
        {"device": "x" * 201},
        {"phase": 7},
        {"more": 1},
    ],
    ids=str,
)
def test_only_valid_measurements_are_read(change: dict[str, object]) -> None:
    write([{**asdict(SAMPLE), **change}, asdict(SAMPLE), 7])
    found = read_measurements()
    if change == {"operations": 10**39}:  # a number like any other
        found.pop(0)
    assert found == [SAMPLE]


def test_a_newer_version_of_the_file_is_not_read() -> None:
    write([asdict(SAMPLE)], version=2)
    assert read_measurements() == []


def test_a_state_folder_that_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "file"))
    add_measurements([SAMPLE])
    assert read_measurements() == []


def test_a_write_that_fails_leaves_nothing_behind(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    add_measurements([SAMPLE])
    assert list(state.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="other systems have other folders")
def test_the_usual_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert speed_file() == tmp_path / ".local/state/gpustack-draw/speeds.json"
