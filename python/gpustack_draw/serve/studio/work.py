"""The work of the drawing thread."""

import time
from functools import partial
from typing import TYPE_CHECKING

import gpustack_draw
from gpustack_draw import DrawRequest, NotEnlargedError, Picture, Progress
from gpustack_draw.errors import NotEnoughMemoryError, UsageError
from gpustack_draw.serve.log import LOGGER
from gpustack_draw.serve.options import ServeOptions
from gpustack_draw.serve.studio.counts import Counts
from gpustack_draw.serve.studio.events import Drawn, Enlarged, LoadState
from gpustack_draw.serve.studio.jobs import CanceledError, Job, JobQueue, Pause
from gpustack_draw.serve.studio.listeners import Listeners
from gpustack_draw.serve.studio.model_pool import ModelPool
from gpustack_draw.serve.studio.served_models import ServedModel
from gpustack_draw.units import format_bytes_of

if TYPE_CHECKING:
    import PIL.Image


_SECONDS_BETWEEN_LINES = 10.0


class Work:
    """Loads models and draws, in the drawing thread.

    Attributes:
        load_state: Whether the first model is loaded.
        is_stopped: Set by the studio when the server stops.
    """

    def __init__(
        self,
        options: ServeOptions,
        pool: ModelPool,
        counts: Counts,
        listeners: Listeners,
        queue: JobQueue,
    ) -> None:
        """Create the work; nothing is loaded yet.

        Args:
            options: The options of the server.
            pool: Its models.
            counts: Takes what was drawn.
            listeners: Receive each drawn picture.
            queue: The jobs that wait.
        """
        self.load_state = LoadState("loading")
        self.is_stopped = False
        self._options = options
        self._pool = pool
        self._counts = counts
        self._listeners = listeners
        self._queue = queue
        self._logged = 0.0  # time of the last line on a download

    def load_first(self, served: ServedModel) -> None:
        """Download and load the first model, and set the state."""
        try:
            self._pool.fetch(served, self._report_load)
            self._pool.load(served, self._report_load)
            self._pool.uses(served)  # GPUStack asks for it once, as soon as the server is ready
        except BaseException as error:  # noqa: BLE001, RUF100 - the server reports it
            self.load_state = LoadState("failed", None if self.is_stopped else error)
        else:
            self.load_state = LoadState("ready")

    def _report_load(self, progress: Progress) -> None:
        if self.is_stopped:
            raise CanceledError
        self.load_state = LoadState("loading", progress=progress)
        now = time.monotonic()
        if progress.phase == "fetch" and now - self._logged >= _SECONDS_BETWEEN_LINES:
            self._logged = now
            LOGGER.info("downloading: %s", format_bytes_of(progress.step, progress.total))

    def draw(self, served: ServedModel, request: DrawRequest, preview: bool, job: Job) -> None:
        """Draw the pictures of a request; unloads other models where memory is short.

        A picture that could not be enlarged is delivered before the error.

        Raises:
            DrawError: Every expected failure.
            CanceledError: The job was ended.
        """
        try:
            while not self._has_drawn(served, request, preview, job):
                pass
        except (UsageError, NotEnoughMemoryError):
            raise
        except BaseException:
            self._reload(served)
            raise

    def _has_drawn(
        self, served: ServedModel, request: DrawRequest, preview: bool, job: Job
    ) -> bool:
        """Draw, or return False after another model was unloaded because memory was short."""
        model = self._pool.use(served, self._queue.labels())
        drawn = 0
        try:
            for picture in model.draw(request, job.report, preview=preview):
                self._deliver(job, drawn, picture)
                drawn += 1
        except (NotEnoughMemoryError, NotEnlargedError) as error:
            if drawn or not _lacks_memory(error) or not self._unload_one(served):
                if isinstance(error, NotEnlargedError):
                    self._deliver(job, drawn, error.picture)
                raise
            return False
        return True

    def _unload_one(self, served: ServedModel) -> bool:
        return self._pool.unload_one(self._queue.labels(), but=served)

    def _deliver(self, job: Job, index: int, picture: Picture) -> None:
        job.check()
        self._counts.add_picture(picture)
        self._listeners.notify(picture)
        job.channel.send(Drawn(index, picture))

    def upscale(
        self, reference: str, picture: "PIL.Image.Image", scale: float | None, job: Job
    ) -> None:
        """Enlarge a picture.

        Raises:
            DrawError: Every expected failure.
            CanceledError: The job was ended.
        """
        load = self._options.load
        image = gpustack_draw.upscale(
            picture,
            reference,
            scale,
            device=load.get("device") or "auto",  # type: ignore[arg-type]
            threads=load.get("threads"),  # type: ignore[arg-type]
            on_progress=job.report,
        )
        job.channel.send(Enlarged(image))

    def _reload(self, served: ServedModel) -> None:
        """Load a model in the next pause, unless it is loaded, so that no request waits for it."""

        def load() -> None:
            try:
                self._pool.load(served, _ignore)
            except Exception:  # noqa: BLE001, RUF100 - the next drawing reports it
                self._pool.forget(served)

        self._queue.set_pause(Pause(load, served.name, partial(self._pool.cancel, served)))


def _ignore(_progress: Progress) -> None:
    pass


def _lacks_memory(error: BaseException | None) -> bool:
    """Return True if memory was short for a drawing, or to enlarge its picture."""
    if isinstance(error, NotEnlargedError):
        return _lacks_memory(error.__cause__)
    return isinstance(error, NotEnoughMemoryError)
