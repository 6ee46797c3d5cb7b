"""``tile`` draws pictures whose opposite edges continue each other."""

from collections.abc import Iterator

import numpy as np
import pytest
from input_files import noise
from PIL import Image

import gpustack_draw
from gpustack_draw.model import Model

pytestmark = pytest.mark.engine

SIDE = 128
AXES = {"x": 1, "y": 0}
PROMPTS = (
    "a red circle on a blue background",
    "a green star on a white background",
    "a yellow square",
    "two blue triangles",
)


@pytest.fixture(scope="module")
def demo() -> Iterator[Model]:
    with gpustack_draw.load("demo") as model:
        yield model


def draw(demo: Model, prompt: str, **options: object) -> np.ndarray:
    """Return a drawing of one step, (height, width, 3) int16."""
    size = (SIDE, SIDE)
    image = demo.generate(prompt, size=size, sample_steps=1, **options)  # type: ignore[arg-type]
    return np.asarray(image, np.int16)


@pytest.mark.parametrize("tile", AXES)
def test_no_place_is_an_edge(demo: Model, tile: str) -> None:
    """A picture that is rolled by half its side comes out of the VAE rolled, and else the same.

    So its encoder and its decoder treat the seam, which is then in the middle, as any other place.
    """
    small = Image.fromarray(noise(SIDE // 16, SIDE // 16))
    picture = np.asarray(small.resize((SIDE, SIDE), Image.Resampling.BICUBIC))

    def through_vae(image: np.ndarray) -> np.ndarray:
        return draw(demo, "", seed=1, image=image, strength=0, tile=tile)

    passed = through_vae(picture)
    for axis in AXES.values():
        rolled = through_vae(np.roll(picture, SIDE // 2, axis))
        difference = np.abs(np.roll(passed, SIDE // 2, axis) - rolled).max()
        assert difference <= 1 if axis == AXES[tile] else difference > 20


def test_the_first_column_continues_the_last_one(demo: Model) -> None:
    """Their difference, over several prompts and seeds, is a fraction of that without ``tile``."""

    def seams(tile: str | None) -> np.ndarray:
        pictures = [
            draw(demo, prompt, seed=seed, tile=tile) for prompt in PROMPTS for seed in (1, 2)
        ]
        stack = np.stack(pictures)
        left, right = stack[:, :, 0], stack[:, :, -1]
        top, bottom = stack[:, 0], stack[:, -1]
        return np.array([np.abs(left - right).mean(), np.abs(top - bottom).mean()])

    across_x, across_y = seams("x") / seams(None)
    assert across_x < 0.5 < across_y
