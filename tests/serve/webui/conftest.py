"""A client of the server that all tests below ``tests/serve`` share."""

from collections.abc import Iterator

import httpx
import pytest
from served import ServedProcess


@pytest.fixture(scope="session")
def web_ui(demo_server: ServedProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=demo_server.url, timeout=120) as client:
        yield client
