"""The options of a second pass: their values, and the message for each wrong one."""

import math
from pathlib import Path
from typing import Any

import pytest

from gpustack_draw.cli.option_names import with_options
from gpustack_draw.errors import UsageError
from gpustack_draw.request.draw_request import DrawRequest
from gpustack_draw.request.names import HIRES_UPSCALERS
from gpustack_draw.request.options import HIRES
from gpustack_draw.request.web_ui_names import HIRES_UPSCALER_TITLES

UPSCALERS = ", ".join(HIRES_UPSCALERS)


def request(**options: Any) -> DrawRequest:
    return DrawRequest(prompt="a cat", **options)


@pytest.mark.parametrize(
    ("typed", "scale"), [(True, 2.0), (False, None), (None, None), (1.5, 1.5), (4, 4.0)]
)
def test_the_scale(typed: Any, scale: float | None) -> None:
    assert request(hires=typed).hires == scale


@pytest.mark.parametrize(
    ("typed", "shown"), [(1, "1"), (0.5, "0.5"), (4.01, "4.01"), (-2, "-2"), (math.nan, "nan")]
)
def test_a_scale_out_of_range(typed: float, shown: str) -> None:
    with pytest.raises(UsageError) as caught:
        request(hires=typed)
    assert caught.value.message == f"{shown} is not a scale above 1 and up to 4"
    assert with_options(caught.value.hint) == "for example --hires=2"
    assert caught.value.argument == "hires"
    with pytest.raises(UsageError):
        HIRES.parse(str(typed))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hires": "big"}, "'big' is not a scale above 1 and up to 4"),
        ({"hires_steps": 0}, "0 is not a number of hires steps from 1 to 1000"),
        ({"hires_steps": 2.5}, "2.5 is not a number of hires steps from 1 to 1000"),
        ({"hires_strength": 1.5}, "1.5 is not a hires strength from 0 to 1"),
        ({"hires_strength": -0.1}, "-0.1 is not a hires strength from 0 to 1"),
        (
            {"hires_upscaler": "lancos"},
            "'lancos' is not a hires upscaler, the nearest are lanczos",
        ),
        ({"hires_upscaler": "4x-UltraSharp"}, "'4x-UltraSharp' is not a hires upscaler"),
        ({"hires_upscaler": 7}, "7 is not a hires upscaler"),
    ],
)
def test_a_wrong_value(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        request(**{"hires": 2, **options})
    assert caught.value.message == message
    assert caught.value.argument == next(iter(options))
    if "hires_upscaler" in options:
        assert caught.value.hint == f"hires upscalers: {UPSCALERS}"


@pytest.mark.parametrize(
    "options", [{"hires_upscaler": "latent"}, {"hires_steps": 10}, {"hires_strength": 0.3}]
)
def test_an_option_without_a_second_pass(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        request(**options)
    (name,) = options
    assert caught.value.message == f"{name} needs a second pass"
    assert with_options(caught.value.hint) == "draw one with --hires=2"
    assert caught.value.argument == name


@pytest.mark.parametrize(
    "reference",
    ["4x-UltraSharp.pth", "models/4x", "hf.co/acme/esrgan:4x", Path("models") / "4x.safetensors"],
)
def test_an_upscaling_model_is_named_by_its_reference(reference: Any) -> None:
    assert request(hires=2, hires_upscaler=reference).hires_upscaler == str(reference)


def test_upscalers_have_the_names_of_web_uis() -> None:
    assert tuple(HIRES_UPSCALER_TITLES) == HIRES_UPSCALERS
    for name, title in HIRES_UPSCALER_TITLES.items():
        for spelling in (name, name.upper(), title, f" {title.lower()}"):
            assert request(hires=2, hires_upscaler=spelling).hires_upscaler == name
