"""Opening a picture in the default viewer, detached and without output."""

import os
import sys
import time
from pathlib import Path

import pytest

from gpustack_draw.cli.viewer import open_in_viewer

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="other systems start viewers differently"
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, which is also the only one in PATH."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("DISPLAY", ":0")
    return tmp_path


def make_viewer(folder: Path, script: str) -> None:
    viewer = folder / "xdg-open"
    viewer.write_text(f"#!/bin/sh\n{script}\n")
    viewer.chmod(0o755)


def test_the_viewer_gets_an_absolute_path(folder: Path) -> None:
    make_viewer(folder, f'echo "$1" > {folder}/viewed')
    assert open_in_viewer("-x.png") == ""
    assert (folder / "viewed").read_text() == f"{folder}/-x.png\n"


def test_the_viewer_is_silent_and_detached(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    make_viewer(folder, f"echo noise; echo noise >&2; read line; echo $$ > {folder}/pid")
    assert open_in_viewer("cat.png") == ""
    assert capfd.readouterr() == ("", "")
    assert (folder / "pid").exists()  # reading standard input ends at once


def test_a_viewer_that_stays_is_not_waited_for(folder: Path) -> None:
    make_viewer(folder, f"echo $$ > {folder}/pid; exec /bin/sleep 30")
    start = time.monotonic()
    assert open_in_viewer("cat.png") == ""
    assert time.monotonic() - start < 5
    pid = int((folder / "pid").read_text())
    assert os.getsid(pid) == pid  # Ctrl-C in this terminal does not reach it
    os.kill(pid, 9)
    os.waitpid(pid, 0)


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("exit 3", "xdg-open found no viewer (exit status 3)"),
        ("", ""),
    ],
)
def test_exit_status_of_the_viewer(folder: Path, script: str, problem: str) -> None:
    make_viewer(folder, script)
    assert open_in_viewer("cat.png") == problem


def test_no_viewer(folder: Path) -> None:
    assert open_in_viewer("cat.png") == "xdg-open is not installed"


def test_a_viewer_that_cannot_be_run(folder: Path) -> None:
    (folder / "xdg-open").write_text("no program")
    (folder / "xdg-open").chmod(0o755)
    assert open_in_viewer("cat.png") == "xdg-open: Exec format error"


def test_no_display(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_viewer(folder, f"echo > {folder}/viewed")
    monkeypatch.delenv("DISPLAY")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert open_in_viewer("cat.png") == "no display found"
    assert not (folder / "viewed").exists()


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_no_viewer_on_the_screen_of_another_machine(
    folder: Path, monkeypatch: pytest.MonkeyPatch, platform: str
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setenv("SSH_CONNECTION", "10.0.0.7 50000 10.0.0.8 22")
    assert open_in_viewer("cat.png") == "no display found"
