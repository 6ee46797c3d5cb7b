"""Open WebUI with the engine "OpenAI": what it sends to ``/v1`` and reads of the answers.

Source: open-webui/open-webui backend/open_webui/routers/images.py 02530d5. Values are defaults of
the program, but the size, the prompts, and ``IMAGES_OPENAI_API_PARAMS``.
"""

import base64
import io
from typing import Any

import httpx
import pytest
from input_files import encoded
from picture_checker import read_picture
from PIL import Image
from web_ui_exchange import GREEN_STAR, RED_CIRCLE, SIDE, circle

pytestmark = pytest.mark.engine

HEADERS = {"Authorization": "Bearer sk-any"}
SIZE = f"{SIDE}x{SIDE}"


def pictures(response: httpx.Response) -> list[Image.Image]:
    """Return the pictures of an answer, as Open WebUI reads them."""
    assert response.status_code == 200, response.text
    found = []
    for image in response.json()["data"]:
        assert not image.get("url")
        found.append(Image.open(io.BytesIO(base64.b64decode(image["b64_json"]))))
    return found


def test_drawing(web_ui: httpx.Client) -> None:
    fields: dict[str, Any] = {
        "model": "demo",
        "prompt": RED_CIRCLE,
        "n": 2,
        "size": SIZE,
        "response_format": "b64_json",
        "seed": 7,
        "sample_steps": 4,
    }
    response = web_ui.post("/v1/images/generations", json=fields, headers=HEADERS)
    for picture in pictures(response):
        assert picture.size == (SIDE, SIDE)
        (found,) = read_picture(picture).objects
        assert (found.color, found.name) == ("red", "circle")


@pytest.mark.parametrize("name", ["image", "image[]"])
def test_editing(web_ui: httpx.Client, name: str) -> None:
    """One picture has the name ``image``, a list of pictures ``image[]``."""
    form = {"model": "demo", "prompt": GREEN_STAR, "size": SIZE, "response_format": "b64_json"}
    response = web_ui.post(
        "/v1/images/edits?api-version=1",
        data={**form, "n": "1", "background": "auto"},
        files={name: ("b1946ac9.png", encoded(circle()), "image/png")},
        headers=HEADERS,
    )
    (picture,) = pictures(response)
    assert picture.size == (SIDE, SIDE)
    parameters = response.json()["parameters"]
    assert (parameters["mode"], parameters["references"]) == ("edit", 1)
