"""Steps shared by the hub tests."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import model_files as files
import pytest
from loopback_hub import LoopbackHub

from gpustack_draw.errors import DrawError
from gpustack_draw.hub import Hub, Repository, RepositoryFile, retry

DATA = bytes(range(251)) * 4000
MODEL = files.gguf_bytes(files.SD1_ALL)


def open_hub(server: LoopbackHub, home: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """Point this process at a loopback hub with one repository, and at an empty cache."""
    server.use(monkeypatch, home)
    monkeypatch.setattr(retry, "SECONDS_BETWEEN_TRIES", 0.01)
    server.add(
        "acme/tiny",
        {"data.gguf": DATA, "a/tiny-Q4_0.gguf": MODEL, "README.md": b"read me"},
        small=frozenset({"README.md"}),
    )
    return Hub()


def look_up(hub: Hub, name: str = "acme/tiny", revision: str | None = None) -> Repository:
    return hub.repository(name, revision, is_sufficient=None)


def get(hub: Hub, path: str = "data.gguf", name: str = "acme/tiny") -> RepositoryFile:
    return look_up(hub, name).file(path)


def read(hub: Hub, file: RepositoryFile) -> bytes:
    path = hub.path_of(file)
    assert path is not None
    return path.read_bytes()


def error_of(action: Callable[[], Any]) -> tuple[type[DrawError], str, str]:
    with pytest.raises(DrawError) as caught:
        action()
    return type(caught.value), caught.value.message, caught.value.hint


def set_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


def use_no_hub(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """Point this process at no hub and at an empty cache."""
    from huggingface_hub import constants

    set_offline(monkeypatch)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(home / "no-hub"))


def wait_for_threads(name: str) -> None:
    """Wait for the connections of an interrupted download."""
    while any(thread.name == name for thread in threading.enumerate()):
        time.sleep(0.01)
