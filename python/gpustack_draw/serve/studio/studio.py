"""The studio: draws for all clients of the server, one drawing at a time."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import gpustack_draw
from gpustack_draw import DrawRequest, DrawSettings, Model, ModelPlan, Progress
from gpustack_draw.errors import DrawError
from gpustack_draw.serve.log import LOGGER
from gpustack_draw.serve.options import ServeOptions
from gpustack_draw.serve.studio.busy import (
    InterruptedDrawingError,
    NotLoadedError,
    QueueFullError,
    StoppingError,
    TimeLimitError,
)
from gpustack_draw.serve.studio.channel import Channel
from gpustack_draw.serve.studio.counts import Counts
from gpustack_draw.serve.studio.drawing_thread import DrawingThread
from gpustack_draw.serve.studio.events import (
    Accepted,
    Current,
    Event,
    LoadState,
    Statistics,
    UpscaleEvent,
)
from gpustack_draw.serve.studio.fetches import Fetches
from gpustack_draw.serve.studio.jobs import CanceledError, Job, JobQueue
from gpustack_draw.serve.studio.listeners import Listeners
from gpustack_draw.serve.studio.model_pool import LoadFunction, ModelPool
from gpustack_draw.serve.studio.picture_uses import PictureUses
from gpustack_draw.serve.studio.references import (
    References,
    check_size,
    is_hub_reference,
    names_hub_file,
)
from gpustack_draw.serve.studio.served_models import ServedModel, ServedModels
from gpustack_draw.serve.studio.work import Work

if TYPE_CHECKING:
    import PIL.Image

_Value = TypeVar("_Value")

_DECODING = 2  # requests with pictures that are checked at the same time
_CHECKS = 32  # other requests; those with new LoRAs wait for the engine
_MAX_RETRY_AFTER = 60


class Studio:
    """Draws for the clients of a server, one drawing at a time; used by one event loop.

    Attributes:
        references: The names that clients may use.
        listeners: Receive each drawn picture.
    """

    def __init__(self, options: ServeOptions, *, load: LoadFunction = gpustack_draw.load) -> None:
        """Create a studio; nothing is started or loaded yet.

        Args:
            options: The options of the server.
            load: Finds a model.

        Raises:
            UsageError: The LoRAs or the upscaling models of the options cannot be served.
        """
        self._options = options
        self._models = ServedModels(options)
        self._pool = ModelPool(options, load)
        self.references = References(options)
        self._fetches = Fetches()
        self.listeners = Listeners()
        self._counts = Counts()
        queue = JobQueue()
        self._work = Work(options, self._pool, self._counts, self.listeners, queue)
        load_first = partial(self._work.load_first, self._models.all[0])
        self._thread = DrawingThread(queue, self._counts, load_first)
        self._stop: StoppingError | None = None
        self._taken = 0  # requests that wait or are drawn
        # Their threads are limited even if clients leave, unlike those of anyio.
        self._decoding = ThreadPoolExecutor(_DECODING, "gpustack-draw decoding")
        self._checks = ThreadPoolExecutor(_CHECKS, "gpustack-draw check")

    # The state

    def served(self) -> tuple[ServedModel, ...]:
        """Return the models of the command line."""
        return self._models.all

    def find(self, name: str | None) -> ServedModel:
        """Return the model of a name, or the first one; see :meth:`ServedModels.find`."""
        return self._models.find(name)

    def load_state(self) -> LoadState:
        """Return whether the first model is loaded."""
        return self._work.load_state

    @property
    def queue_length(self) -> int:
        """Number of requests that wait."""
        return max(0, self._taken - (self._thread.job is not None))

    def current(self) -> Current | None:
        """Return the drawing that runs; ``None`` without one."""
        job = self._thread.job
        if job is None:
            return None
        return Current(job.label, job.progress, job.preview, time.monotonic() - job.begun)

    def interrupt(self) -> bool:
        """End the drawing that runs; return whether there was one."""
        job = self._thread.job
        if job is not None:
            error = InterruptedDrawingError("the drawing was interrupted", preview=job.preview)
            self._thread.end(job, error)
        return job is not None

    def statistics(self) -> Statistics:
        """Return counts since the start."""
        counts = self._counts
        return Statistics(
            queue_length=self.queue_length,
            is_drawing=self._thread.job is not None,
            requests=dict(counts.outcomes),
            pictures=counts.pictures,
            phase_seconds=dict(counts.phase_seconds),
            engine_restarts=counts.engine_restarts,
            loaded_models=self._pool.loaded(),
        )

    # Start and end

    def check_models(self) -> None:
        """Find the files of the models that were typed. Blocks.

        Raises:
            DrawError: A model cannot be used.
        """
        for model, named in zip(self._models.all, self._options.models, strict=True):
            if named.is_typed or model is self._models.all[0]:
                self._pool.open(model)

    async def __aenter__(self) -> "Studio":  # noqa: PYI034 - Self is younger than Python 3.10
        """Start the drawing thread, which loads the first model."""
        self._thread.start()
        return self

    async def __aexit__(self, *_error: object) -> None:
        """End whatever runs."""
        await self.close()
        self._decoding.shutdown(wait=False, cancel_futures=True)
        self._checks.shutdown(wait=False, cancel_futures=True)

    async def ready(self) -> LoadState:
        """Wait until the first model is loaded, or cannot be; return the state."""
        while self.load_state().name == "loading" and self._stop is None:
            await asyncio.sleep(0.02)
        return self._work.load_state

    async def close(self, seconds: float = 0.0) -> None:
        """End all requests that wait, and the drawing that runs after some seconds.

        Args:
            seconds: Time that the drawing has.
        """
        if self._stop is None:
            self._stop = StoppingError("the server stops", retry_after=5)
        self._work.is_stopped = True
        self._thread.close(self._stop)
        self._fetches.close()
        end = time.monotonic() + seconds
        while self._thread.job is not None and time.monotonic() < end:
            await asyncio.sleep(0.02)
        self._thread.end_all(self._stop)
        if self.load_state().name == "loading":
            await self._in_thread(self._pool.cancel, self._models.all[0])
        await self._in_thread(self._thread.join, 2.5)
        await self._in_thread(self._pool.close)
        await self._in_thread(self.listeners.close)

    # Requests

    async def plan(self, model: ServedModel) -> ModelPlan:
        """Return the plan of a drawing without options; the first one finds the model's files.

        Raises:
            DrawError: The model cannot be used.
        """
        with self._errors_translated():
            return await self._in_thread(self._pool.plan, model)

    def known_plan(self, model: ServedModel) -> ModelPlan | None:
        """Return the plan of a drawing without options; ``None`` if it would take time."""
        return self._pool.plan(model) if self._pool.is_open(model) else None

    async def open(self, model: ServedModel) -> Model:
        """Return a model, only to look at it; the first call finds its files, see :meth:`plan`."""
        with self._errors_translated():
            return await self._in_thread(self._pool.open, model)

    async def uses(self, model: ServedModel) -> PictureUses:
        """Return how a model uses pictures; known for the first one when it is loaded."""
        with self._errors_translated():
            return await self._in_thread(self._pool.uses, model)

    async def draw(
        self,
        model: ServedModel,
        request: DrawRequest,
        *,
        preview: bool = False,
        progress: bool = True,
    ) -> AsyncGenerator[Event, None]:
        """Draw the pictures of a request.

        Closing the generator, or canceling its task, ends the request: a waiting one leaves the
        queue, and a running drawing ends at once.

        Args:
            model: A model of :meth:`find`.
            request: The request. LoRAs and upscaling models are names of this server; input
                pictures are bytes, images or arrays.
            preview: Whether the progress has previews.
            progress: Whether the progress of the drawing is yielded; :meth:`current` has it in any
                case.

        Yields:
            Accepted first; Queued, while it waits; Progress; Drawn for each picture.

        Raises:
            BusyError: The queue is full, or the server starts or stops.
            InterruptedDrawingError: :meth:`interrupt` was called.
            DrawError: Every other expected failure.
        """
        with self._place(), self._errors_translated():
            LOGGER.debug("%s draws %r", model.name, request.prompt)
            try:
                executor = self._decoding if request.pictures else self._checks
                request, settings = await self._in_thread(
                    self._checked, model, request, executor=executor
                )
            except Exception:
                self._counts.outcomes["refused"] += 1
                raise
            yield Accepted(settings)
            if not self._pool.is_fetched(model) or names_hub_file(request):
                async with aclosing(self._fetched(model, request)) as fetched:
                    async for event in fetched:
                        yield event
            work = partial(self._work.draw, model, request, preview)
            end = partial(self._pool.cancel, model)
            job = Job(model.name, work, Channel(), end, sends_progress=progress)
            async with aclosing(self._run(job)) as events:
                async for event in events:
                    yield event

    async def upscale(
        self, upscaler: str, picture: "PIL.Image.Image", scale: float | None = None
    ) -> AsyncGenerator[UpscaleEvent, None]:
        """Enlarge a picture.

        Args:
            upscaler: Name of an upscaling model of this server.
            picture: The picture.
            scale: Factor of both sides; ``None`` for the model's.

        Yields:
            Queued, while it waits; Progress; Enlarged last.

        Raises:
            BusyError: The queue is full, or the server starts or stops.
            DrawError: Every other expected failure.
        """
        with self._place(), self._errors_translated():
            reference = self.references.upscaler(upscaler, "upscaler")
            if is_hub_reference(reference):
                request = DrawRequest(prompt="", upscale=reference)
                async with aclosing(self._fetched(self._models.all[0], request)) as progress:
                    async for event in progress:
                        yield event
            work = partial(self._work.upscale, reference, picture, scale)
            job = Job(upscaler, work, Channel(), _do_nothing)
            async with aclosing(self._run(job)) as events:
                async for event in events:
                    yield event

    @contextmanager
    def _place(self) -> Iterator[None]:
        """Take a place in the queue or at the engine.

        Raises:
            BusyError: There is none.
        """
        if self._stop is not None:
            raise self._stop
        if self.load_state().name != "ready":
            raise NotLoadedError(
                "the server loads its first model", hint="ask again in a moment", retry_after=5
            )
        if self._taken > self._options.queue:
            self._counts.outcomes["refused"] += 1
            raise QueueFullError(
                f"the queue is full: {self._taken - 1} requests wait",
                hint="ask again later",
                retry_after=self._retry_after(),
            )
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1

    @contextmanager
    def _errors_translated(self) -> Iterator[None]:
        try:
            yield
        except DrawError as error:
            self.references.translate(error)
            raise

    def _retry_after(self) -> int:
        return max(1, min(_MAX_RETRY_AFTER, round(self._counts.mean_seconds * self._taken / 2)))

    def _checked(
        self, model: ServedModel, request: DrawRequest
    ) -> tuple[DrawRequest, tuple[DrawSettings, ...]]:
        """Return a client's request with the server's references and a seed, and its settings.

        The seed comes first: the plan of this request serves its drawing, too.
        """
        request = self.references.applied(request).with_seed()
        settings = self._pool.open(model).settings(request)
        check_size(settings[0], self._options.max_size)
        return request, settings

    async def _fetched(
        self, model: ServedModel, request: DrawRequest
    ) -> AsyncGenerator[Progress, None]:
        """Download the missing files of a model and a request, and yield the progress."""
        channel: Channel[Progress] = Channel()
        loras = tuple(lora.reference for lora in request.loras or ())
        key = (model, loras, request.upscale, request.hires_upscaler)

        def fetch(report: Callable[[Progress], None]) -> None:
            self._pool.fetch(model, report, request)

        self._fetches.join(key, fetch, channel)
        try:
            async with aclosing(channel.events()) as events:
                async for progress in events:
                    yield progress
        finally:
            self._fetches.leave(key, channel)

    async def _run(self, job: Job) -> AsyncGenerator[Any, None]:
        """Run a job, and yield its events; ends it when closed."""
        if self._stop is not None:
            raise self._stop
        self._thread.add(job)
        seconds = self._options.request_seconds
        too_long = TimeLimitError(
            f"the request took longer than {seconds} seconds",
            hint="draw a smaller picture, or fewer pictures or steps",
        )
        timer = asyncio.get_running_loop().call_later(seconds, self._thread.end, job, too_long)
        try:
            async with aclosing(job.channel.events()) as events:
                async for event in events:
                    yield event
        finally:
            timer.cancel()
            if not job.channel.is_closed:
                self._thread.end(job, CanceledError())

    async def _in_thread(
        self,
        function: Callable[..., _Value],
        *arguments: object,
        executor: ThreadPoolExecutor | None = None,
    ) -> _Value:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(executor or self._checks, partial(function, *arguments))


def _do_nothing() -> None:
    pass
