"""The fields of txt2img and img2img become the request that the web UI would have drawn."""

import base64
from collections.abc import Mapping
from typing import Any

import pytest

from gpustack_draw import DrawRequest
from gpustack_draw.errors import UsageError
from gpustack_draw.serve.http.errors import answer_for
from gpustack_draw.serve.webui.picture_request import FIELD_OF, image_to_image, text_to_image

PICTURE = base64.b64encode(b"a picture").decode("ascii")
MASK = base64.b64encode(b"a mask").decode("ascii")


def drawn(**fields: Any) -> DrawRequest:
    return text_to_image({"prompt": "a cat", **fields}).request


def edited(**fields: Any) -> DrawRequest:
    return image_to_image({"prompt": "a cat", "init_images": [PICTURE], **fields}).request


def refusal(fields: Mapping[str, Any]) -> tuple[str, str | None]:
    """Return the message and the field of the error that fields cause."""
    read = image_to_image if "init_images" in fields else text_to_image
    with pytest.raises(UsageError) as caught:
        read(fields)
    answer = answer_for(caught.value, FIELD_OF)
    assert answer.status == 400
    return answer.message, answer.param


def test_a_prompt_alone_leaves_the_rest_to_the_model() -> None:
    assert drawn() == DrawRequest(prompt="a cat")


def test_no_steps_are_those_of_the_model() -> None:
    """Open WebUI cannot leave the field out, but send 0."""
    assert drawn(steps=0) == drawn()


def test_fields_are_read_into_the_request() -> None:
    request = drawn(
        negative_prompt="dog",
        width=64,
        height=96,
        steps=7,
        cfg_scale=3.5,
        distilled_cfg_scale=2.5,
        sampler_name="DPM++ 2M",
        scheduler="Karras",
        seed=2**60 + 1,
        n_iter=2,
        batch_size=3,
        eta=0.5,
        clip_skip=2,
        tiling=True,
    )
    assert request == DrawRequest(
        prompt="a cat",
        negative_prompt="dog",
        size=(64, 96),
        sample_steps=7,
        cfg_scale=3.5,
        guidance=2.5,
        sampler="dpm++2m",
        scheduler="karras",
        seed=2**60 + 1,
        count=6,
        eta=0.5,
        clip_skip=2,
        tile="both",
    )


def test_numbers_are_read_as_the_web_ui_reads_them() -> None:
    """A Discord bot sends texts, and half the number of steps."""
    request = drawn(cfg_scale="7.0", steps="20", seed=42.0, width="64", height=64.9, tiling=0)
    assert request == drawn(cfg_scale=7, steps=20, seed=42, width=64, height=64)
    assert drawn(seed=-1) == drawn(seed="-1") == drawn(seed=None) == drawn()


@pytest.mark.parametrize("seed", [9007199254740993, "9007199254740993"])
def test_a_seed_keeps_its_digits(seed: object) -> None:
    assert drawn(seed=seed).seed == 9007199254740993


def test_the_name_of_the_sampler_replaces_the_older_field() -> None:
    assert drawn(sampler_name="Heun", sampler_index="Euler a").sampler == "heun"
    assert drawn(sampler_name=None, sampler_index="Euler a").sampler == "euler_a"
    assert drawn(sampler_name="DPM++ 2M Karras").scheduler == "karras"
    assert drawn(sampler_name="DPM++ 2M", scheduler="Automatic").scheduler == "karras"
    assert drawn(sampler_name="Euler", scheduler="automatic").scheduler is None


def test_one_side_alone_is_completed_as_in_the_web_ui() -> None:
    assert drawn(width=64).size == (64, 512)
    assert drawn(height=64).size == (512, 64)


def test_the_default_of_clip_skip_is_that_of_the_model() -> None:
    assert drawn(override_settings={"CLIP_stop_at_last_layers": 1}).clip_skip is None
    assert drawn(override_settings={"CLIP_stop_at_last_layers": 2}).clip_skip == 2


def test_a_second_pass() -> None:
    request = drawn(
        enable_hr=True,
        hr_scale="1.5",
        hr_upscaler="Latent (nearest)",
        hr_second_pass_steps=10,
        denoising_strength=0.7,
    )
    assert (request.hires, request.hires_upscaler) == (1.5, "latent-nearest")
    assert (request.hires_steps, request.hires_strength) == (7, 0.7)
    assert drawn(enable_hr=True).hires == 2
    assert drawn(enable_hr=True, hr_upscaler="None", hr_second_pass_steps=0) == drawn(
        enable_hr=True
    )


@pytest.mark.parametrize("name", ["4x-UltraSharp", "/etc/passwd", "R-ESRGAN 4x+"])
def test_the_studio_finds_the_upscaling_model_of_a_second_pass(name: str) -> None:
    """A path of the server that exists is treated like one that does not."""
    assert drawn(enable_hr=True, hr_upscaler=name).hires_upscaler == name


def test_a_second_pass_to_a_size() -> None:
    size = {"width": 64, "height": 32, "enable_hr": True, "hr_scale": 3}
    assert drawn(**size, hr_resize_x=96, hr_resize_y=0).hires == 1.5
    assert drawn(**size, hr_resize_y=64).hires == 2
    assert drawn(**size, hr_resize_x=0, hr_resize_y=0).hires == 3


