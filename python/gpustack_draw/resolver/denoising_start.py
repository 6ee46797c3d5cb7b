"""The step that image-to-image starts with, for a strength."""

from dataclasses import dataclass

# Fewer steps cannot tell strengths apart: of four steps, as distilled models draw with, the last
# one starts almost without noise, and the one before it redraws everything.
_FEWEST_STEPS = 4
# Longer schedules than the chosen number of steps are limited to this length. Some schedules have
# equal noise levels at the end if they are longer, by whose ratio samplers divide.
_LONGEST_SCHEDULE = 50
# The noise levels of the engine: the last level of such a schedule is the lowest of all.
_ALL_STEPS = 1000
# The last of their steps starts at 1/steps of the time. The other schedules end with the lowest
# noise level, so that the first of k steps out of n is at (k - 1) / (n - 1) of the time.
_UNIFORM_SCHEDULERS = frozenset({"sgm_uniform", "simple", "smoothstep", "lcm"})

# The scheduler that the engine is given beside chosen noise levels; a second pass has its levels.
SCHEDULER_BESIDE_SIGMAS = "discrete"


@dataclass(frozen=True)
class DenoisingStart:
    """The part of a schedule that is run.

    Attributes:
        schedule_steps: Steps of the whole schedule, which the engine makes.
        run_steps: Steps that are run, the last ones of the schedule.
    """

    schedule_steps: int
    run_steps: int

    @property
    def engine_strength(self) -> float:
        """The strength that lets the engine run these steps.

        For less than 1 it runs ``int(schedule_steps * strength) + 1`` steps, as A1111 does.
        """
        if self.run_steps == self.schedule_steps:
            return 1.0
        return (self.run_steps - 0.5) / self.schedule_steps


def start_of_strength(strength: float, sample_steps: int, scheduler: str | None) -> DenoisingStart:
    """Return the steps to run for a strength.

    Args:
        strength: As for :func:`denoising_start`.
        sample_steps: Steps of a drawing without a picture, 1 or more.
        scheduler: One of :data:`gpustack_draw.SCHEDULERS`; ``None`` beside chosen noise levels.
    """
    if scheduler is None:
        return last_steps(strength, sample_steps)
    return denoising_start(strength, sample_steps, scheduler)


def last_steps(strength: float, sample_steps: int) -> DenoisingStart:
    """Return the steps to run for a strength where the user chose the noise level of each step.

    Args:
        strength: As for :func:`denoising_start`.
        sample_steps: Steps of a drawing without a picture, 1 or more.
    """
    return DenoisingStart(sample_steps, max(1, int(sample_steps * strength)))


def start_of_run(run_steps: int, strength: float, scheduler: str) -> DenoisingStart:
    """Return the start of a chosen number of steps: a schedule so long that they fit the strength.

    Args:
        run_steps: Steps to run, 1 or more; one is run for strength 0.
        strength: As for :func:`denoising_start`.
        scheduler: One of :data:`gpustack_draw.SCHEDULERS`.
    """
    assert 0 <= strength <= 1, strength
    if strength == 1:
        return DenoisingStart(run_steps, run_steps)
    if strength == 0:
        return DenoisingStart(_ALL_STEPS, 1)
    free = _free_steps(scheduler)
    length = round((run_steps - free) / strength) + free
    return DenoisingStart(max(length, run_steps + 1), run_steps)


def denoising_start(strength: float, sample_steps: int, scheduler: str) -> DenoisingStart:
    """Return the steps to run for a strength.

    With enough steps this is the rule of diffusers: the last ``int(sample_steps * strength)``
    steps. (A1111 and the engine run one more.) With fewer than four steps left, a longer schedule
    is made whose last four steps start at that strength, so that distilled models of four steps
    follow the strength as others do. No drawing takes more steps than with strength 1, or four.

    Args:
        strength: 0 for the picture itself, through the autoencoder; 1 for a drawing that the
            picture does not influence, apart from the noise of models that are no flow models.
        sample_steps: Steps of a drawing without a picture, 1 or more.
        scheduler: One of :data:`gpustack_draw.SCHEDULERS`.
    """
    assert 0 <= strength <= 1, strength
    if strength == 1:
        return DenoisingStart(sample_steps, sample_steps)
    if strength == 0:
        return DenoisingStart(_ALL_STEPS, 1)
    run_steps = int(sample_steps * strength)
    if run_steps >= _FEWEST_STEPS:
        return DenoisingStart(sample_steps, run_steps)
    free = _free_steps(scheduler)
    length = round((_FEWEST_STEPS - free) / strength) + free
    longest = max(_LONGEST_SCHEDULE, sample_steps)
    if length <= longest:
        return DenoisingStart(max(length, sample_steps, _FEWEST_STEPS + 1), _FEWEST_STEPS)
    return DenoisingStart(longest, max(1, round((longest - free) * strength) + free))


def _free_steps(scheduler: str) -> int:
    """Return the steps that count for nothing: one if the schedule ends with the lowest level."""
    return 0 if scheduler in _UNIFORM_SCHEDULERS else 1
