"""OpenAI's Python SDK against the server: straight, and through a proxy like GPUStack's."""

import base64
import io
from collections.abc import Iterator
from typing import Any

import pytest
from input_files import encoded
from PIL import Image

import gpustack_draw

pytestmark = pytest.mark.engine

openai = pytest.importorskip("openai", reason="OpenAI's SDK is not installed")

PROMPT = "a red circle on a blue background"
QUICK = {"seed": 7, "sample_steps": 2}
SIZE: Any = "64x64"


@pytest.fixture
def client(url: str) -> Iterator[Any]:
    """The SDK, with the server's address or the proxy's."""
    with openai.OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as sdk:
        yield sdk


def picture_of(text: str | None) -> Image.Image:
    assert text is not None
    return Image.open(io.BytesIO(base64.b64decode(text, validate=True))).convert("RGB")


def png(image: Image.Image) -> tuple[str, bytes, str]:
    return "picture.png", encoded(image), "image/png"


def test_models_have_the_defaults(client: Any) -> None:
    (model,) = client.models.list().data
    assert (model.id, model.owned_by) == ("demo", "gpustack-draw")
    assert (model.meta["default_width"], model.meta["sample_method"]) == (256, "euler")
    assert client.models.retrieve("demo").meta == model.meta


def test_generate(client: Any) -> None:
    reply = client.images.generate(model="demo", prompt=PROMPT, n=2, size=SIZE, extra_body=QUICK)
    assert (reply.size, reply.output_format, reply.background) == ("64x64", "png", "opaque")
    assert reply.usage.total_tokens == 0
    assert reply.parameters["sample_steps"] == 2
    assert [item.seed for item in reply.data] == [7, 8]
    drawn = [picture_of(item.b64_json) for item in reply.data]
    assert [image.size for image in drawn] == [(64, 64), (64, 64)]
    expected = gpustack_draw.generate("demo", PROMPT, size=(64, 64), seed=8, sample_steps=2)
    assert drawn[1].tobytes() == expected.tobytes()


def test_stream_a_generation(client: Any) -> None:
    events = list(
        client.images.generate(
            model="demo", prompt=PROMPT, size=SIZE, stream=True, partial_images=1, extra_body=QUICK
        )
    )
    assert [type(event) for event in events] == [
        openai.types.ImageGenPartialImageEvent,
        openai.types.ImageGenCompletedEvent,
    ]
    partial, completed = events
    assert (partial.partial_image_index, partial.output_format) == (0, "jpeg")
    assert picture_of(partial.b64_json).size == (64, 64)
    assert completed.usage.total_tokens == 0
    assert (completed.seed, completed.size) == (7, "64x64")
    assert picture_of(completed.b64_json).size == (64, 64)


@pytest.mark.parametrize("kind", ["transparent", "white"])
def test_edit_the_masked_area_only(client: Any, kind: str) -> None:
    green = Image.new("RGB", (64, 64), (0, 160, 0))
    left = Image.new("L", (64, 64), 0)
    left.paste(255, (0, 0, 32, 64))
    mask = left.convert("RGB")
    if kind == "transparent":  # the left half is transparent, and the rest is white
        mask = Image.new("RGBA", (64, 64), "white")
        mask.putalpha(left.point(lambda value: 255 - value))
    reply = client.images.edit(
        model="demo", image=png(green), mask=png(mask), prompt=PROMPT,
        extra_body={**QUICK, "strength": 1, "mask_blur": 0},
    )  # fmt: skip
    drawn = picture_of(reply.data[0].b64_json)
    assert reply.parameters["mode"] == "inpaint"
    right = (32, 0, 64, 64)
    assert drawn.crop(right).tobytes() == green.crop(right).tobytes()
    assert drawn.crop((0, 0, 32, 64)).tobytes() != green.crop((0, 0, 32, 64)).tobytes()


def test_stream_an_edit(client: Any) -> None:
    events = list(
        client.images.edit(
            model="demo",
            image=[png(Image.new("RGB", (64, 64), "green"))],
            prompt=PROMPT,
            stream=True,
            partial_images=1,
            extra_body={**QUICK, "strength": 1},
        )
    )
    assert [type(event) for event in events] == [
        openai.types.ImageEditPartialImageEvent,
        openai.types.ImageEditCompletedEvent,
    ]
    assert picture_of(events[-1].b64_json).size == (64, 64)


def test_errors_are_those_of_the_sdk(client: Any) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.images.generate(model="demo", prompt=PROMPT, size="9000x9000")
    assert (caught.value.param, caught.value.type) == ("size", "invalid_request_error")
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("other")
    assert caught.value.code == "model_not_found"


def test_an_error_of_a_stream_has_its_status_before_the_drawing(client: Any) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.images.generate(
            model="demo", prompt=PROMPT, stream=True, extra_body={"sampler": "fast"}
        )
    assert caught.value.param == "sampler"
