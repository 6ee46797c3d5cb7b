"""A server for all tests of this folder."""

from collections.abc import Iterator

import pytest
from served import ServedProcess, served


@pytest.fixture(scope="session")
def demo_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedProcess]:
    """``gpustack-draw serve demo``, shared by all tests of a run."""
    with served("demo", folder=tmp_path_factory.mktemp("server")) as server:
        yield server
