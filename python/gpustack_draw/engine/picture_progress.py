"""The progress of one picture, from the engine's records."""

from collections.abc import Callable
from dataclasses import replace

from gpustack_draw.engine.results import EngineProgress
from gpustack_draw.progress.callbacks import ProgressFunction
from gpustack_draw.progress.progress import Progress


class PictureProgress:
    """Converts EngineProgress to Progress and records the seconds of each phase.

    The sampling steps of two passes are counted together.

    Attributes:
        seconds: Seconds by phase, of both passes.
    """

    def __init__(
        self,
        on_progress: ProgressFunction | None,
        first: Progress,
        check_open: Callable[[], None],
        *,
        second_steps: int = 0,
    ) -> None:
        """Start without any phase.

        Args:
            on_progress: Called with the progress; ``None`` for none.
            first: The values that do not change.
            check_open: Called with each progress; raises if the drawing may not go on.
            second_steps: Sampling steps of the second pass; 0 for a single pass.
        """
        self.seconds: dict[str, float] = {}
        self._check_open = check_open
        self._on_progress = on_progress
        self._first = first  # with what does not change
        self._first_tensors: tuple[int, float] | None = None
        self._second_steps = second_steps  # still to come
        self._sample_total = 0  # steps of the pass that samples
        self._first_step_seconds = 0.0
        self._first_steps = 0  # steps of the first pass, once it is over
        self._earlier: dict[str, float] = {}  # seconds of the first pass, likewise

    @property
    def steady_seconds(self) -> dict[str, float]:
        """Seconds by phase, as if the first sampling step had taken as long as the later ones.

        After the model was loaded, its first step also allocates memory and starts threads. Those
        of two passes are as measured.
        """
        if self._first_steps:
            return self.seconds
        steps, seconds = self._sample_total, self.seconds.get("sample", 0.0)
        if steps < 2 or not 0 < self._first_step_seconds < seconds:
            return self.seconds
        later = (seconds - self._first_step_seconds) / (steps - 1)
        return {**self.seconds, "sample": later * steps}

    def begin_second_pass(self) -> None:
        """Count the following phases as those of the second pass."""
        self._earlier = dict(self.seconds)
        self._first_steps, self._second_steps = self._sample_total, 0
        self._first = replace(self._first, mode="hires")

    def __call__(self, progress: EngineProgress) -> None:
        """Report the progress of the engine."""
        phase, step, seconds = progress.phase, progress.step, progress.seconds
        if phase == "sample":
            if step == 0 and self._sample_total and self._second_steps:
                self.begin_second_pass()  # the engine draws both
            self._sample_total = progress.total
            if step == 1:
                self._first_step_seconds = seconds
        self.seconds[phase] = self._earlier.get(phase, 0.0) + seconds
        if self._on_progress is not None:
            self._on_progress(self._converted(progress))
        self._check_open()

    def _converted(self, progress: EngineProgress) -> Progress:
        phase, step, seconds = progress.phase, progress.step, progress.seconds
        if phase == "load" and step and self._first_tensors is None:
            # The start of the engine is over, and some tensors may already be loaded.
            self._first_tensors = (step, seconds)
        basis = self._first_tensors if phase == "load" and self._first_tensors else (0, 0.0)
        resumed, started = basis
        total = progress.total
        if phase == "sample":
            resumed = self._first_steps
            step, total = step + resumed, total + resumed + self._second_steps
        return replace(
            self._first,
            phase=phase,
            step=step,
            total=total,
            seconds=seconds,
            resumed=resumed,
            started=started,
            preview=progress.preview,
        )
