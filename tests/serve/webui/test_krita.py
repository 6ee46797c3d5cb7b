"""The addresses of Krita's plugin: sizes of the document, and layers of masks."""

import base64
import io
import json
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from web_ui_exchange import SIDE, base64_png, circle, middle

from gpustack_draw.serve.webui.krita import drawn_size

FIELDS = {"prompt": "a red circle", "steps": 1, "cfg_scale": 1, "seed": 7, "base_size": 64}


def post(web_ui: httpx.Client, name: str, **fields: Any) -> dict[str, Any]:
    response = web_ui.post(f"/sdapi/interpause/{name}", json={**FIELDS, **fields})
    assert response.status_code == 200, response.text
    answer = response.json()
    assert isinstance(answer, dict)
    return answer


def decoded(data: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(data, validate=True)))


@pytest.mark.parametrize(
    ("target", "drawn"),
    [
        ((512, 512), (512, 512)),
        ((100, 100), (512, 512)),
        ((2000, 1500), (688, 512)),
        ((1500, 2000), (512, 688)),
        ((3000, 1000), (768, 256)),
        ((1000, 3000), (256, 768)),
    ],
)
def test_a_drawing_has_a_size_that_models_were_trained_for(
    target: tuple[int, int], drawn: tuple[int, int]
) -> None:
    assert drawn_size(target, base=512, largest=768) == drawn


@pytest.mark.engine
def test_the_picture_has_the_size_of_the_selection(web_ui: httpx.Client) -> None:
    answer = post(web_ui, "txt2img", orig_width=100, orig_height=50, max_size=128)
    assert decoded(answer["outputs"][0]).size == (100, 50)
    assert "Size: 128x64" in json.loads(answer["info"])["infotexts"][0]
    exact = post(web_ui, "txt2img", orig_width=60, orig_height=60, disable_sddebz_highres=True)
    assert decoded(exact["outputs"][0]).size == (60, 60)
    assert "Size: 64x64" in json.loads(exact["info"])["infotexts"][0]


@pytest.mark.engine
def test_a_second_pass_reaches_the_size_of_the_selection(web_ui: httpx.Client) -> None:
    answer = post(web_ui, "txt2img", orig_width=128, orig_height=128, highres_fix=True)
    assert decoded(answer["outputs"][0]).size == (128, 128)
    assert "Hires upscale: 2" in json.loads(answer["info"])["infotexts"][0]


@pytest.mark.engine
@pytest.mark.parametrize("invert", [False, True])
def test_the_opaque_part_of_the_mask_is_cut_out(web_ui: httpx.Client, invert: bool) -> None:
    layer = Image.new("RGBA", (SIDE, SIDE), "black")
    layer.putalpha(middle())
    answer = post(
        web_ui,
        "img2img",
        base_size=SIDE,
        is_inpaint=True,
        src_img=base64_png(circle()),
        mask_img=base64_png(layer),
        invert_mask=invert,
        denoising_strength=0.5,
    )
    picture = decoded(answer["outputs"][0])
    assert picture.mode == "RGBA"
    expected = np.asarray(middle())
    assert np.array_equal(np.asarray(picture)[:, :, 3], 255 - expected if invert else expected)
    assert "Steps: 2" in json.loads(answer["info"])["infotexts"][0]


@pytest.mark.engine
def test_enlarging(web_ui: httpx.Client) -> None:
    picture = {"src_img": base64_png(circle())}
    answer = post(web_ui, "upscale", **picture, upscaler_name="Nearest")
    assert decoded(answer["output"]).size == (512, 512)
    response = web_ui.post("/sdapi/interpause/upscale", json={**picture, "upscaler_name": "None"})
    assert response.json() is None


@pytest.mark.engine
@pytest.mark.parametrize(
    ("name", "fields", "detail", "field"),
    [
        ("txt2img", {"orig_width": 0, "orig_height": 9}, "0x9 is not a size", "orig_width"),
        (
            "txt2img",
            {"orig_width": 8000, "orig_height": 8000},
            "a selection of 8000x8000 pixels is too large; select at most 16 megapixels",
            "orig_width",
        ),
        (
            "img2img",
            {
                "src_img": base64_png(circle()),
                "is_inpaint": True,
                "mask_img": base64_png(middle().resize((64, 64))),
            },
            "the mask has 64x64 pixels, and the picture 128x128",
            "mask_img",
        ),
        ("img2img", {}, "there is no picture", "src_img"),
        (
            "img2img",
            {"src_img": base64_png(circle()), "is_inpaint": True},
            "there is no picture",
            "mask_img",
        ),
        (
            "txt2img",
            {"orig_width": 9, "orig_height": 9, "base_size": -1},
            "-1 is not a side from 1 to 8192",
            "base_size",
        ),
    ],
)
def test_what_is_refused(
    web_ui: httpx.Client, name: str, fields: dict[str, Any], detail: str, field: str
) -> None:
    response = web_ui.post(f"/sdapi/interpause/{name}", json=fields)
    assert (response.status_code, response.json()["detail"]) == (400, detail)
    assert response.json()["errors"] == field
