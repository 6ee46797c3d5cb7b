"""A server for all tests of this folder."""

from collections.abc import Iterator

import pytest
from line_proxy import line_proxy
from served import ServedProcess, served


@pytest.fixture(scope="session")
def demo_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedProcess]:
    """``gpustack-draw serve demo``, shared by all tests of a run."""
    with served("demo", folder=tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture(params=["straight", "proxy"])
def url(request: pytest.FixtureRequest, demo_server: ServedProcess) -> Iterator[str]:
    """Address of the server, or of a proxy like that of GPUStack 2.3."""
    if request.param == "straight":
        yield demo_server.url
        return
    with line_proxy(demo_server.url) as address:
        yield address
