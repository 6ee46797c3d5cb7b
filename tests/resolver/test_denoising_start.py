"""The steps of image-to-image: as many as in diffusers, and finer for models of few steps."""

import math

import pytest

from gpustack_draw.resolver.denoising_start import (
    DenoisingStart,
    denoising_start,
    start_of_run,
)

STRENGTHS = [number / 200 for number in range(201)]


def steps_that_the_engine_runs(start: DenoisingStart) -> int:
    """Return the number of steps, as the engine's source computes it."""
    if start.engine_strength >= 1:
        return start.schedule_steps
    last = int(start.schedule_steps * start.engine_strength)
    return min(last, start.schedule_steps - 1) + 1


def shifted(time: float, shift: float) -> float:
    """Return the noise level of FLUX.2 at a time, 1 for pure noise."""
    return math.exp(shift) / (math.exp(shift) + 1 / time - 1)


def diffusers_levels(steps: int, strength: float, shift: float) -> list[float]:
    """Return the noise levels of diffusers: linspace(1, 1/steps), from the step of the strength."""
    levels = [shifted(1 - index / steps, shift) for index in range(steps)]
    return [*levels[steps - min(int(steps * strength), steps) :], 0.0]


def engine_levels(start: DenoisingStart, scheduler: str, shift: float) -> list[float]:
    """Return the noise levels of the engine's schedulers ``simple`` and ``discrete``."""
    steps = start.schedule_steps
    if scheduler == "simple":
        times = [1 - int(index * 1000 / steps) / 1000 for index in range(steps)]
    else:
        times = [(999 - 999 / (steps - 1) * index + 1) / 1000 for index in range(steps)]
    levels = [*(shifted(time, shift) for time in times), 0.0]
    return levels[len(levels) - 1 - steps_that_the_engine_runs(start) :]


@pytest.mark.parametrize("scheduler", ["discrete", "simple"])
@pytest.mark.parametrize("steps", [1, 2, 3, 4, 8, 20, 100])
def test_the_engine_runs_the_intended_steps(steps: int, scheduler: str) -> None:
    for strength in STRENGTHS:
        start = denoising_start(strength, steps, scheduler)
        assert steps_that_the_engine_runs(start) == start.run_steps
        assert 1 <= start.run_steps <= max(steps, 4)
        assert start.schedule_steps >= steps


@pytest.mark.parametrize("scheduler", ["discrete", "simple"])
@pytest.mark.parametrize("steps", [1, 4, 8, 20, 50])
def test_more_strength_never_starts_with_less_noise(steps: int, scheduler: str) -> None:
    def time(strength: float) -> float:
        start = denoising_start(strength, steps, scheduler)
        free = 0 if scheduler == "simple" else 1
        return (start.run_steps - free) / max(start.schedule_steps - free, 1)

    times = [time(strength) for strength in STRENGTHS[:-1]]
    assert times == sorted(times)


@pytest.mark.parametrize("strength", [0.2, 0.3, 0.5, 0.6, 0.75, 0.9, 1.0])
# The engine rounds times to thousandths.
@pytest.mark.parametrize("steps", [20, 25, 50])
def test_the_noise_levels_are_those_of_diffusers(steps: int, strength: float) -> None:
    levels = engine_levels(denoising_start(strength, steps, "simple"), "simple", 1.8)
    assert levels == pytest.approx(diffusers_levels(steps, strength, 1.8), abs=1e-9)


def test_exact_levels_of_a_model_of_four_steps() -> None:
    # Of its own levels 1, 0.935, 0.782 and 0.007 none is between the last two. The shift depends on
    # the number of steps, too; here it is that of FLUX.2 at 256x256 pixels and four steps.
    shift = 1.965

    def levels(strength: float) -> list[float]:
        exact = engine_levels(denoising_start(strength, 4, "discrete"), "discrete", shift)
        return [round(level, 3) for level in exact]

    assert levels(1.0) == [1.0, 0.935, 0.782, 0.007, 0.0]
    assert levels(0.75) == [0.955, 0.877, 0.705, 0.007, 0.0]
    assert levels(0.5) == [0.877, 0.782, 0.589, 0.007, 0.0]
    assert levels(0.25) == [0.705, 0.589, 0.396, 0.007, 0.0]
    assert levels(0.1) == [0.445, 0.341, 0.202, 0.007, 0.0]
    assert levels(0.0) == [0.007, 0.0]
    for strength in (0.25, 0.5, 0.75, 1.0):
        first = diffusers_levels(4, strength, shift)[0]
        assert levels(strength)[0] == pytest.approx(first, abs=2e-3)


@pytest.mark.parametrize(
    ("strength", "steps", "scheduler", "expected"),
    [
        (1.0, 8, "discrete", (8, 8)),
        (0.9, 8, "discrete", (8, 7)),
        (0.5, 8, "discrete", (8, 4)),
        (0.25, 8, "discrete", (13, 4)),
        (0.75, 20, "karras", (20, 15)),
        (0.9, 4, "discrete", (5, 4)),
        (0.5, 4, "discrete", (7, 4)),
        (0.5, 4, "simple", (8, 4)),
        (0.5, 1, "discrete", (7, 4)),
        (0.02, 4, "discrete", (50, 2)),
        (0.02, 4, "simple", (50, 1)),
        (0.001, 4, "discrete", (50, 1)),
        (0.02, 100, "discrete", (100, 3)),
        (0.0, 4, "simple", (1000, 1)),
    ],
)
def test_steps(strength: float, steps: int, scheduler: str, expected: tuple[int, int]) -> None:
    start = denoising_start(strength, steps, scheduler)
    assert (start.schedule_steps, start.run_steps) == expected


@pytest.mark.parametrize("scheduler", ["discrete", "simple"])
@pytest.mark.parametrize("run_steps", [2, 4, 10, 40])
def test_a_chosen_number_of_steps_starts_at_the_strength(run_steps: int, scheduler: str) -> None:
    for strength in STRENGTHS[1:-1]:
        start = start_of_run(run_steps, strength, scheduler)
        assert start.run_steps == steps_that_the_engine_runs(start) == run_steps
        free = 0 if scheduler == "simple" else 1
        time = (run_steps - free) / (start.schedule_steps - free)
        # Half a step; a step fewer than the whole schedule is the most.
        most = (run_steps - free) / (run_steps + 1 - free)
        assert time == pytest.approx(min(strength, most), rel=0.6 / (start.schedule_steps - free))
    assert start_of_run(run_steps, 1, scheduler) == DenoisingStart(run_steps, run_steps)
    assert start_of_run(run_steps, 0, scheduler) == DenoisingStart(1000, 1)
