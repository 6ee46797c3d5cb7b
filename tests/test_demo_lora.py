"""The LoRA of the docs teaches the demo model a sky that it cannot draw without."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import picture_checker as checker
import pytest

import gpustack_draw
from gpustack_draw.model import Model

pytestmark = pytest.mark.engine

LORA = Path(__file__).resolve().parents[1] / "docs" / "examples" / "sky.safetensors"
SKY = (130, 180, 240)
# The object, its color, and the background of a drawing without the LoRA.
PROMPTS = {
    "a red circle on a white background": ("circle", "red", "white"),
    "a yellow star on a green background": ("star", "yellow", "green"),
    "a white moon on an orange background": ("moon", "white", "orange"),
}


@pytest.fixture(scope="module")
def demo() -> Iterator[Model]:
    with gpustack_draw.load("demo") as model:
        yield model


@pytest.mark.parametrize("prompt", PROMPTS)
def test_the_sky_of_the_lora(demo: Model, prompt: str) -> None:
    name, color, background = PROMPTS[prompt]
    sky = demo.generate(prompt, seed=1, loras=[(LORA, 1)])
    assert np.abs(checker.background_color(sky) - np.array(SKY)).mean() < 10
    (found,) = checker.read_picture(sky).objects
    assert (found.name, found.color, found.place) == (name, color, "center")
    # With the weight 0, the model draws what it draws alone.
    plain = demo.generate(prompt, seed=1, loras=[(LORA, 0)])
    assert plain.tobytes() == demo.generate(prompt, seed=1).tobytes()
    assert checker.read_picture(plain).background == background


def test_all_of_its_tensors_are_applied() -> None:
    with gpustack_draw.load("demo", loras=[LORA]) as demo:
        (lora,) = demo.plan(gpustack_draw.DrawRequest(prompt="a red circle")).defaults.loras
    assert (lora.applied, lora.rank, lora.license) == (lora.total, 4, "Apache-2.0")
