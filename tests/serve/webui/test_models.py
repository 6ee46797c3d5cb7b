"""The choice of a model, LoRAs, an upscaling model and the key, with a server that has all."""

import base64
import io
import json
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from lora_files import demo_lora
from PIL import Image
from served import served
from upscaling_models import random_weights, write_weights
from web_ui_exchange import base64_png, circle

pytestmark = pytest.mark.engine

SMALL = {"prompt": "a red circle", "width": 64, "height": 64, "steps": 1, "cfg_scale": 1, "seed": 7}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("files")
    (folder / "loras").mkdir()
    (folder / "loras" / "style.safetensors").write_bytes(demo_lora(1))
    (folder / "other.safetensors").write_bytes(demo_lora(2))
    network = write_weights(folder / "network.safetensors", random_weights(1, 2, seed=5))
    files = ["--lora-dir", folder / "loras", "--lora", folder / "other.safetensors"]
    names = ["demo", "demo", "--alias", "first", "--alias", "second", "--api-key", "secret"]
    with (
        served(*names, *map(str, files), "--upscaler", str(network), folder=folder) as server,
        httpx.Client(base_url=server.url, auth=("user", "secret"), timeout=120) as client,
    ):
        yield client


def drawn(client: httpx.Client, **fields: Any) -> tuple[np.ndarray, dict[str, Any]]:
    response = client.post("/sdapi/v1/txt2img", json={**SMALL, **fields})
    assert response.status_code == 200, response.text
    answer = response.json()
    picture = Image.open(io.BytesIO(base64.b64decode(answer["images"][0])))
    return np.asarray(picture, int), json.loads(answer["info"])


def current_model(client: httpx.Client) -> str:
    return str(client.get("/sdapi/v1/options").json()["sd_model_checkpoint"])


def test_the_key_is_the_password_of_any_user(client: httpx.Client) -> None:
    address = client.base_url.join("/sdapi/v1/options")
    assert httpx.get(address, auth=("", "secret")).status_code == 200
    for wrong in (None, ("user", "wrong"), ("secret", "")):
        assert httpx.get(address, auth=wrong).status_code == 401


def test_the_chosen_model_draws(client: httpx.Client) -> None:
    titles = [model["title"] for model in client.get("/sdapi/v1/sd-models").json()]
    assert titles == ["first", "second"]
    assert current_model(client) == "first"
    options = client.get("/sdapi/v1/options").json() | {"sd_model_checkpoint": "second"}
    assert client.post("/sdapi/v1/options", json=options).json() is None
    assert current_model(client) == "second"
    assert drawn(client)[1]["sd_model_name"] == "second"
    # The name in a request counts for this request only.
    named = {"override_settings": {"sd_model_checkpoint": "first"}}
    assert drawn(client, **named)[1]["sd_model_name"] == "first"
    assert current_model(client) == "second"
    client.post("/sdapi/v1/options", json={"sd_vae": "None", "sd_model_checkpoint": ""})
    assert current_model(client) == "second"


@pytest.mark.parametrize("name", ["third", "/etc/passwd", "hf.co/a/b", "../first"])
def test_a_model_that_is_not_served(client: httpx.Client, name: str) -> None:
    before = current_model(client)
    response = client.post("/sdapi/v1/options", json={"sd_model_checkpoint": name})
    assert (response.status_code, response.json()["error"]) == (404, "ModelNotFoundError")
    assert repr(name) in response.json()["detail"]
    named = {**SMALL, "override_settings": {"sd_model_checkpoint": name}}
    assert client.post("/sdapi/v1/txt2img", json=named).status_code == 404
    assert current_model(client) == before


def test_a_prompt_names_loras(client: httpx.Client) -> None:
    loras = client.get("/sdapi/v1/loras").json()
    assert sorted(each["name"] for each in loras) == ["other", "style"]
    plain = drawn(client)[0]
    for name in ("style", "other"):
        styled, info = drawn(client, prompt=f"a red circle <lora:{name}:0.8>")
        assert np.abs(styled - plain).mean() > 1
        assert f"<lora:{name}:0.8>" in info["infotexts"][0]


@pytest.mark.parametrize("name", ["missing", "../other", "/etc/passwd"])
def test_a_lora_that_is_not_served(client: httpx.Client, name: str) -> None:
    fields = {**SMALL, "prompt": f"a cat <lora:{name}:1>"}
    response = client.post("/sdapi/v1/txt2img", json=fields)
    assert response.status_code == 400
    assert response.json()["errors"] == "prompt"
    assert "/loras" not in response.json()["detail"]  # the server's folder


def test_an_upscaling_model(client: httpx.Client) -> None:
    names = [each["name"] for each in client.get("/sdapi/v1/upscalers").json()]
    assert names == ["None", "Lanczos", "Nearest", "network"]
    fields = {"image": base64_png(circle()), "upscaler_1": "network", "upscaling_resize": 3}
    response = client.post("/sdapi/v1/extra-single-image", json=fields)
    assert response.status_code == 200, response.text
    picture = Image.open(io.BytesIO(base64.b64decode(response.json()["image"])))
    assert picture.size == (384, 384)
    hires = drawn(client, enable_hr=True, hr_upscaler="network", denoising_strength=0.5)
    assert hires[0].shape == (128, 128, 3)


def test_an_upscaling_model_that_is_not_served(client: httpx.Client) -> None:
    fields = {"image": base64_png(circle()), "upscaler_1": "/etc/passwd"}
    response = client.post("/sdapi/v1/extra-single-image", json=fields)
    assert 400 <= response.status_code < 500
    assert "/etc/passwd" in response.json()["detail"]
