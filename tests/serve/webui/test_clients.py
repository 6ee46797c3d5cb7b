"""Programs that speak the web UI's API get what they read, and the picture that they ask for."""

import base64
import io

import httpx
import pytest
from picture_checker import read_picture
from PIL import Image
from web_ui_chats import CHATS
from web_ui_editors import EDITORS
from web_ui_exchange import SIDE, Exchange, filled_in, value_at

pytestmark = pytest.mark.engine

EXCHANGES = [
    pytest.param(exchange, id=f"{client}: {exchange.method} {exchange.path}")
    for client, exchanges in {**CHATS, **EDITORS}.items()
    for exchange in exchanges
]


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_a_request_of_a_program(web_ui: httpx.Client, exchange: Exchange) -> None:
    response = web_ui.request(exchange.method, exchange.path, json=filled_in(exchange.json))
    assert response.status_code == 200, response.text
    answer = response.json()
    for path, expected in exchange.reads.items():
        assert isinstance(value_at(answer, path), expected), path
    if exchange.drawn is None:
        return
    pictures = answer.get("images") or answer["outputs"]
    assert len(pictures) == exchange.pictures
    picture = Image.open(io.BytesIO(base64.b64decode(pictures[0], validate=True)))
    assert picture.size == (SIDE, SIDE)
    assert picture.format == "PNG"
    reading = read_picture(picture)
    found = [(each.color, each.name, reading.background) for each in reading.objects]
    assert found == [exchange.drawn]
