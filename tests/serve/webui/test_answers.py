"""The answers of the web UI's API, of the demo model."""

import base64
import io
import json
import threading
import time
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from web_ui_exchange import CIRCLE, MIDDLE, SIDE, base64_png, circle, filled_in

import gpustack_draw

pytestmark = pytest.mark.engine

SMALL = {"prompt": "a red circle", "width": 64, "height": 64, "steps": 1, "cfg_scale": 1}
ENDLESS = {"prompt": "a red circle", "width": 256, "height": 256, "steps": 5000, "cfg_scale": 1}


def post(web_ui: httpx.Client, name: str, fields: Any) -> dict[str, Any]:
    response = web_ui.post(f"/sdapi/v1/{name}", json=filled_in(fields))
    assert response.status_code == 200, response.text
    answer = response.json()
    assert isinstance(answer, dict)
    return answer


def decoded(data: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(data, validate=True)))


def refusal(web_ui: httpx.Client, name: str, fields: Any) -> tuple[int, dict[str, str]]:
    response = web_ui.post(f"/sdapi/v1/{name}", json=filled_in(fields))
    return response.status_code, response.json()


def test_the_info_of_several_pictures(web_ui: httpx.Client) -> None:
    answer = post(web_ui, "txt2img", {**SMALL, "seed": 7, "n_iter": 2, "negative_prompt": "cat"})
    info = json.loads(answer["info"])
    assert info["all_seeds"] == [7, 8]
    assert (info["seed"], info["steps"], info["cfg_scale"]) == (7, 1, 1)
    assert (info["width"], info["height"], info["batch_size"]) == (64, 64, 1)
    assert (info["prompt"], info["negative_prompt"]) == ("a red circle", "cat")
    assert info["all_prompts"] == ["a red circle"] * 2
    assert (info["sampler_name"], info["sd_model_name"]) == ("Euler", "demo")
    assert info["version"] == f"gpustack-draw {gpustack_draw.__version__}"
    for picture, text, seed in zip(answer["images"], info["infotexts"], (7, 8), strict=True):
        read = gpustack_draw.read_parameters(decoded(picture))
        assert (read.text, read.seed, read.prompt) == (text, seed, "a red circle")
    assert answer["parameters"] == {**SMALL, "seed": 7, "n_iter": 2, "negative_prompt": "cat"}


def test_pictures_can_be_left_out(web_ui: httpx.Client) -> None:
    answer = post(web_ui, "txt2img", {**SMALL, "send_images": False, "seed": 9})
    assert answer["images"] == []
    assert json.loads(answer["info"])["all_seeds"] == [9]


def test_a_second_pass_enlarges(web_ui: httpx.Client) -> None:
    fields = {**SMALL, "enable_hr": True, "hr_scale": 2, "denoising_strength": 0.5}
    answer = post(web_ui, "txt2img", {**fields, "hr_upscaler": "Latent"})
    assert decoded(answer["images"][0]).size == (128, 128)
    info = json.loads(answer["info"])
    assert (info["width"], info["denoising_strength"]) == (128, 0.5)
    assert "Hires upscaler: Latent" in info["infotexts"][0]


