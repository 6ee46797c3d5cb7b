"""The progress of one picture, from the engine's records."""

from collections.abc import Callable
from dataclasses import replace

from gpustack_draw.engine.results import EngineProgress
from gpustack_draw.progress.callbacks import ProgressFunction
from gpustack_draw.progress.progress import Progress


class PictureProgress:
    """Converts EngineProgress to Progress and records the seconds of each phase.

    Attributes:
        seconds: Seconds by phase.
    """

    def __init__(
        self,
        on_progress: ProgressFunction | None,
        first: Progress,
        check_open: Callable[[], None],
    ) -> None:
        """Start without any phase.

        Args:
            on_progress: Called with the progress; ``None`` for none.
            first: The values that do not change.
            check_open: Called after each call of ``on_progress``; raises if the engine was closed.
        """
        self.seconds: dict[str, float] = {}
        self._check_open = check_open
        self._on_progress = on_progress
        self._first = first  # with what does not change
        self._first_tensors: tuple[int, float] | None = None

    def __call__(self, progress: EngineProgress) -> None:
        """Report the progress of the engine."""
        phase, step, seconds = progress.phase, progress.step, progress.seconds
        self.seconds[phase] = seconds
        if self._on_progress is None:
            return
        if phase == "load" and step and self._first_tensors is None:
            # The start of the engine is over, and some tensors may already be loaded.
            self._first_tensors = (step, seconds)
        basis = self._first_tensors if phase == "load" and self._first_tensors else (0, 0.0)
        resumed, started = basis
        self._on_progress(
            replace(
                self._first,
                phase=phase,
                step=step,
                total=progress.total,
                seconds=seconds,
                resumed=resumed,
                started=started,
                preview=progress.preview,
            )
        )
        self._check_open()
