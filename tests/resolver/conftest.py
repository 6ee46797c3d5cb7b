"""Fixtures of the tests of the resolver."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from loopback_hub import LoopbackHub


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    """Yield an empty hub on this machine; the current folder is empty, too."""
    hub = LoopbackHub()
    hub.use(monkeypatch, tmp_path / "home")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    yield hub
    hub.close()
