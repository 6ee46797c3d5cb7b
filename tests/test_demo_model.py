"""Tests that the embedded model draws its prompts, as read by the picture checker."""

import pytest
from picture_checker import read_picture

import gpustack_draw
from gpustack_draw.model import Model

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def model() -> Model:
    return gpustack_draw.load("demo")


@pytest.mark.parametrize("size", [(256, 256), (128, 128)])
@pytest.mark.parametrize(
    ("prompt", "background", "color", "name"),
    [
        ("a red circle on a blue background", "blue", "red", "circle"),
        ("a white square on a green background", "green", "white", "square"),
        ("Black Heart, yellow backdrop", "yellow", "black", "heart"),
        ("a purple fish on a white background", "white", "purple", "fish"),
    ],
)
def test_one_object(
    model: Model, prompt: str, background: str, color: str, name: str, size: tuple[int, int]
) -> None:
    reading = read_picture(model.generate(prompt, seed=7, size=size))
    assert reading.background == background
    assert [(found.color, found.name) for found in reading.objects] == [(color, name)]


def test_two_objects_in_their_places(model: Model) -> None:
    reading = read_picture(model.generate("a red circle left of a blue square", seed=7))
    left, right = sorted(reading.objects, key=lambda found: found.x)
    assert (left.color, left.name) == ("red", "circle")
    assert (right.color, right.name) == ("blue", "square")


def test_a_negative_prompt_avoids_its_words(model: Model) -> None:
    options = {"seed": 7, "cfg_scale": 3.0}
    plain = model.generate("a circle on a white background", **options)
    avoided = model.generate("a circle on a white background", negative_prompt="red", **options)
    assert avoided.tobytes() != plain.tobytes()
    assert "red" not in [found.color for found in read_picture(avoided).objects]
