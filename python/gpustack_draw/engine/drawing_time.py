"""The time of drawings on a device: estimated for plans, recorded after drawings."""

from collections.abc import Callable

from gpustack_draw.engine.cpu_count import usable_cores
from gpustack_draw.engine.passes import Pass
from gpustack_draw.engine.picture_progress import PictureProgress
from gpustack_draw.engine.results import FAST_CPU, Device
from gpustack_draw.resolver.resolved_model import ResolvedModel
from gpustack_draw.speed.drawing_work import PhaseWork, drawing_work
from gpustack_draw.speed.estimate import PictureTime, estimate_time, record_time
from gpustack_draw.speed.measurements import MOST_TEXT, Computer


class DrawingTime:
    """The time of drawings with a model."""

    def __init__(self, model: ResolvedModel, threads: int | None) -> None:
        """Create it.

        Args:
            model: The model.
            threads: CPU threads; ``None`` for one per core.
        """
        self._model = model
        self._threads = threads

    def record(
        self, first: Pass, device: Device, progress: PictureProgress, vae_tile: int | None
    ) -> None:
        """Keep the seconds of a drawing for later estimates.

        Args:
            first: Its first pass.
            device: The device that drew it.
            progress: Its progress, which is over.
            vae_tile: Side of the tiles of the VAE in pixels; ``None`` for whole pictures.
        """
        # A cache skips later steps, so that the first one differs.
        seconds = progress.seconds if first.settings.cache else progress.steady_seconds
        record_time(self._work_of(first, vae_tile), self._computer(device), seconds)

    def estimate(
        self,
        first: Pass,
        device: Device,
        measure_speed: Callable[[str, int], float],
        vae_tile: int | None,
    ) -> PictureTime | None:
        """Return the estimated time of a drawing; ``None`` if the device does not compute.

        Args:
            first: Its first pass.
            device: The device that would draw it.
            measure_speed: Measures the operations per second of a device with a number of threads.
            vae_tile: Side of the tiles of the VAE in pixels; ``None`` for whole pictures.
        """
        computer = self._computer(device)
        threads = computer.threads or 1
        work = self._work_of(first, vae_tile)
        return estimate_time(work, computer, lambda: measure_speed(device.name, threads))

    def _computer(self, device: Device) -> Computer:
        name = f"{device.name}: {device.description}"[:MOST_TEXT]
        return Computer(
            device=name,
            threads=self._threads or usable_cores(),
            is_fast_cpu=device.name == FAST_CPU,
        )

    def _work_of(self, first: Pass, vae_tile: int | None) -> tuple[PhaseWork, ...]:
        pictures = None if first.pictures is None else first.pictures.engine
        return drawing_work(self._model, first.settings, pictures, vae_tile=vae_tile)
