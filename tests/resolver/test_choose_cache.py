"""The step cache of a drawing: which one is fast, and which ones do not fit."""

from typing import Any

import pytest
from resolved_models import model

from gpustack_draw.errors import UsageError
from gpustack_draw.request.draw_request import DrawRequest
from gpustack_draw.resolver.choose_cache import choose_cache
from gpustack_draw.resolver.choose_settings import choose_settings
from gpustack_draw.resolver.families import FAMILIES
from gpustack_draw.resolver.plan_drawing import plan_drawing


def choose(family: str = "flux1", strength: float | None = None, **options: Any) -> Any:
    found = model(family)
    (settings,), _notes = choose_settings(DrawRequest(prompt="a cat", **options), found)
    object.__setattr__(settings, "strength", strength)
    return choose_cache(settings, found.family)


@pytest.mark.parametrize("family", ["sd1", "flux1"])
@pytest.mark.parametrize(("cache", "chosen"), [(None, None), ("fast", "spectrum")])
def test_fast_is_spectrum(family: str, cache: str | None, chosen: str | None) -> None:
    assert choose(family, cache=cache, sample_steps=12) == (chosen, ())


@pytest.mark.parametrize(
    ("options", "steps"),
    [
        ({"sample_steps": 11}, "11 steps"),
        ({"sample_steps": 1}, "1 step"),
        ({"sigmas": (1, 0.5, 0)}, "2 steps"),
        # A drawing that starts from a picture runs the last steps only.
        ({"sample_steps": 20, "strength": 0.5}, "10 steps"),
        ({"sigmas": [1 - step / 20 for step in range(21)], "strength": 0.5}, "10 steps"),
    ],
)
def test_fast_is_off_in_few_steps(options: dict[str, Any], steps: str) -> None:
    note = f"cache='fast' is off: it needs 12 steps, and the drawing has {steps}"
    assert choose(cache="fast", **options) == (None, (note,))


@pytest.mark.parametrize("sampler", ["heun", "dpm2", "dpm++2s_a", "res_2s"])
def test_fast_is_off_where_a_step_has_two_evaluations(sampler: str) -> None:
    note = f"cache='fast' is off: sampler='{sampler}' evaluates the model twice per step"
    assert choose(cache="fast", sample_steps=20, sampler=sampler) == (None, (note,))


@pytest.mark.parametrize(
    ("family", "cache"),
    [
        *(("sd1", "ucache:threshold=0.5"), ("sdxl", "spectrum"), ("sd3", "easycache")),
        *(("wan", "dbcache:threshold=0.1"), ("flux1", "spectrum")),
    ],
)
def test_a_chosen_cache_is_used_in_any_steps(family: str, cache: str) -> None:
    assert choose(family, cache=cache, sample_steps=4, sampler="heun") == (cache, ())


@pytest.mark.parametrize(
    ("family", "cache", "message"),
    [
        (
            "sd1",
            "easycache",
            "cache 'easycache' is for diffusion transformers, and Stable Diffusion 1 is a UNet",
        ),
        (
            "sdxl",
            "dbcache:threshold=0.1",
            "cache 'dbcache' is for diffusion transformers, and Stable Diffusion XL is a UNet",
        ),
        ("flux1", "ucache", "cache 'ucache' is for UNets, and FLUX.1 is no UNet"),
    ],
)
def test_a_cache_of_the_other_kind_of_network(family: str, cache: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        choose(family, cache=cache)
    error = caught.value
    assert (error.message, error.hint, error.argument) == (
        message,
        "type cache='spectrum'",
        "cache",
    )


@pytest.mark.parametrize("cache", ["easycache", "dbcache"])
def test_skip_layer_guidance_needs_spectrum(cache: str) -> None:
    """They store the drawing without the layers in place of the drawing."""
    layers = {"skip_layers": (1,), "sample_steps": 20, "skip_layer_end": 1}
    with pytest.raises(UsageError) as caught:
        choose(cache=cache, **layers)
    error = caught.value
    assert (error.message, error.hint, error.argument) == (
        f"cache '{cache}' mixes the drawing up with the one of skip-layer guidance",
        "type cache='spectrum', or leave skip_layers out",
        "cache",
    )
    assert choose(cache="fast", **layers) == ("spectrum", ())


def test_every_family_takes_a_cache() -> None:
    assert all("cache" in family.options for family in FAMILIES.values())


def test_a_plan_has_the_chosen_cache_of_each_picture() -> None:
    request = DrawRequest(prompt="a cat", cache="fast", sample_steps=20, count=2, hires=2)
    drawing = plan_drawing(request, model("flux1"))
    assert [each.cache for each in drawing.settings] == ["spectrum", "spectrum"]
