"""The numbers that decide how a picture is sampled, and their names in records and keywords."""

from dataclasses import fields

import pytest

from gpustack_draw.request.draw_request import DrawRequest
from gpustack_draw.request.options import CFG_SCALE, SAMPLING_OPTIONS
from gpustack_draw.request.sampling import SamplingKeywords, SamplingOptions, effective_numbers
from gpustack_draw.resolver.families import FAMILIES

NAMES = [option.name for option in SAMPLING_OPTIONS]


def test_each_option_is_a_field_and_a_keyword() -> None:
    assert [field.name for field in fields(SamplingOptions)] == NAMES
    assert list(SamplingKeywords.__annotations__) == NAMES


def test_each_option_has_an_effect_on_some_family() -> None:
    assert {name for family in FAMILIES.values() for name in family.options} == set(NAMES)


def test_an_option_without_effect_gets_a_note() -> None:
    request = DrawRequest(prompt="a cat", sample_steps=3, guidance=2)
    assert effective_numbers(request, "this model", ["sample_steps", "cfg_scale"]) == (
        {"sample_steps": 3},
        ("guidance has no effect: this model does not take it",),
    )


def test_an_option_of_other_samplers_gets_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CFG_SCALE, "samplers", ("lcm", "tcd"))
    request = DrawRequest(prompt="a cat", cfg_scale=3)
    note = "cfg_scale has no effect: sampler='euler' does not take it"
    assert effective_numbers(request, "this model", ["cfg_scale"], "euler") == ({}, (note,))
    for sampler in ("lcm", None):
        assert effective_numbers(request, "m", ["cfg_scale"], sampler) == ({"cfg_scale": 3.0}, ())


def test_an_option_that_a_scheduler_ignores_gets_a_note() -> None:
    request = DrawRequest(prompt="a cat", flow_shift=3)
    note = "flow_shift has no effect: scheduler='gits' does not take it"
    assert effective_numbers(request, "m", ["flow_shift"], "euler", "gits") == ({}, (note,))
    for scheduler in ("simple", None):
        chosen = effective_numbers(request, "m", ["flow_shift"], "euler", scheduler)
        assert chosen == ({"flow_shift": 3.0}, ())


def test_noise_levels_leave_nothing_to_shift() -> None:
    request = DrawRequest(prompt="a cat", flow_shift=3, sigmas=(1, 0))
    assert effective_numbers(request, "m", ["flow_shift", "sigmas"], "euler") == (
        {"sigmas": (1.0, 0.0)},
        ("flow_shift has no effect: sigmas sets the noise levels",),
    )


def test_an_option_that_needs_another_gets_a_note() -> None:
    request = DrawRequest(prompt="a cat", slg_scale=3)
    note = "slg_scale has no effect: it needs skip_layers"
    assert effective_numbers(request, "m", ["slg_scale", "skip_layers"]) == ({}, (note,))