def test_only_the_mask_is_redrawn(web_ui: httpx.Client) -> None:
    fields = {
        **SMALL,
        "width": SIDE,
        "height": SIDE,
        "init_images": [CIRCLE],
        "mask": MIDDLE,
        "mask_blur": 0,
        "denoising_strength": 0.9,
        "inpaint_full_res": False,
        "steps": 2,
        "seed": 7,
    }
    before = np.asarray(circle())
    kept = np.ones((SIDE, SIDE), bool)
    kept[SIDE // 8 : SIDE * 7 // 8, SIDE // 8 : SIDE * 7 // 8] = False
    answer = post(web_ui, "img2img", fields)
    changed = (np.asarray(decoded(answer["images"][0])) != before).any(axis=2)
    assert not changed[kept].any()
    assert changed[~kept].mean() > 0.5
    info = json.loads(answer["info"])
    assert info["is_using_inpainting_conditioning"] is True
    assert answer["parameters"]["init_images"] is None
    inverted = post(web_ui, "img2img", {**fields, "inpainting_mask_invert": 1})
    changed = (np.asarray(decoded(inverted["images"][0])) != before).any(axis=2)
    assert not changed[~kept].any()
    assert changed[kept].mean() > 0.5


@pytest.mark.parametrize(("mode", "middle_row"), [(0, 32), (1, 32), (2, 32)])
def test_resize_modes(web_ui: httpx.Client, mode: int, middle_row: int) -> None:
    """A wide picture whose left quarter is red, in a square drawing of strength 0."""
    wide = Image.new("RGB", (256, 128), "blue")
    wide.paste((255, 0, 0), (0, 0, 64, 128))
    picture = base64_png(wide)
    fields = {**SMALL, "init_images": [picture], "denoising_strength": 0, "resize_mode": mode}
    answer = post(web_ui, "img2img", fields)
    drawn = np.asarray(decoded(answer["images"][0]).convert("RGB"), int)
    reds = (drawn[middle_row, :, 0] > drawn[middle_row, :, 2]).mean()
    assert drawn.shape[:2] == (64, 64)
    # Stretched and padded, a quarter of the width is red; cropped to the middle, nothing is.
    assert reds == pytest.approx({0: 0.25, 1: 0.0, 2: 0.25}[mode], abs=0.06)


@pytest.mark.parametrize(
    ("name", "fields", "status", "error", "detail", "field"),
    [
        (
            "txt2img",
            {**SMALL, "steps": -1},
            400,
            "UsageError",
            '-1 is not a number of sample steps from 1 to 10000; for example "steps": 20',
            "steps",
        ),
        (
            "txt2img",
            {**SMALL, "width": 9000},
            400,
            "UsageError",
            None,
            "width",
        ),
        ("txt2img", {**SMALL, "sampler_name": "LMS"}, 400, "UsageError", None, "sampler_name"),
        ("txt2img", {"prompt": "a <lora:style:1> cat"}, 400, "UsageError", None, "prompt"),
        ("img2img", {"prompt": "x"}, 400, "UsageError", None, "init_images"),
        ("img2img", {"init_images": ["aGVsbG8="]}, 400, "UsageError", None, "init_images"),
        ("png-info", {"image": "aGVsbG8="}, 400, "UsageError", None, None),
        ("extra-single-image", {}, 400, "UsageError", "there is no picture", "image"),
        (
            "extra-single-image",
            {
                "image": CIRCLE,
                "upscaler_1": "Lanczos",
                "resize_mode": 1,
                "upscaling_resize_w": 4097,
            },
            400,
            "UsageError",
            "the enlarged picture has 4097x4097 pixels, more than 4096x4096; choose a smaller size",
            "upscaling_resize",
        ),
        (
            "extra-single-image",
            {"image": CIRCLE, "upscaling_resize": 0},
            400,
            "UsageError",
            "0 is not a factor above 0 and up to 32",
            "upscaling_resize",
        ),
        (
            "extra-batch-images",
            {"imageList": [{}] * 17},
            400,
            "UsageError",
            "17 pictures are too many for one request; send at most 16",
            "imageList",
        ),
    ],
)
def test_what_is_refused(
    web_ui: httpx.Client,
    name: str,
    fields: dict[str, Any],
    status: int,
    error: str,
    detail: str | None,
    field: str | None,
) -> None:
    got, record = refusal(web_ui, name, fields)
    assert (got, record["error"], record["body"]) == (status, error, "")
    assert record.keys() == {"error", "detail", "body", "errors"}
    assert detail in (None, record["detail"])
    assert field in (None, record["errors"])


def test_interrupting_a_drawing(web_ui: httpx.Client) -> None:
    """The progress shows the drawing with its preview, which is the interrupted picture."""
    answers: list[httpx.Response] = []
    drawing = threading.Thread(
        target=lambda: answers.append(web_ui.post("/sdapi/v1/txt2img", json=ENDLESS))
    )
    drawing.start()
    record = wait_for_preview(web_ui)
    assert 0 < record["progress"] < 0.5
    assert record["eta_relative"] > 0
    assert record["state"]["job_count"] == 1
    assert record["state"]["sampling_steps"] == 5000
    assert decoded(record["current_image"]).width >= 32
    without = web_ui.get("/sdapi/v1/progress", params={"skip_current_image": "true"}).json()
    assert without["current_image"] is None
    assert web_ui.post("/sdapi/v1/interrupt").json() == {}
    drawing.join(60)
    (answer,) = answers
    assert answer.status_code == 200
    (image,) = answer.json()["images"]
    assert decoded(image).size == (ENDLESS["width"], ENDLESS["height"])
    assert decoded(image).info["parameters"] == json.loads(answer.json()["info"])["infotexts"][0]
    assert post(web_ui, "txt2img", SMALL)["images"]


def test_a_client_that_hangs_up_ends_its_drawing(web_ui: httpx.Client) -> None:
    with pytest.raises(httpx.ReadTimeout):
        web_ui.post("/sdapi/v1/txt2img", json=ENDLESS, timeout=httpx.Timeout(30, read=2))
    deadline = time.monotonic() + 60
    while web_ui.get("/sdapi/v1/progress").json()["state"]["job_count"]:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert post(web_ui, "txt2img", SMALL)["images"]


def wait_for_preview(web_ui: httpx.Client) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while True:
        record = web_ui.get("/sdapi/v1/progress").json()
        if record["current_image"] is not None and record["eta_relative"] > 0:
            assert isinstance(record, dict)
            return record
        assert time.monotonic() < deadline, record
        time.sleep(0.05)


def test_the_parameters_of_a_picture(web_ui: httpx.Client) -> None:
    answer = post(web_ui, "txt2img", {**SMALL, "seed": 7})
    picture = f"data:image/png;base64,{answer['images'][0]}"
    read = post(web_ui, "png-info", {"image": picture})
    assert read["info"] == json.loads(answer["info"])["infotexts"][0]
    parameters = read["parameters"]
    assert parameters["Prompt"] == "a red circle"
    assert (parameters["Seed"], parameters["Steps"], parameters["Sampler"]) == ("7", "1", "Euler")
    assert (parameters["Size-1"], parameters["Size-2"]) == ("64", "64")
    nothing = {"info": "", "items": {}, "parameters": {}}
    assert post(web_ui, "png-info", {"image": CIRCLE}) == nothing


@pytest.mark.parametrize(
    ("fields", "size"),
    [
        ({"upscaler_1": "Nearest"}, (256, 256)),
        ({"upscaler_1": "Lanczos", "upscaling_resize": 0.5}, (64, 64)),
        ({"upscaler_1": "None", "upscaling_resize": 4}, (128, 128)),
        (
            {
                "upscaler_1": "Lanczos",
                "resize_mode": 1,
                "upscaling_resize_w": 200,
                "upscaling_resize_h": 100,
            },
            (200, 100),
        ),
        (
            {
                "upscaler_1": "Lanczos",
                "resize_mode": 1,
                "upscaling_resize_w": 200,
                "upscaling_resize_h": 100,
                "upscaling_crop": False,
            },
            (200, 200),
        ),
    ],
)
def test_enlarging_a_picture(
    web_ui: httpx.Client, fields: dict[str, Any], size: tuple[int, int]
) -> None:
    one = post(web_ui, "extra-single-image", {**fields, "image": CIRCLE})
    assert decoded(one["image"]).size == size
    several = {**fields, "imageList": [{"data": CIRCLE, "name": "a.png"}] * 2}
    answer = post(web_ui, "extra-batch-images", several)
    assert answer["images"] == [one["image"]] * 2


def test_lists(web_ui: httpx.Client) -> None:
    def names(path: str) -> list[str]:
        return [each["name"] for each in web_ui.get(f"/sdapi/v1/{path}").json()]

    assert names("samplers")[:3] == ["Euler", "Euler a", "Heun"]
    assert names("schedulers")[:2] == ["automatic", "discrete"]
    assert names("upscalers") == ["None", "Lanczos", "Nearest"]
    assert names("latent-upscale-modes")[0] == "Latent"
    # Each name is one that a drawing takes.
    for sampler in names("samplers"):
        gpustack_draw.DrawRequest(prompt="", sampler=sampler)
    for scheduler in names("schedulers"):
        gpustack_draw.DrawRequest(prompt="", scheduler=scheduler)
    for upscaler in [*names("latent-upscale-modes"), "Lanczos", "Nearest"]:
        gpustack_draw.DrawRequest(prompt="", hires=2, hires_upscaler=upscaler)
