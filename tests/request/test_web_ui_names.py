"""Names of samplers and schedulers: the same everywhere, in the spellings of other programs."""

from pathlib import Path

import pytest
from stand_in_model import StandIn, install_stand_in

import gpustack_draw
from gpustack_draw.cli.main import main
from gpustack_draw.errors import UsageError
from gpustack_draw.request.draw_request import DrawRequest
from gpustack_draw.request.names import SAMPLERS, SCHEDULERS
from gpustack_draw.request.web_ui_names import (
    SAMPLER_TITLES,
    SCHEDULER_TITLES,
    Sampling,
    sampling_named,
)


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> StandIn:
    return install_stand_in(monkeypatch, tmp_path)


def test_every_name_and_title_comes_back() -> None:
    for name in SAMPLERS:
        for title in (name, SAMPLER_TITLES[name]):
            assert sampling_named(title) == Sampling(name, "")
            assert sampling_named(title.upper()) == Sampling(name, "")
    for name in SCHEDULERS:
        for title in (name, SCHEDULER_TITLES[name]):
            assert sampling_named("euler", title) == Sampling("euler", name)
            assert sampling_named(f"Euler {title}") == Sampling("euler", name)
            assert sampling_named(f"dpmpp_2m_{title.lower()}") == Sampling("dpm++2m", name)


# The sampler, the schedule, and the engine's names; a name that the engine lacks stays.
NAMED = [
    ("Euler a", "", "euler_a", ""),
    ("Euler A", "Automatic", "euler_a", ""),
    ("DPM++ 2M", "Automatic", "dpm++2m", "karras"),
    ("DPM++ 2M", "Karras", "dpm++2m", "karras"),
    ("DPM++ 2M", "Align Your Steps", "dpm++2m", "ays"),
    ("DPM++ 2M", "Align Your Steps 11", "dpm++2m", "ays"),
    ("DPM++ 2M", "Align Your Steps 32", "dpm++2m", "ays"),
    ("DPM++ 2M", "Align Your Steps GITS", "dpm++2m", "gits"),
    ("DPM++ 2M", "Uniform", "dpm++2m", "discrete"),
    ("DPM++ 2M", "Normal", "dpm++2m", "discrete"),
    ("DPM++ 2M Karras", "", "dpm++2m", "karras"),
    ("DPM++ 2M Karras", "Simple", "dpm++2m", "simple"),
    ("DPM++ 2S a Karras", "", "dpm++2s_a", "karras"),
    ("DPM2 Karras", "", "dpm2", "karras"),
    ("Euler Exponential", "", "euler", "exponential"),
    ("LCM", "SGM Uniform", "lcm", "sgm_uniform"),
    ("dpmpp_2m_karras", "", "dpm++2m", "karras"),
    ("euler_ancestral", "sgm_uniform", "euler_a", "sgm_uniform"),
    ("euler_a discrete", "", "euler_a", "discrete"),
    ("euler_normal", "", "euler", "discrete"),
    ("DPM++ 2M SGM Uniform", "", "dpm++2m", "sgm_uniform"),
    ("k_euler", "", "euler", ""),
    ("k_euler_ancestral", "", "euler_a", ""),
    ("k_dpmpp_2m", "native", "dpm++2m", ""),
    ("k_dpm_2", "", "dpm2", ""),
    ("kdpm_2", "", "dpm2", ""),
    ("dpmpp_2m_k", "", "dpm++2m", "karras"),
    ("dpmpp_sde_k", "", "dpmpp_sde", "karras"),
    ("", "", "", ""),
    ("Undefined", "Undefined", "", ""),
    ("Default", "None", "", ""),
    ("Automatic", "Automatic", "", ""),
    ("DPM adaptive", "", "DPM adaptive", ""),
    ("DPM++ SDE Karras", "", "DPM++ SDE", "karras"),
    ("DPM++ 2M SDE Karras", "", "DPM++ 2M SDE", "karras"),
    ("DPM++ 2M", "Polyexponential", "dpm++2m", "Polyexponential"),
    ("Euler Beta", "", "euler", "Beta"),
    ("k_lms", "", "k_lms", ""),
    ("Karras", "", "Karras", ""),
    ("euler", "k", "euler", "k"),
]


