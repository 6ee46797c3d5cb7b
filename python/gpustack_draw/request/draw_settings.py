"""The settings of one picture: a request with every open value filled in."""

from dataclasses import dataclass, fields

from gpustack_draw.request.sampling import SamplingOptions

# Seeds drawn at random stay below this: short enough to read out and to type again.
RANDOM_SEED_END = 2**32
# The command's documented size, whatever the model was trained for.
DEFAULT_SIZE = (512, 512)
DEFAULT_SAMPLER = "euler"


@dataclass(frozen=True, kw_only=True)
class PlannedSettings(SamplingOptions):
    """Settings of a drawing: the values of the request, and defaults for the others.

    ``None`` stands for a value that the server chooses, and for a number that the model does not
    take. Its other fields are those of :class:`SamplingOptions`.

    Attributes:
        width: Pixels, a multiple of what the model needs.
        height: Pixels, likewise.
        sampler: One of :data:`gpustack_draw.SAMPLERS`.
        scheduler: One of :data:`gpustack_draw.SCHEDULERS`.
    """

    width: int
    height: int
    sampler: str | None
    scheduler: str | None


@dataclass(frozen=True, kw_only=True)
class DrawSettings(PlannedSettings):
    """Every effective value of one picture: those of :class:`PlannedSettings` and the following.

    Attributes:
        prompt: Text to draw.
        negative_prompt: Text to avoid.
        seed: 0 to 2**63 - 1.
    """

    prompt: str
    negative_prompt: str
    seed: int

    def planned(self) -> PlannedSettings:
        """Return the values that do not depend on the prompts and the seed."""
        names = [field.name for field in fields(PlannedSettings)]
        return PlannedSettings(**{name: getattr(self, name) for name in names})
