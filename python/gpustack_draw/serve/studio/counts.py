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
        load_seconds: Duration of the last loading of a model; 0 before the first.
        decode_seconds: Duration of the last decoding of a picture.
        mean_seconds: Mean duration of the last drawings; 0 before the first.
    """

    def __init__(self) -> None:
        """Start with zero."""
        self.outcomes: Counter[str] = Counter()
        self.pictures = 0
        self.phase_seconds: dict[str, float] = {}
        self.engine_restarts = 0
        self.load_seconds = 0.0
        self.decode_seconds = 0.0
        self.mean_seconds = 0.0
        self._pace = "", 0.0
        self._pace_pixels = 0

    def seconds_per_pixel(self, label: str) -> float:
        """Return the seconds of a drawn picture for a pixel and a step; 0 for another model."""
        return self._pace[1] if self._pace[0] == label else 0.0

    def add_picture(self, picture: Picture, label: str) -> None:
        """Count a picture that the model of a name has drawn."""
        self.pictures += 1
        settings = picture.settings
        pixels = settings.width * settings.height * (settings.sample_steps or 0)
        is_larger = self._pace[0] != label or 2 * pixels >= self._pace_pixels
        if pixels and is_larger:  # small pictures take more time for a pixel
            self._pace = label, picture.seconds.get("sample", 0.0) / pixels
            self._pace_pixels = pixels
        self.decode_seconds = picture.seconds.get("decode", 0.0)
        for phase, seconds in picture.seconds.items():
            self.phase_seconds[phase] = self.phase_seconds.get(phase, 0.0) + seconds

    def add_job(self, job: Job, outcome: str) -> None:
        """Count a job that has ended."""
        self.outcomes[outcome] += 1
        if outcome == "drawn":
            seconds = time.monotonic() - job.begun
            mean = self.mean_seconds or seconds
            self.mean_seconds = mean + _SHARE_OF_LAST * (seconds - mean)