@pytest.mark.parametrize(("sampler", "schedule", "engine_sampler", "engine_scheduler"), NAMED)
def test_names_of_other_programs(
    sampler: str, schedule: str, engine_sampler: str, engine_scheduler: str
) -> None:
    assert sampling_named(sampler, schedule) == Sampling(engine_sampler, engine_scheduler)


@pytest.mark.parametrize("title", ["a " * 500_000, "_" * 1_000_000, "a" * 999_999 + " karras"])
def test_a_long_name_takes_no_longer_than_reading_it(title: str) -> None:
    """Would take minutes, were the time to grow with the square of the length."""
    assert sampling_named(title).sampler.strip("_") in title


REQUESTED = [
    ("DPM++ 2M", None, "dpm++2m", None),
    ("Euler a", "Karras", "euler_a", "karras"),
    ("dpmpp_2m", "Normal", "dpm++2m", "discrete"),
    ("DPM++ 2M Karras", None, "dpm++2m", "karras"),
    ("DPM++ 2M Karras", "karras", "dpm++2m", "karras"),
    ("DPM++ 2M", "Automatic", "dpm++2m", "karras"),
    ("euler", "Automatic", "euler", None),
    ("Default", None, None, None),
]


@pytest.mark.parametrize(("sampler", "scheduler", "engine_sampler", "engine_scheduler"), REQUESTED)
def test_the_command_and_the_library_take_the_same_names(
    stand_in: StandIn,
    sampler: str,
    scheduler: str | None,
    engine_sampler: str | None,
    engine_scheduler: str | None,
) -> None:
    request = DrawRequest(prompt="a cat", sampler=sampler, scheduler=scheduler)
    assert (request.sampler, request.scheduler) == (engine_sampler, engine_scheduler)
    schedule = [] if scheduler is None else ["--scheduler", scheduler]
    assert main(["demo", "a cat", "--sampler", sampler, *schedule]) == 0
    assert stand_in.requests == [request]


@pytest.mark.parametrize(
    ("sampler", "scheduler", "message", "hint"),
    [
        (
            "DPM++ SDE",
            None,
            "'DPM++ SDE' is not a sampler, the nearest are dpm++2s_a, dpm++2m",
            "samplers: ",
        ),
        ("DPM++ SDE Karras", None, "'DPM++ SDE Karras' is not a sampler", "samplers: "),
        (
            "Euler Beta",
            None,
            "'Euler Beta' is not a sampler, the nearest are euler_a, euler",
            "samplers: ",
        ),
        ("euler", "Beta", "'Beta' is not a scheduler", "schedulers: "),
        ("Karras", None, "'Karras' is not a sampler", "samplers: "),
        ("", None, "'' is not a sampler", "samplers: "),
        ("euler", "", "'' is not a scheduler", "schedulers: "),
        (
            "LCM Karras",
            "simple",
            "sampler 'LCM Karras' implies the scheduler 'karras', but the scheduler is 'simple'",
            "type sampler='lcm' scheduler='simple'",
        ),
        (
            "euler",
            "Karas",
            "'Karas' is not a scheduler, the nearest are karras",
            "schedulers: ",
        ),
    ],
)
def test_names_that_are_refused(
    stand_in: StandIn,
    capsys: pytest.CaptureFixture[str],
    sampler: str,
    scheduler: str | None,
    message: str,
    hint: str,
) -> None:
    with pytest.raises(UsageError) as caught:
        DrawRequest(prompt="a cat", sampler=sampler, scheduler=scheduler)
    assert caught.value.message == message
    names = {"samplers: ": ", ".join(SAMPLERS), "schedulers: ": ", ".join(SCHEDULERS)}
    assert caught.value.hint == hint + names.get(hint, "")
    schedule = [] if scheduler is None else ["--scheduler", scheduler]
    assert main(["demo", "a cat", "--sampler", sampler, *schedule]) == 2
    assert capsys.readouterr().err.startswith(f"gpustack-draw: {message}\n")


@pytest.mark.engine
def test_the_engines_names_are_reported() -> None:
    image = gpustack_draw.generate(
        "demo", "a red circle", sampler="DPM++ 2M Karras", sample_steps=2, size="64x64", threads=1
    )
    assert "Sampler: DPM++ 2M, Schedule type: Karras" in image.info["parameters"]
