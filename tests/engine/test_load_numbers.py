"""The numbers with which the engine loads a model for some settings."""

from typing import Any

import pytest
from resolved_models import model

from gpustack_draw.engine.load_numbers import load_numbers
from gpustack_draw.memory.work import MemoryChoices
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


@pytest.mark.parametrize(
    ("choices", "numbers"),
    [
        (MemoryChoices(vae_tile=256), {}),
        (MemoryChoices(flash_attention=True), {"diffusion_flash_attn": 1}),
        (MemoryChoices(clip_on_cpu=True), {"keep_clip_on_cpu": 1}),
        (MemoryChoices(vae_on_cpu=True), {"keep_vae_on_cpu": 1}),
        (
            MemoryChoices(offload=True, max_vram=5.5),
            {"offload_params_to_cpu": 1, "max_vram": 5.5},
        ),
        (MemoryChoices(weight_type="f32"), {"weight_type": 0}),
        (MemoryChoices(weight_type="q8_0"), {"weight_type": 8}),
    ],
)
def test_numbers_of_choices(choices: MemoryChoices, numbers: dict[str, float]) -> None:
    settings = choose_settings(DrawRequest(prompt="a cat"), model("sd1"))[0][0]
    assert load_numbers(settings, choices) == numbers