@pytest.mark.parametrize("fields", [{"enable_hr": False}, {"enable_hr": True, "hr_scale": 1}])
def test_no_second_pass(fields: dict[str, Any]) -> None:
    """Clients always send its fields; a factor of 1 would draw the same size again."""
    assert drawn(denoising_strength=0.7, hr_upscaler="Latent", **fields) == drawn()


def test_a_picture_to_start_from() -> None:
    request = edited(denoising_strength=0.4, init_images=[f"data:image/png;base64,{PICTURE}"])
    assert request.pictures.image == (b"a picture",)
    assert request.pictures.strength == 0.4
    assert request.size is None
    assert request.pictures.fit is None


@pytest.mark.parametrize(
    ("mode", "fit"), [(None, "stretch"), (1, "crop"), (2, "pad"), (3, "stretch")]
)
def test_the_resize_mode_is_the_fit(mode: int | None, fit: str) -> None:
    assert edited(width=64, height=64, resize_mode=mode).pictures.fit == fit


def test_a_mask() -> None:
    pictures = edited(mask=MASK, mask_blur=8, inpainting_mask_invert=1).pictures
    assert (pictures.mask, pictures.mask_blur, pictures.mask_invert) == (b"a mask", 8, True)
    # The default of the API, not of the page.
    assert pictures.masked_only == 0
    assert edited(mask=MASK, inpaint_full_res=False).pictures.masked_only is None
    assert edited(mask=MASK, inpaint_full_res_padding=32).pictures.masked_only == 32


@pytest.mark.parametrize("mask", [None, ""])
def test_options_of_a_mask_have_no_effect_without_one(mask: str | None) -> None:
    pictures = edited(
        mask=mask, mask_blur=8, inpainting_mask_invert=1, inpaint_full_res=True
    ).pictures
    assert (pictures.mask, pictures.mask_blur, pictures.masked_only) == (None, None, None)


def test_the_answer_repeats_the_request_without_its_pictures() -> None:
    fields = {"prompt": "a cat", "steps": 2, "seed": None, "alwayson_scripts": {"x": {"args": []}}}
    assert text_to_image(fields).echo == {"prompt": "a cat", "steps": 2}
    pictures = {"init_images": [PICTURE], "mask": MASK, "inpaint_full_res": False}
    assert image_to_image(pictures).echo == {
        "init_images": None,
        "mask": None,
        "inpaint_full_res": False,
    }
    kept = image_to_image({**pictures, "include_init_images": True}).echo
    assert kept["init_images"] == [PICTURE]


def test_fields_without_effect_are_named() -> None:
    usual = {
        "styles": [],
        "restore_faces": False,
        "subseed_strength": 0,
        "alwayson_scripts": {},
        "hr_sampler_name": "Use same sampler",
    }
    assert text_to_image(usual).ignored == ()
    assert text_to_image({"styles": ["Film"], "restore_faces": True}).ignored == (
        "styles",
        "restore_faces",
    )
    assert text_to_image({"alwayson_scripts": {"ControlNet": {}}}).ignored == ()


def test_the_model_and_the_batch_are_kept_for_the_answer() -> None:
    read = text_to_image(
        {"override_settings": {"sd_model_checkpoint": "b"}, "batch_size": 2, "send_images": False}
    )
    assert (read.model, read.batch_size, read.sends_images) == ("b", 2, False)


@pytest.mark.parametrize(
    ("fields", "message", "field"),
    [
        ({"prompt": 7}, "7 is not a text", "prompt"),
        ({"steps": "many"}, "'many' is not a number", "steps"),
        ({"steps": True}, "True is not a number", "steps"),
        ({"cfg_scale": "nan"}, "'nan' is not a number", "cfg_scale"),
        ({"cfg_scale": 10**400}, f"1{'0' * 96}... is not a number", "cfg_scale"),
        ({"tiling": "perhaps"}, "'perhaps' is not true or false", "tiling"),
        ({"override_settings": []}, "[] is not an object", "override_settings"),
        (
            {"steps": -1},
            '-1 is not a number of sample steps from 1 to 10000; for example "steps": 20',
            "steps",
        ),
        ({"n_iter": 0}, "0 is not a number of pictures", "n_iter"),
        (
            {"n_iter": 9, "batch_size": 8},
            "72 pictures are too many for one request; ask for at most 16",
            "batch_size",
        ),
        (
            {"script_name": "X/Y/Z plot"},
            "there is no script 'X/Y/Z plot'; leave it out",
            "script_name",
        ),
        ({"init_images": []}, "there is no picture to start from", "init_images"),
        ({"init_images": [7]}, "7 is not a picture in base64", "init_images"),
        ({"init_images": ["?"]}, "'?' is not a picture in base64", "init_images"),
        ({"init_images": ["data:image/png;base64,"]}, "the picture is empty", "init_images"),
        (
            {"init_images": ["file:///a"]},
            "'file:///a' is an address, not a picture in base64; send the picture's file",
            "init_images",
        ),
        (
            {"init_images": [PICTURE], "width": 64, "resize_mode": 4},
            "4 is not a resize mode, 0 to 3",
            "resize_mode",
        ),
        (
            {"init_images": [PICTURE], "image_cfg_scale": 101},
            '101 is not an image guidance scale from 0 to 100; for example "image_cfg_scale": 1.5',
            "image_cfg_scale",
        ),
    ],
)
def test_what_is_refused(fields: dict[str, Any], message: str, field: str) -> None:
    assert refusal(fields) == (message, field)
