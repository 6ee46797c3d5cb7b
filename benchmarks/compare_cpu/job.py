"""The job of a contestant's process, and its result."""

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
        kind: Type of its weights or of its arithmetic: ``f16``, ``q8_0``, ``bf16``, ...
        model: ``sd15``, ``klein`` or ``demo``.
        side: Side of the square picture, in pixels.
        steps: Sampling steps; the first is a warm-up.
        cfg_scale: Classifier-free guidance; 1 turns it off.
        threads: CPU threads.
        weights: Folder of the weights.
        sd_cli: Path of the engine's command.
        references: Number of reference pictures of the same size, which klein takes.
        lora_rank: Rank of the LoRA of the contestants that compare steps without and with one.
        output: File of the picture, for peers that draw a whole one: they encode the prompt, too.
        feature: What the contestants draw with that compare drawings without and with something.
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
    references: int = 0
    lora_rank: int = 0
    output: str = ""
    feature: str = ""

    @property
    def title(self) -> str:
        """Title of the contestant in tables."""
        return f"{self.contestant} {self.kind}".strip()

    def to_json(self) -> str:
        """Return the job as a command-line argument."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Job:
        """Parse the result of :meth:`to_json`."""
        return cls(**json.loads(text))


@dataclass
class Timing:
    """The measurements of a contestant.

    Attributes:
        load: Seconds from the files to a model that is ready, without Python's start.
        steps: Seconds of each sampling step.
        decode: Seconds from the latent to the picture; None without a decoder.
        note: The device or program version that was used.
    """

    load: float
    steps: list[float]
    decode: float | None
    note: str = ""


@dataclass
class Outcome:
    """The result of a job.

    Attributes:
        job: The job.
        timing: The measurements; None if there are none.
        peak_bytes: Peak memory of the process or of its largest child.
        missing: The program that is not installed, if that is the reason.
        error: The last line of the error, if there was one.
        answer: Results of jobs that draw nothing.
    """

    job: Job
    timing: Timing | None = None
    peak_bytes: int = 0
    missing: str = ""
    error: str = ""
    answer: dict[str, Any] = field(default_factory=dict)


def outcome_from(values: dict[str, Any]) -> Outcome:
    """Return an outcome from its dictionary in the command's output file."""
    timing = values["timing"]
    return Outcome(**{**values, "job": Job(**values["job"]), "timing": timing and Timing(**timing)})


class MissingError(Exception):
    """Raised if a contestant is not installed."""
