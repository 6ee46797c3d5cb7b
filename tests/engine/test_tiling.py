"""Pictures decoded and encoded in tiles, as the memory requires it."""

from typing import Any

import numpy as np
import pytest
from PIL import Image

import gpustack_draw
from gpustack_draw import DrawRequest, Model, Progress
from gpustack_draw.memory import choose

pytestmark = pytest.mark.engine


def draw(model: Model, **fields: Any) -> tuple[np.ndarray, list[Progress]]:
    """Draw a picture; return its pixels and the progress."""
    steps: list[Progress] = []
    request = DrawRequest(prompt="a red circle on a blue background", seed=7, **fields)
    (picture,) = model.draw(request, steps.append)
    assert (picture.vae_tile is not None) == any(
        step.phase == "decode" and step.total > 1 for step in steps
    )
    return np.asarray(picture.to_image()).astype(float), steps


def assert_seamless(tiled: np.ndarray, whole: np.ndarray, borders: range) -> None:
    """Check that tiles hardly change a picture, at their borders no more than elsewhere."""
    difference = np.abs(tiled - whole)
    assert difference.max() > 0  # it was decoded in tiles
    assert 10 * np.log10(255**2 / (difference**2).mean()) >= 30
    at_borders = np.concatenate([difference[:, borders], difference[borders].swapaxes(0, 1)])
    assert at_borders.mean() <= 2 * difference.mean() + 0.1


def test_tiles_are_chosen_for_a_drawing_that_would_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    fields = {"size": (320, 320), "sample_steps": 1}
    request = DrawRequest(prompt="", size=(320, 320))
    with gpustack_draw.load("demo") as model:
        whole, _ = draw(model, **fields)
        plan = model.plan(request)
        assert (plan.notes, plan.memory.choices.vae_tile) == ((), None)
        # The weights are loaded: they count as free.
        free = plan.memory_bytes - plan.memory.needed.weights - 1
        monkeypatch.setattr(choose, "available_memory", lambda: free)
        plan = model.plan(request)
        assert (plan.fits, plan.memory.choices.vae_tile) == (True, 256)
        (note,) = model.check(request)
        assert note in plan.notes
        assert note.startswith("decoded in tiles of 256 pixels, because it would need about ")
        tiled, steps = draw(model, **fields)
    assert "load" not in {step.phase for step in steps}  # the tiles are those of a drawing
    decoded = [(step.step, step.total) for step in steps if step.phase == "decode"]
    assert decoded[-1] == (4, 4)
    assert [step for step, _ in decoded] == sorted(step for step, _ in decoded)
    assert [step.step for step in steps if step.phase == "sample"] == [0, 1]
    assert_seamless(tiled, whole, range(128, 192))


def test_pictures_are_encoded_in_tiles() -> None:
    colors = np.random.default_rng(3).integers(0, 256, (4, 4, 3), np.uint8)
    image = Image.fromarray(colors).resize((192, 192), Image.Resampling.BICUBIC)
    fields = {"pictures": gpustack_draw.PictureOptions(image=image, strength=0.3)}
    with gpustack_draw.load("demo", vae_tiling="off") as model:
        whole, _ = draw(model, sample_steps=2, **fields)
    with gpustack_draw.load("demo", vae_tile_size=128) as model:
        tiled, steps = draw(model, sample_steps=2, **fields)
    totals = {step.phase: step.total for step in steps if step.step == step.total}
    assert (totals["encode_pictures"], totals["decode"]) == (4, 4)
    assert_seamless(tiled, whole, range(64, 128))


def test_weights_are_converted() -> None:
    pictures = []
    for weight_type in (None, "q4_0"):
        with gpustack_draw.load("demo", weight_type=weight_type) as model:
            pictures.append(draw(model, size=(64, 64), sample_steps=1)[0])
    assert 0 < np.abs(pictures[0] - pictures[1]).mean() < 40
