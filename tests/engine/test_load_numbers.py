"""The numbers with which the engine loads a model for some settings."""

from typing import Any

import pytest
from resolved_models import model

from gpustack_draw.engine.load_numbers import load_numbers
from gpustack_draw.request.draw_request import DrawRequest
from gpustack_draw.resolver.choose_settings import choose_settings


@pytest.mark.parametrize(
    ("options", "numbers"),
    [
        ({}, {}),
        ({"rng": "cuda"}, {}),
        ({"rng": "cpu"}, {"rng": 2}),
        ({"tile": "x"}, {"circular_x": 1}),
        ({"tile": "y"}, {"circular_y": 1}),
        ({"tile": "both", "rng": "cpu"}, {"rng": 2, "circular_x": 1, "circular_y": 1}),
    ],
)
def test_numbers(options: dict[str, Any], numbers: dict[str, int]) -> None:
    request = DrawRequest(prompt="a cat", **options)
    assert load_numbers(choose_settings(request, model("sd1"))[0][0]) == numbers
