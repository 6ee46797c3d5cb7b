"""Counts of the studio since its start."""

import time
from collections import Counter

from gpustack_draw import Picture
from gpustack_draw.serve.studio.jobs import Job

_SHARE_OF_LAST = 0.2  # of the last drawing in the mean duration


class Counts:
    """Counts requests, pictures and seconds.

    Attributes:
        outcomes: Requests that have ended, by outcome.
        pictures: Drawn pictures.
        phase_seconds: Their seconds by phase.
        engine_restarts: Crashes of an engine.
        mean_seconds: Mean duration of the last drawings; 0 before the first.
    """

    def __init__(self) -> None:
        """Start with zero."""
        self.outcomes: Counter[str] = Counter()
        self.pictures = 0
        self.phase_seconds: dict[str, float] = {}
        self.engine_restarts = 0
        self.mean_seconds = 0.0

    def add_picture(self, picture: Picture) -> None:
        """Count a picture that was drawn."""
        self.pictures += 1
        for phase, seconds in picture.seconds.items():
            self.phase_seconds[phase] = self.phase_seconds.get(phase, 0.0) + seconds

    def add_job(self, job: Job, outcome: str) -> None:
        """Count a job that has ended."""
        self.outcomes[outcome] += 1
        if outcome == "drawn":
            seconds = time.monotonic() - job.begun
            mean = self.mean_seconds or seconds
            self.mean_seconds = mean + _SHARE_OF_LAST * (seconds - mean)
