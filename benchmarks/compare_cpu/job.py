"""What one contestant is to do in its process, and what it answers."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

PROMPT = "a cat"
SEED = 1


@dataclass(frozen=True)
class Job:
    """One drawing, or one measurement of the machine.

    Attributes:
        contestant: A name of :data:`compare_cpu.contestants.RUNNERS`.
        kind: Type of its weights or of its computing: ``f16``, ``q8_0``, ``bf16``, ...
        model: ``sd15``, ``klein`` or ``demo``.
        side: Of the square picture, in pixels.
        steps: Sampling steps; the first one warms up.
        cfg_scale: Classifier-free guidance; 1 for none.
        threads: CPU threads.
        weights: Folder of the weights.
        sd_cli: The engine's own command.
    """

    contestant: str
    kind: str
    model: str
    side: int
    steps: int
    cfg_scale: float
    threads: int
    weights: str
    sd_cli: str

    @property
    def title(self) -> str:
        """The contestant as tables call it."""
        return f"{self.contestant} {self.kind}".strip()

    def to_json(self) -> str:
        """Give it as a command-line argument."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Job:
        """Read it back."""
        return cls(**json.loads(text))


@dataclass
class Timing:
    """What a contestant measured of itself.

    Attributes:
        load: Seconds from the files to a model that is ready; Python's start is not in it.
        steps: Seconds of each sampling step.
        decode: Seconds from the latent numbers to the picture; None where it has no decoder.
        note: What a reader should know: the device, the precision really used.
    """

    load: float
    steps: list[float]
    decode: float | None
    note: str = ""


@dataclass
class Outcome:
    """How a job ended.

    Attributes:
        job: The job.
        timing: None where it gave none.
        peak_bytes: Most memory of the process and of those it started, one by one.
        missing: What is not installed, where that is why.
        error: The last line of what went wrong, where something did.
        answer: What jobs that draw nothing tell.
    """

    job: Job
    timing: Timing | None = None
    peak_bytes: int = 0
    missing: str = ""
    error: str = ""
    answer: dict[str, Any] = field(default_factory=dict)


def outcome_from(values: dict[str, Any]) -> Outcome:
    """Read an outcome as it stands in the command's output, where it is a plain dictionary."""
    timing = values["timing"]
    return Outcome(**{**values, "job": Job(**values["job"]), "timing": timing and Timing(**timing)})


class MissingError(Exception):
    """A contestant is not installed."""
