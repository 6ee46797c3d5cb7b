"""Write the pictures of the page that docs/how-to/serve.md shows.

Draws with the demo model on a server of its own, and photographs the page. Needs Chromium and the
extra "test".
"""

import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from shutil import which

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

IMAGES = Path(__file__).parents[1] / "docs" / "images"
# Prompts and seeds; the last one is on the stage.
DRAWINGS = [
    ("an orange fish on a blue background", 5),
    ("a purple mushroom", 2),
    ("a red house left of a green tree", 4),
    ("a yellow moon on a purple background", 1),
    ("a pink flower on a black background", 6),
    ("a big yellow sun on a blue background", 7),
]
WINDOW = {"width": 1240, "height": 900}


@contextmanager
def server() -> Iterator[str]:
    """Run a server on a free port, and yield its address."""
    command = [sys.executable, "-m", "gpustack_draw", "serve", "demo", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        while not is_ready(address):
            time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait()


def is_ready(address: str) -> bool:
    """Return True if the model is loaded."""
    try:
        with urllib.request.urlopen(f"{address}/health", timeout=5) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except OSError:
        return False


def draw(page: Page, prompt: str, seed: int) -> None:
    """Draw a picture, and wait for it."""
    before = page.locator("#pictures li").count()
    page.fill("#prompt", prompt)
    page.fill("#seed", str(seed))
    page.click("#draw")
    page.locator("#pictures li").nth(before).wait_for(state="attached")
    page.wait_for_selector("#draw:not([aria-disabled])")


def photograph(page: Page, name: str) -> None:
    """Write a picture of the whole page."""
    page.mouse.move(0, 0)
    page.evaluate("scrollTo(0, 0)")
    page.wait_for_load_state("networkidle")
    with Image.open(BytesIO(page.screenshot(full_page=True))) as image:
        full = image.convert("RGB")
    # A palette halves the files. These arguments of several keep the colors of small pictures best.
    palette = full.quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=8)
    full.quantize(palette=palette).save(IMAGES / name, optimize=True)


def opened(browser: Browser, address: str, scheme: str) -> Page:
    """Open the page in a new session."""
    options = {"viewport": WINDOW, "color_scheme": scheme, "locale": "en-US"}
    page: Page = browser.new_context(**options).new_page()  # type: ignore[arg-type]
    page.goto(address)
    page.wait_for_selector("#size option", state="attached")
    return page


def main() -> None:
    """Draw the pictures, and write docs/images/page-*.png."""
    with server() as address, sync_playwright() as playwright:
        program = which("chromium") or which("chromium-browser")
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = opened(browser, address, "light")
        for prompt, seed in DRAWINGS:
            draw(page, prompt, seed)
        photograph(page, "page-light.png")
        page = opened(browser, address, "dark")
        page.click("#edit-this")
        page.click("#mark")
        page.check("[name=tool][value=rectangle]")
        box = page.locator("#mask-canvas").bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 0.2 * box["height"])
        page.mouse.down()
        page.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + 0.8 * box["height"], steps=4)
        page.mouse.up()
        page.click("#mask-editor [value=done]")
        page.fill("#prompt", "a white star on a blue background")
        photograph(page, "page-dark.png")
        browser.close()


if __name__ == "__main__":
    main()
