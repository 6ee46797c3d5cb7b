"""Units of the extension ControlNet: which picture a drawing follows, and with which ControlNet."""

import base64
from typing import Any

import httpx
import pytest
from PIL import Image
from served import options_of
from web_ui_exchange import base64_png

from gpustack_draw.errors import UsageError
from gpustack_draw.serve.http.errors import answer_for
from gpustack_draw.serve.studio.references import References
from gpustack_draw.serve.webui.picture_request import (
    FIELD_OF,
    PictureRequest,
    image_to_image,
    text_to_image,
)

PICTURE, START = (base64.b64encode(text).decode("ascii") for text in (b"a picture", b"a start"))


def scripts(*units: object, name: str = "controlnet") -> dict[str, Any]:
    return {"alwayson_scripts": {name: {"args": list(units)}}}


def drawn(*units: object, **fields: Any) -> PictureRequest:
    return text_to_image({"prompt": "a cat", **fields, **scripts(*units)})


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ({"image": PICTURE}, (b"a picture", None, False)),
        ({"input_image": PICTURE, "enabled": True, "module": None}, (b"a picture", None, False)),
        ({"image": {"image": PICTURE, "mask": None}, "weight": 0.5}, (b"a picture", 0.5, False)),
        ({"image": PICTURE, "module": "canny", "weight": "2"}, (b"a picture", 2.0, True)),
        ({"image": PICTURE, "module": "None", "model": "None"}, (b"a picture", None, False)),
    ],
)
def test_a_unit_is_a_control_picture(unit: dict[str, Any], expected: tuple[Any, ...]) -> None:
    read = drawn(unit)
    pictures = read.request.pictures
    assert (pictures.control_image, pictures.control_strength, pictures.canny) == expected
    assert (read.control_net, read.ignored) == ("", ())


@pytest.mark.parametrize(
    ("mode", "fit"),
    [(None, "crop"), (0, "stretch"), (1, "crop"), ("Resize and Fill", "pad"), ("2", "pad")],
)
def test_the_resize_mode_of_a_unit(mode: object, fit: str) -> None:
    unit = {"image": PICTURE, **({} if mode is None else {"resize_mode": mode})}
    assert drawn(unit, width=64, height=64).request.pictures.fit == fit
    assert drawn(unit).request.pictures.fit is None


def test_the_name_of_a_model_has_no_hash() -> None:
    assert drawn({"image": PICTURE, "model": "canny-sd15 [d14c016b]"}).control_net == "canny-sd15"


def test_a_unit_of_img2img_may_follow_the_picture_that_it_starts_from() -> None:
    fields = {"prompt": "a cat", "init_images": [START]}
    read = image_to_image({**fields, **scripts({"module": "canny"}, name="ControlNet")})
    assert (read.request.pictures.image, read.request.pictures.control_image) == (
        (b"a start",),
        b"a start",
    )
    read = image_to_image({**fields, **scripts({"image": PICTURE})})
    assert read.request.pictures.control_image == b"a picture"


@pytest.mark.parametrize(
    "units", [(), ({"enabled": False, "image": PICTURE},), (None, False, "unit")]
)
def test_without_an_enabled_unit_nothing_changes(units: tuple[object, ...]) -> None:
    assert not drawn(*units).request.pictures


def test_the_log_names_fields_and_extensions_without_effect() -> None:
    unit = {"image": PICTURE, "guidance_end": 0.5, "guidance_start": 0, "control_mode": "Balanced"}
    assert drawn(unit).ignored == ("controlnet.guidance_end",)
    assert text_to_image(scripts(name="ADetailer")).ignored == ("alwayson_scripts.ADetailer",)


@pytest.mark.parametrize(
    ("units", "message"),
    [
        ([{}], "there is no picture"),
        ([{"image": "http://a/b"}], "'http://a/b' is an address, not a picture in base64; send"),
        (
            [{"image": PICTURE}, {"image": PICTURE}],
            "2 ControlNet units are enabled; enable one: a model follows one picture",
        ),
        (
            [{"image": PICTURE, "module": "openpose"}],
            "there is no preprocessor 'openpose' on this server; send the picture that it makes",
        ),
        ([{"image": PICTURE, "resize_mode": 3}], "3 is not a resize mode, 0 to 2"),
        ([{"image": PICTURE, "weight": "x"}], "'x' is not a number"),
        ([{"image": PICTURE, "enabled": "x"}], "'x' is not true or false"),
    ],
)
def test_wrong_units(units: list[object], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        drawn(*units)
    answer = answer_for(caught.value, FIELD_OF)
    assert (answer.status, answer.param) == (400, "alwayson_scripts")
    assert answer.message.startswith(message)


def test_a_wrong_weight_is_named_as_the_unit_has_it() -> None:
    with pytest.raises(UsageError) as caught:
        drawn({"image": PICTURE, "weight": 3})
    answer = answer_for(caught.value, FIELD_OF)
    assert answer.param == "weight"
    assert answer.message == (
        '3 is not a control strength from 0 to 2; for example "weight": 0.8; 0 ignores the control'
        " picture"
    )


def test_the_control_net_of_the_model_can_be_named() -> None:
    found = References(options_of("demo", "--control-net", "/models/canny-sd15.safetensors"))
    assert found.control_nets() == ("canny-sd15",)
    found.check_control_net("canny-sd15")
    found.check_control_net("canny-sd15.safetensors")
    for names, hint in (
        (found, "choose one of: canny-sd15"),
        (References(options_of("demo")), "this server has no ControlNet"),
    ):
        with pytest.raises(UsageError) as caught:
            names.check_control_net("/etc/passwd")
        assert caught.value.message == "there is no ControlNet '/etc/passwd' on this server"
        assert (caught.value.hint, caught.value.argument) == (hint, "control_image")


@pytest.mark.engine
def test_a_unit_reaches_the_model(web_ui: httpx.Client) -> None:
    """The embedded model follows no control picture, and says so."""
    picture = base64_png(Image.new("RGB", (64, 64), "red"))
    fields = {"prompt": "a cat", "width": 64, "height": 64, "steps": 1}
    for model, message in (
        ("None", "FLUX.2 klein takes no control picture; models that do: "),
        (
            "../x [12ab]",
            "there is no ControlNet '../x' on this server; this server has no ControlNet",
        ),
    ):
        unit = scripts({"image": picture, "model": model})
        response = web_ui.post("/sdapi/v1/txt2img", json={**fields, **unit})
        assert (response.status_code, response.json()["errors"]) == (400, "alwayson_scripts")
        assert response.json()["detail"].startswith(message)


def test_lists_for_clients_of_the_extension(web_ui: httpx.Client) -> None:
    names = ("model_list", "module_list", "version", "settings")
    assert {name: web_ui.get(f"/controlnet/{name}").json() for name in names} == {
        "model_list": {"model_list": []},
        "module_list": {"module_list": ["none", "canny"], "module_detail": {}},
        "version": {"version": 2},
        "settings": {"control_net_unit_count": 1},
    }
    assert web_ui.get("/sdapi/v1/scripts").json() == {
        "txt2img": ["controlnet"],
        "img2img": ["controlnet"],
    }
