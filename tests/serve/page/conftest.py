"""A browser for the tests of the page."""

from collections.abc import Iterator
from typing import Any

import pytest
from page_in_browser import Pages, chromium


# Not for the whole run: playwright keeps an event loop running, which asyncio.run() refuses.
@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def server(browser: Any, request: pytest.FixtureRequest) -> str:
    """The address of a server; without a browser, none is started."""
    address: str = request.getfixturevalue("demo_server").url
    return address


@pytest.fixture
def pages(browser: Any) -> Iterator[Pages]:
    """Opens pages; the test fails if one logs an error or asks another host."""
    pages = Pages(browser)
    yield pages
    pages.close()
    assert pages.problems == []
