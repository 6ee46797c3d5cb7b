"""The page in Chromium: drawing, canceling, editing, coming back, and the gallery."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest
from page_in_browser import Pages, download, draw, fill_form, wait_for_picture
from PIL import Image
from sample_picture import make_picture
from served import ServedProcess, served

import gpustack_draw

pytestmark = pytest.mark.engine

KEY = "key-of-the-test-0123456789"


@pytest.fixture(scope="module")
def guarded(
    browser: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[ServedProcess, Path]]:
    """A server that asks for a key and stores its pictures."""
    folder = tmp_path_factory.mktemp("guarded")
    pictures = folder / "pictures"
    pictures.mkdir()
    arguments = ("demo", "--api-key", KEY, "--output", str(pictures))
    with served(*arguments, folder=folder) as server:
        yield server, pictures


def pixels(file: Path) -> numpy.ndarray:
    with Image.open(file) as image:
        return numpy.asarray(image.convert("RGB")).astype(int)


def test_draws_a_picture_and_shows_it_grow(pages: Pages, server: str, tmp_path: Path) -> None:
    page = pages.open(server)
    fill_form(page, "a red circle on a blue background", side=128, steps=4)
    page.evaluate("""() => {
        window.seen = [];
        const picture = document.getElementById("picture");
        new MutationObserver(() => seen.push(picture.src)).observe(picture, {attributes: true});
    }""")
    draw(page)
    assert len(set(page.evaluate("seen"))) > 2  # previews, then the picture
    assert page.inner_text("#caption-prompt") == "a red circle on a blue background"
    assert "128 × 128" in page.inner_text("#caption-settings")
    assert "4 steps" in page.inner_text("#caption-settings")
    assert page.inner_text("#status").startswith("The picture is finished")
    parameters = gpustack_draw.read_parameters(download(page, tmp_path))
    assert parameters.prompt == "a red circle on a blue background"
    assert f"seed {parameters.seed} " in page.inner_text("#caption-settings")


def test_a_fixed_seed_draws_the_same_picture(pages: Pages, server: str, tmp_path: Path) -> None:
    page = pages.open(server)
    fill_form(page, "a green star")
    page.fill("#seed", "9223372036854775807")  # JavaScript's numbers cannot hold it
    draw(page)
    first = pixels(download(page, tmp_path))
    page.fill("#prompt", "a blue house")
    page.check("[name=seed-kind][value=random]")
    draw(page)
    page.click("#pictures li:nth-child(2) button")
    page.locator("#caption-prompt", has_text="a green star").wait_for()
    page.click("#use-settings")
    assert page.input_value("#prompt") == "a green star"
    draw(page)
    assert "seed 9223372036854775807" in page.inner_text("#caption-settings")
    assert (pixels(download(page, tmp_path)) == first).all()


def test_another_picture_has_the_same_settings_and_another_seed(pages: Pages, server: str) -> None:
    page = pages.open(server)
    fill_form(page, "a green star")
    page.fill("#seed", "7")
    draw(page)
    page.fill("#prompt", "something else")
    before = page.locator("#pictures li").count()
    page.click("#again")
    wait_for_picture(page, before)
    assert page.inner_text("#caption-prompt") == "a green star"
    assert "seed 7 " not in page.inner_text("#caption-settings")
    assert page.is_checked("[name=seed-kind][value=random]")


def test_an_empty_prompt_is_refused_beside_its_field(pages: Pages, server: str) -> None:
    page = pages.open(server, locale="zh-CN")
    page.wait_for_selector("#size option", state="attached")
    page.fill("#prompt", "  ")
    page.click("#draw")
    page.wait_for_selector("#error")
    assert page.inner_text("#error") == "请先描述画面。"
    assert page.evaluate("document.activeElement.id") == "prompt"


def test_a_wrong_value_is_shown_wherever_it_is(pages: Pages, server: str) -> None:
    """A browser does not submit a form with one, and cannot point at it where it is hidden."""
    page = pages.open(server)
    fill_form(page, "a cat", side=4000)  # larger than the server draws
    page.click("#draw")
    page.wait_for_function("document.activeElement.id === 'width'")
    page.select_option("#size", index=0)
    page.click("#more summary")
    box, button = (page.locator(name).bounding_box() for name in ("#negative-prompt", "#draw"))
    assert box["y"] + box["height"] <= button["y"]  # what was opened is visible
    page.fill("#cfg-scale", "200")
    page.click("#more summary")
    page.click("#draw")
    page.wait_for_function("document.activeElement.id === 'cfg-scale'")
    page.fill("#cfg-scale", "1")
    draw(page)


def test_a_page_says_that_the_model_is_loaded(pages: Pages, server: str) -> None:
    page = pages.open("about:blank", expected=(503,))
    loading = {"error": {"message": "the server loads its first model", "code": "loading"}}
    page.route("**/health", lambda route: route.fulfill(status=503, json=loading))
    page.route("**/gallery?*", lambda route: route.fulfill(json={"data": [], "has_more": False}))
    page.route("**/drawings/**", lambda route: route.fulfill(status=503, json=loading))
    pages.problems.clear()
    page.goto(server)
    text = "The server is still loading the model. You can already describe a picture."
    page.locator("#empty", has_text=text).wait_for()
    page.fill("#prompt", "a cat")
    page.click("#draw")
    page.locator("#error", has_text=text).wait_for()
    page.unroute("**/health")
    page.locator("#empty", has_text="Describe a picture, and it appears here.").wait_for()
    pages.problems.clear()  # the requests to the server, which was not opened by its address


def test_a_wrong_seed_is_refused_beside_its_field(pages: Pages, server: str) -> None:
    page = pages.open(server)
    fill_form(page, "a cat")
    page.fill("#seed", "9223372036854775808")
    page.click("#draw")
    page.wait_for_selector("#error")
    assert page.inner_text("#error") == (
        "The seed is not a whole number from 0 to 9223372036854775807."
    )
    assert page.evaluate("document.activeElement.id") == "seed"


def test_a_refusal_of_the_server_is_shown(pages: Pages, server: str) -> None:
    page = pages.open(server, expected=(400,))
    fill_form(page, "a cat <lora:none:1>")
    page.click("#draw")
    page.wait_for_selector("#error")
    assert "none" in page.inner_text("#error")
    page.wait_for_selector("#draw:not([aria-disabled])")
    assert page.is_hidden("#progress")


def test_canceling_frees_the_engine(pages: Pages, server: str) -> None:
    page = pages.open(server)
    fill_form(page, "a red circle", side=256, steps=1000)
    before = page.locator("#pictures li").count()
    page.click("#draw")
    page.locator("#progress-text", has_text="of 1000").wait_for()
    page.keyboard.press("Escape")
    page.wait_for_selector("#draw:not([aria-disabled])")
    assert page.inner_text("#status") == "Canceled."
    assert page.is_hidden("#error")
    fill_form(page, "a green star")
    draw(page)
    assert page.locator("#pictures li").count() == before + 1


def test_a_drawing_whose_request_is_late_is_canceled(pages: Pages, server: str) -> None:
    page = pages.open(server, expected=(404, 409))
    fill_form(page, "a red circle", steps=1000)
    held: list[Any] = []

    def hold(request: Any) -> None:
        held.append(request)

    page.route("**/generations", hold)
    page.click("#draw")
    page.wait_for_selector("#cancel")
    with page.expect_response(lambda answer: answer.status == 404):
        page.click("#cancel")
    held[0].continue_()
    page.wait_for_selector("#draw:not([aria-disabled])")
    assert page.inner_text("#status") == "Canceled."
    assert page.is_hidden("#error")


def test_a_reloaded_page_finds_its_drawing_again(pages: Pages, server: str) -> None:
    page = pages.open(server)
    fill_form(page, "a yellow moon", side=128, steps=40)
    before = page.locator("#pictures li").count()
    page.click("#draw")
    page.locator("#progress-text", has_text="of 40").wait_for()
    page.reload()
    page.locator("#progress-text", has_text="of 40").wait_for()
    assert page.input_value("#prompt") == "a yellow moon"  # nothing has to be typed again
    wait_for_picture(page, before)
    assert page.inner_text("#caption-prompt") == "a yellow moon"
    page.reload()
    page.wait_for_selector("#caption")
    assert page.is_hidden("#progress")
    assert page.inner_text("#caption-prompt") == "a yellow moon"


def test_editing_redraws_the_painted_area_only(pages: Pages, server: str, tmp_path: Path) -> None:
    page = pages.open(server)
    fill_form(page, "a red circle on a blue background", side=128, steps=4)
    draw(page)
    before = pixels(download(page, tmp_path))
    page.click("#edit-this")
    page.wait_for_selector("#chosen")
    assert page.input_value("#size") == ""  # as the picture
    page.click("#mark")
    page.wait_for_selector("#mask-editor[open]")
    box = page.locator("#mask-canvas").bounding_box()
    assert box is not None

    def move(x: float, y: float) -> None:
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])

    move(0.4, 0.5)
    page.mouse.down()
    for x in (0.45, 0.5, 0.55, 0.6):
        move(x, 0.5)
    page.mouse.up()
    move(0.1, 0.1)
    page.mouse.down()
    page.mouse.up()
    dotted = page.inner_text("#mask-state")
    page.click("#mask-undo")
    assert page.inner_text("#mask-state") != dotted  # the dot in the corner is gone
    page.click("#mask-editor [value=done]")
    page.check("[name=use][value=start]")
    page.fill("#prompt", "a white background")
    page.fill("#strength", "1")
    draw(page)
    assert "strength 1" in page.inner_text("#caption-settings")
    changed = numpy.abs(pixels(download(page, tmp_path)) - before).max(axis=2)
    # A stroke from (0.4, 0.5) to (0.6, 0.5), 12 % wide, and at most 12 pixels of blended border.
    top, bottom, left, right = 43, 85, 31, 97
    outside = numpy.ones_like(changed, dtype=bool)
    outside[top:bottom, left:right] = False
    assert changed[outside].max() == 0
    assert changed[60:68, 55:73].mean() > 20
    page.click("#again")  # with the picture and the mask, which this tab still has
    wait_for_picture(page, page.locator("#pictures li").count())


def test_a_picture_whose_inputs_are_gone_asks_for_them(pages: Pages, server: str) -> None:
    page = pages.open(server)
    fill_form(page, "a red circle")
    draw(page)
    page.click("#edit-this")
    page.wait_for_selector("#chosen")
    fill_form(page, "a green circle")
    draw(page)
    page.reload()
    page.wait_for_selector("#caption")
    page.click("#again")
    page.wait_for_selector("#error")
    assert "drawn from another one" in page.inner_text("#error")
    assert page.input_value("#prompt") == "a green circle"


SEND_PICTURE = """async (way) => {
    const canvas = new OffscreenCanvas(48, 32);
    canvas.getContext("2d").fillRect(0, 0, 9, 9);
    const blob = await canvas.convertToBlob();
    const transfer = new DataTransfer();
    transfer.items.add(new File([blob], "a.png", {type: "image/png"}));
    const event = way === "paste"
        ? new ClipboardEvent("paste", {clipboardData: transfer, bubbles: true})
        : new DragEvent("drop", {dataTransfer: transfer, bubbles: true});
    document.body.dispatchEvent(event);
}"""


def test_pictures_come_in_by_paste_drop_and_file(pages: Pages, server: str) -> None:
    page = pages.open(server)
    page.wait_for_selector("#size option", state="attached")
    for way in ("paste", "drop"):
        page.evaluate(SEND_PICTURE, way)
        page.wait_for_selector("#chosen")
        page.click("#remove")
        assert page.is_hidden("#chosen")
    data = gpustack_draw.encode(make_picture())
    page.set_input_files("#file", {"name": "a.png", "mimeType": "image/png", "buffer": data})
    page.wait_for_selector("#chosen")


def test_a_file_that_is_no_picture_is_refused(pages: Pages, server: str) -> None:
    page = pages.open(server)
    file = {"name": "a.png", "mimeType": "image/png", "buffer": b"no picture"}
    page.set_input_files("#file", file)
    page.wait_for_selector("#error")
    assert page.inner_text("#error") == "Your browser cannot read a.png as a picture."


def test_loras_and_other_settings_are_sent(pages: Pages, server: str) -> None:
    page = pages.open("about:blank")
    bodies: list[dict[str, Any]] = []

    def add_loras(route: Any) -> None:
        answer = route.fetch()
        models = answer.json()
        models["data"][0]["meta"]["loras"] = ["pastel", "ink"]
        route.fulfill(response=answer, json=models)

    def refuse(route: Any) -> None:
        bodies.append(json.loads(route.request.post_data))
        route.fulfill(status=400, json={"error": {"message": "not drawn in this test"}})

    page.route("**/v1/models", add_loras)
    page.route("**/drawings/**", refuse)
    pages.problems.clear()
    page.goto(server)
    page.wait_for_selector("#size option", state="attached")
    fill_form(page, "a cat", side=96, steps=3)
    page.click("#more summary")
    page.select_option("#lora-add", "ink")
    page.fill("#lora-list input", "0.6")
    page.fill("#negative-prompt", "a dog")
    page.select_option("#sampler", "heun")
    page.fill("#cfg-scale", "2.5")
    page.fill("#seed", "12")
    page.click("#draw")
    page.wait_for_selector("#error")
    pages.problems.clear()  # the status 400 of this test
    assert bodies == [
        {
            "model": "demo",
            "prompt": "a cat",
            "negative_prompt": "a dog",
            "size": "96x96",
            "sample_steps": 3,
            "cfg_scale": 2.5,
            "sampler": "heun",
            "loras": [{"name": "ink", "weight": 0.6}],
            "seed": 12,
            "stream": True,
            "stream_options": {"progress": True, "previews": True},
        }
    ]


def test_asks_once_for_the_key_and_stores_pictures(
    pages: Pages, guarded: tuple[ServedProcess, Path]
) -> None:
    server, folder = guarded
    page = pages.open(server.url, expected=(401,))
    page.wait_for_selector("#key-dialog[open]")
    page.fill("#key", "wrong")
    page.keyboard.press("Enter")
    page.wait_for_selector("#key-wrong")
    page.fill("#key", KEY)
    page.keyboard.press("Enter")
    page.wait_for_selector("#key-dialog", state="hidden")
    page.wait_for_selector("#size option", state="attached")
    fill_form(page, "three green stars")
    draw(page)
    (file,) = folder.iterdir()
    assert file.name.startswith("three_green_stars_")
    page.reload()
    page.wait_for_selector("#caption")
    assert page.is_hidden("#key-dialog")
    assert KEY not in page.content()
    assert KEY not in server.log.read_text()


def test_going_back_from_the_key_says_what_is_missing(
    pages: Pages, guarded: tuple[ServedProcess, Path]
) -> None:
    page = pages.open(guarded[0].url, expected=(401,))
    page.wait_for_selector("#key-dialog[open]")
    page.keyboard.press("Escape")
    page.wait_for_selector("#error")
    assert page.inner_text("#error") == "This server needs an API key."
