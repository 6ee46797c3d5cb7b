"""The page is for everybody: keyboard, screen readers, languages, colors, small screens."""

from typing import Any

import pytest
from page_in_browser import Pages, draw, fill_form, tab_to, wait_for_picture

pytestmark = pytest.mark.engine

# Roles that are of no use without a name.
NAMED_ROLES = {
    *("button", "checkbox", "combobox", "dialog", "DisclosureTriangle", "image"),
    *("img", "link", "progressbar", "radio", "radiogroup", "region", "slider", "spinbutton"),
    *("textbox",),
}
MIN_CONTRAST = 4.5

CONTRASTS = """() => {
    const channels = (color) => color.match(/[0-9.]+/g).map(Number);
    const luminance = (color) => {
        const [r, g, b] = channels(color).map((value) => value / 255)
            .map((value) => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const background = (element) => {
        for (let each = element; each; each = each.parentElement) {
            const color = getComputedStyle(each).backgroundColor;
            const [, , , alpha = 1] = channels(color);
            if (alpha === 1) return color;
        }
        throw Error("a page without a background");
    };
    const results = [];
    const compare = (element, color, text) => {
        const values = [luminance(color), luminance(background(element))];
        const ratio = (Math.max(...values) + 0.05) / (Math.min(...values) + 0.05);
        results.push([text.trim().slice(0, 40), ratio]);
    };
    for (const element of document.querySelectorAll("body *")) {
        if (!element.checkVisibility() || element.closest(".unseen, option")) continue;
        const texts = [...element.childNodes].filter((node) => node.nodeType === 3);
        const own = texts.map((node) => node.data).join("");
        if (own.trim()) compare(element, getComputedStyle(element).color, own);
        const { color } = getComputedStyle(element, "::placeholder");
        if (element.placeholder) compare(element, color, element.placeholder);
    }
    return results;
}"""


def full_page(pages: Pages, server: str, **options: Any) -> Any:
    """Open a page on which nearly every control is visible."""
    page = pages.open(server, **options)
    page.wait_for_selector("#size option", state="attached")
    fill_form(page, "a red circle")
    draw(page)
    page.click("#edit-this")
    page.wait_for_selector("#chosen")
    if page.is_visible("#use"):
        page.check("[name=use][value=start]")
    page.click("#more summary")
    page.fill("#seed", "x")
    page.click("#draw")
    page.wait_for_selector("#error")
    return page


def unnamed(page: Any) -> list[str]:
    """Return the controls that a screen reader would find, and could not name."""
    session = page.context.new_cdp_session(page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    seen = [node for node in nodes if not node["ignored"]]
    roles = [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in seen]
    assert len(roles) > 20
    return [role for role, name in roles if role in NAMED_ROLES and not name.strip()]


def test_every_control_has_a_name(pages: Pages, server: str) -> None:
    page = full_page(pages, server)
    assert unnamed(page) == []
    page.click("#mark")
    page.wait_for_selector("#mask-editor[open]")
    page.click("#mask-editor summary")
    assert unnamed(page) == []


def test_all_texts_have_enough_contrast(pages: Pages, server: str) -> None:
    page = full_page(pages, server)
    page.evaluate("document.getElementById('mask-editor').show()")
    backgrounds = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        results = page.evaluate(CONTRASTS)
        assert len(results) > 30
        assert [(text, ratio) for text, ratio in results if ratio < MIN_CONTRAST] == []
        backgrounds.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert backgrounds == ["rgb(246, 244, 239)", "rgb(21, 19, 17)"]


def test_the_keyboard_is_enough(pages: Pages, server: str) -> None:
    page = pages.open(server, expected=(404, 409))  # of a drawing canceled before it began
    page.wait_for_selector("#size option", state="attached")
    tab_to(page, "prompt")
    page.keyboard.type("a red circle on a blue background")
    tab_to(page, "steps")
    page.keyboard.type("1000")
    tab_to(page, "draw")
    page.keyboard.press("Enter")
    page.wait_for_selector("#cancel")
    assert page.evaluate("document.activeElement.id") == "draw"
    tab_to(page, "cancel")
    page.keyboard.press("Enter")
    page.wait_for_selector("#draw:not([aria-disabled])")
    assert page.evaluate("document.activeElement.id") == "draw"
    page.evaluate("document.getElementById('prompt').focus()")
    tab_to(page, "steps")
    page.keyboard.type("1")
    before = page.locator("#pictures li").count()
    page.keyboard.press("Control+Enter")
    wait_for_picture(page, before)
    tab_to(page, "edit-this")
    page.keyboard.press("Enter")
    page.wait_for_selector("#chosen")
    assert page.evaluate("document.activeElement.id") == "prompt"
    tab_to(page, "mark")
    page.keyboard.press("Enter")
    page.wait_for_selector("#mask-editor[open]")
    tab_to(page, "mask-whole")
    page.keyboard.press("Enter")
    assert page.inner_text("#mask-state") == "100 % of the picture is marked."
    page.keyboard.press("Control+z")
    page.keyboard.press("Tab")  # "Rectangle by numbers"
    page.keyboard.press("Enter")
    tab_to(page, "rect-width")
    page.keyboard.type("64")
    tab_to(page, "rect-add")
    page.keyboard.press("Enter")
    assert page.inner_text("#mask-state") == "25 % of the picture is marked."
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")  # "Done"
    page.keyboard.press("Enter")
    page.wait_for_selector("#mask-editor", state="hidden")
    page.wait_for_selector("#unmark")
    assert page.evaluate("document.activeElement.id") == "mark"


def test_chinese_and_english(pages: Pages, server: str) -> None:
    page = pages.open(server, locale="zh-CN")
    page.wait_for_selector("#size option", state="attached")
    assert page.evaluate("document.documentElement.lang") == "zh"
    assert page.inner_text("#draw") == "绘制"
    fill_form(page, "a red circle")
    draw(page)
    assert "种子" in page.inner_text("#caption-settings")
    page.click("#language")
    assert page.evaluate("document.documentElement.lang") == "en"
    assert page.inner_text("#draw") == "Draw"
    assert "seed" in page.inner_text("#caption-settings")
    assert page.input_value("#prompt") == "a red circle"
    assert page.input_value("#width") == "64"
    page.reload()
    assert page.inner_text("#draw") == "Draw"


def test_a_phone_shows_everything(pages: Pages, server: str) -> None:
    page = full_page(pages, server, viewport={"width": 360, "height": 740}, has_touch=True)
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    page.tap("#mark")
    page.wait_for_selector("#mask-editor[open]")
    page.tap("#mask-canvas")  # a dot
    assert page.is_enabled("#mask-undo")
    assert page.locator("#mask-editor [value=done]").bounding_box()["y"] < 740


def test_nothing_moves_for_those_who_asked_for_it(pages: Pages, server: str) -> None:
    page = pages.open(server, reduced_motion="reduce")
    moving = page.evaluate("""() => [...document.querySelectorAll("*")].filter((element) =>
        getComputedStyle(element).animationName !== "none").length""")
    assert moving == 0
