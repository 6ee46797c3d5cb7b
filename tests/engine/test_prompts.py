"""The pieces of a prompt reach the text encoder."""

import numpy as np
import pytest

import gpustack_draw
from gpustack_draw.model import Model

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def demo() -> Model:
    with gpustack_draw.load("demo") as model:
        yield model


def draw(model: Model, prompt: str) -> bytes:
    return np.asarray(model.generate(prompt, seed=7, size=(128, 128), sample_steps=1)).tobytes()


def test_brackets_are_text_for_a_language_model(demo: Model) -> None:
    plain = draw(demo, "a (red) circle")
    assert plain == draw(demo, r"a \(red\) circle")
    # The library's own parser would weight it, and draw "a red circle" for "a (red:1) circle".
    assert plain != draw(demo, "a red circle")
    assert draw(demo, "a (red:1) circle") != draw(demo, "a red circle")


def test_text_that_the_librarys_own_parser_fails_for_is_drawn(demo: Model) -> None:
    assert draw(demo, "a red (circle:.)") != draw(demo, "a red circle")
