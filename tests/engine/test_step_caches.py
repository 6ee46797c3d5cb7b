"""Step caches in drawings of the demo model: they skip evaluations, and change little."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import gpustack_draw
from gpustack_draw.cli.main import main
from gpustack_draw.model import Model
from gpustack_draw.progress.progress import Progress
from gpustack_draw.request.draw_request import request_of

pytestmark = pytest.mark.engine

PROMPT = "a red circle on a blue background"


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    with gpustack_draw.load("demo") as loaded:
        yield loaded


def draw(model: Model, on_progress: Any = None, **options: Any) -> gpustack_draw.Picture:
    request = request_of({"prompt": PROMPT, "size": (64, 64), "seed": 1, **options})
    (picture,) = model.draw(request, on_progress, preview=on_progress is not None)
    return picture


def test_both_passes_of_a_guided_drawing_are_cached(model: Model) -> None:
    """With a picture to start from, skip-layer guidance and previews of every step."""
    start = Image.new("RGB", (64, 64), "blue")
    options: dict[str, Any] = {
        "sample_steps": 20,
        "image": start,
        "strength": 0.8,
        "skip_layers": (0,),
        "skip_layer_end": 1,
        "cfg_scale": 2,
        "hires": 2,
        "hires_steps": 8,
    }
    reports: list[Progress] = []
    plain, cached = draw(model, **options), draw(model, reports.append, cache="fast", **options)
    # 6 of the 16 steps that the strength leaves, and 2 of the second pass.
    assert (plain.evaluations_skipped, cached.evaluations_skipped) == (None, 8)
    assert plain.notes == ()
    assert cached.notes == ("the cache skipped 8 evaluations of the model in 24 steps",)
    assert cached.settings.cache == "spectrum"
    previews = [report for report in reports if report.preview is not None]
    assert [report.step for report in previews] == list(range(1, 25))
    difference = np.abs(np.asarray(plain).astype(int) - np.asarray(cached).astype(int))
    assert 0 < difference.mean() < 20  # about 60 with another seed


def test_a_higher_threshold_skips_more(model: Model) -> None:
    skipped = [
        draw(model, sample_steps=12, cache=f"{cache}:threshold={threshold}").evaluations_skipped
        for cache in ("easycache", "dbcache")
        for threshold in (0.001, 1)
    ]
    assert (skipped[0], skipped[2]) == (0, 0)
    assert all(number is not None and number > 4 for number in skipped[1::2])


def test_a_picture_draws_itself_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["demo", PROMPT, "--size", "64x64", "--sample-steps", "12", "--cache", "fast"]
    assert main([*words, "--json", "--output", "a.png"]) == 0
    written = capsysbinary.readouterr()
    record = json.loads(written.out)
    assert (record["cache"], record["evaluations_skipped"]) == ("spectrum", 4)
    assert b"gpustack-draw: the cache skipped 4 evaluations of the model in 12 steps" in written.err
    with Image.open("a.png") as image:
        assert "Cache: spectrum," in image.text["parameters"]  # type: ignore[attr-defined]
    assert main(["--from", "a.png", "--output", "b.png"]) == 0
    with Image.open("a.png") as first, Image.open("b.png") as second:
        assert first.tobytes() == second.tobytes()
    assert main(["--from", "a.png", "--cache", "off", "--output", "c.png"]) == 0
    with Image.open("a.png") as first, Image.open("c.png") as third:
        assert first.tobytes() != third.tobytes()
