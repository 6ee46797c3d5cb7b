"""The page of the server in a real browser: Debian's Chromium, without a window."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

IS_REQUIRED = os.environ.get("GPUSTACK_DRAW_TEST_BROWSER") == "required"
_MILLISECONDS = 60_000  # for one action, on a machine with other work


@contextmanager
def chromium() -> Iterator["Browser"]:
    """Run Chromium; skip the test where it or its driver is missing, unless it is required."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        program = None
    if program is None:
        if IS_REQUIRED:
            pytest.fail("Chromium or playwright is not installed")
        pytest.skip("needs Chromium and the package playwright")
    with sync_playwright() as playwright:
        # Chromium's own sandbox refuses to run as root, which containers do.
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


class Pages:
    """Opens pages, and collects everything in them that should not be."""

    def __init__(self, browser: "Browser") -> None:
        self._browser = browser
        self._contexts: list[Any] = []
        self.problems: list[str] = []

    def open(self, url: str, *, expected: tuple[int, ...] = (), **options: Any) -> "Page":
        """Open the page of a server in a session of its own.

        Args:
            url: The address of the server.
            expected: HTTP statuses that are no problem.
            options: As for playwright's ``new_context``.
        """
        usual = {"viewport": {"width": 1280, "height": 860}, "locale": "en-US"}
        context = self._browser.new_context(**{**usual, **options})
        self._contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(_MILLISECONDS)
        self._watch(page, url, expected)
        page.goto(url)
        return page

    def close(self) -> None:
        for context in self._contexts:
            context.close()

    def _watch(self, page: "Page", url: str, expected: tuple[int, ...]) -> None:
        def console(message: Any) -> None:
            # Failed requests are judged by their status.
            if message.type in {"error", "warning"} and "Failed to load" not in message.text:
                self.problems.append(message.text)

        def response(answer: Any) -> None:
            if answer.status >= 400 and answer.status not in expected:
                self.problems.append(f"{answer.status} {answer.url}")

        def request(asked: Any) -> None:
            if not asked.url.startswith((f"{url}/", "blob:")):
                self.problems.append(f"a request to {asked.url}")

        page.on("console", console)
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("response", response)
        page.on("request", request)


def fill_form(page: "Page", prompt: str, *, side: int = 64, steps: int = 1) -> None:
    """Describe a picture: a small one, which takes little time."""
    page.fill("#prompt", prompt)
    page.select_option("#size", "other")
    page.fill("#width", str(side))
    page.fill("#height", str(side))
    page.fill("#steps", str(steps))


def draw(page: "Page") -> None:
    """Press the button, and wait until the picture is in the gallery and on the stage."""
    before = page.locator("#pictures li").count()
    page.click("#draw")
    wait_for_picture(page, before)


def wait_for_picture(page: "Page", before: int) -> None:
    """Wait until the gallery has more pictures than before, and the drawing has ended."""
    page.locator("#pictures li").nth(before).wait_for(state="attached")
    page.wait_for_selector("#caption")
    page.wait_for_selector("#draw:not([aria-disabled])")


def download(page: "Page", folder: Path) -> Path:
    """Download the picture on the stage."""
    with page.expect_download() as started:
        page.click("#download")
    file = folder / started.value.suggested_filename
    started.value.save_as(file)
    return file


def tab_to(page: "Page", target: str) -> None:
    """Press the tab key until an element has the focus."""
    for _ in range(80):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == target:
            return
    pytest.fail(f"the tab key does not reach #{target}")
