"""Shared fixtures, the option --update-golden, and the order of tests.

Quick tests come first. With pytest-xdist, builds do: one process is busy with them for minutes,
while the others run the rest.

``--hypothesis-profile=thorough`` tries 10,000 inputs; the default profile tries 400.
"""

import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_steps import open_hub
from hypothesis import HealthCheck, settings
from loopback_gpustack import NEW, OLD, LoopbackGpustack
from loopback_hub import LoopbackHub
from server_commands import serve, wait_shortly

from gpustack_draw.hub import Hub

# Time limits of single examples fail on a busy machine; pytest-timeout ends tests that hang.
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("usual", patient, max_examples=400)
settings.register_profile("thorough", patient, max_examples=10_000)
settings.load_profile("usual")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="rewrite the files with expected outputs",
    )


def pytest_configure(config: pytest.Config) -> None:
    os.environ["GPUSTACK_DRAW_CONFIG"] = os.devnull  # not the file of who runs the tests
    # Drawings record their speed there, those of child processes too.
    state = tempfile.TemporaryDirectory(prefix="gpustack-draw-state-")
    config.add_cleanup(state.cleanup)
    os.environ["XDG_STATE_HOME"] = os.environ["LOCALAPPDATA"] = state.name
    config.option.loadscopereorder = False  # pytest-xdist would run files with many tests first
    # Background jobs of shell scripts, and their child processes, ignore SIGINT by default.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(signal, "SIGHUP"):  # nohup ignores it
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    place_of_builds = -1 if hasattr(config, "workerinput") else 2

    def place(item: pytest.Item) -> int:
        if item.get_closest_marker("build"):
            return place_of_builds
        return 1 if item.get_closest_marker("engine") else 0

    items.sort(key=place)


@pytest.fixture(autouse=True)
def no_server_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GPUSTACK_SERVER_URL", raising=False)
    monkeypatch.delenv("GPUSTACK_API_KEY", raising=False)


@pytest.fixture(scope="session")
def update_golden(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--update-golden"))


@pytest.fixture
def server() -> Iterator[LoopbackHub]:
    hub = LoopbackHub()
    yield hub
    hub.close()


@pytest.fixture
def hub(server: LoopbackHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    return open_hub(server, tmp_path, monkeypatch)


@pytest.fixture
def empty_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def old(monkeypatch: pytest.MonkeyPatch, empty_folder: None) -> Iterator[LoopbackGpustack]:
    yield from serve(OLD, monkeypatch)


@pytest.fixture
def new(monkeypatch: pytest.MonkeyPatch, empty_folder: None) -> Iterator[LoopbackGpustack]:
    yield from serve(NEW, monkeypatch)


@pytest.fixture
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    wait_shortly(monkeypatch)
