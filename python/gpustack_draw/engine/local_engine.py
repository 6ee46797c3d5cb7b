"""Local drawing: turns a resolved model and a request into pictures.

By default the engine runs in a separate process.
"""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace

from gpustack_draw.engine.core_calls import device_named
from gpustack_draw.engine.core_engine import CoreEngine
from gpustack_draw.engine.drawing_time import DrawingTime
from gpustack_draw.engine.engine_model import EngineModel, no_picture
from gpustack_draw.engine.model_loras import ModelLoras, check_applied
from gpustack_draw.engine.pass_memory import can_decode_previews, device_traits, work_of
from gpustack_draw.engine.passes import Pass, second_pass
from gpustack_draw.engine.picture_progress import PictureProgress
from gpustack_draw.engine.process import EngineProcess
from gpustack_draw.engine.results import Device, DrawResult, EngineNames, EngineTensor
from gpustack_draw.engine.skipped_evaluations import notes_on_skipped, sum_of_passes
from gpustack_draw.engine.turns import Turns
from gpustack_draw.errors import DrawError, UsageError
from gpustack_draw.memory.check import check_memory, check_options
from gpustack_draw.memory.choose import choose
from gpustack_draw.memory.memory_plan import MemoryPlan
from gpustack_draw.memory.work import Work
from gpustack_draw.pictures.not_enlarged import keep_drawn
from gpustack_draw.pictures.picture import Picture
from gpustack_draw.plan import CheckedRequest, DrawingFiles, ModelPlan, plan_model
from gpustack_draw.progress.callbacks import LogFunction, ProgressFunction
from gpustack_draw.progress.pixels import Raster
from gpustack_draw.progress.progress import Progress
from gpustack_draw.request.draw_request import DrawRequest
from gpustack_draw.request.draw_settings import DrawSettings
from gpustack_draw.request.last_plan import LastPlan
from gpustack_draw.request.loras import NO_LORAS, LoraOptions
from gpustack_draw.request.memory_options import NO_MEMORY_OPTIONS, MemoryOptions
from gpustack_draw.resolver.fetch import fetch_model
from gpustack_draw.resolver.plan_drawing import Drawing, plan_drawing
from gpustack_draw.resolver.resolved_model import ResolvedModel
from gpustack_draw.resolver.upscaler import Upscaler
from gpustack_draw.speed.estimate import PictureTime


class LocalEngine:
    """A model on this machine. The first drawing loads it; later drawings reuse it.

    Thread-safe: calls from several threads take turns, picture by picture.
    """

    def __init__(
        self,
        model: ResolvedModel,
        *,
        threads: int | None = None,
        device: str = "auto",
        in_process: bool = False,
        on_log: LogFunction | None = None,
        loras: LoraOptions = NO_LORAS,
        memory: MemoryOptions = NO_MEMORY_OPTIONS,
    ) -> None:
        """Create an engine for a model; nothing is started or loaded yet.

        Args:
            model: The model.
            threads: CPU threads; None for one per core.
            device: ``auto`` or the name of a device.
            in_process: Run the engine in this process: a crash of the engine then ends it, and on
                a GPU Ctrl-C takes effect after the current step.
            on_log: Called with level and text of each line of the engine's log.
            loras: The LoRAs of requests that name none.
            memory: How drawings are made to fit into the memory.
        """
        self.model = model
        # A tiny decoder is fast enough for each step; that of a VAE is not.
        self._preview_mode = "projected" if model.path_of("taesd") is None else "decoded"
        self._device = device
        self._threads = threads
        self._engine: CoreEngine | EngineProcess = CoreEngine() if in_process else EngineProcess()
        self._engine_model = EngineModel(
            model, self._engine, threads=threads or 0, device=device, on_log=on_log
        )
        self._drawings: LastPlan[Drawing] = LastPlan()
        self._memory = memory
        self._loras = ModelLoras(model, loras, self._engine_names)
        self._is_fetched = not model.hub_files and not loras.loras
        self._fetch_lock = threading.Lock()
        self._time = DrawingTime(model, threads)
        self._turns = Turns(self._engine, self._engine_model.forget)

    @property
    def is_loaded(self) -> bool:
        """True if the next drawing does not have to load the model."""
        return self._engine_model.is_loaded

    @property
    def is_ready(self) -> bool:
        """True if no file has to be downloaded or verified."""
        return self._is_fetched

    @property
    def has_previews(self) -> bool:
        """True: this machine draws previews of every model."""
        return True

    def describe(self) -> str:
        """Return the model, its family and whether it is loaded."""
        state = "loaded" if self.is_loaded else "not loaded"
        return f"{self.model.name} ({self.model.family.title}), {state}"

    def prepare(
        self, on_progress: ProgressFunction | None = None, request: DrawRequest | None = None
    ) -> tuple[str, ...]:
        """Download the missing files of the model and verify them, on the first call.

        Args:
            on_progress: Called with the downloaded bytes, phase ``fetch``. An error that it raises
                ends the download, which a later call resumes.
            request: A request whose LoRAs and upscaling model of the second pass are downloaded,
                too, on each call.

        Returns:
            Notes for the user.

        Raises:
            FetchError: A file cannot be downloaded, stored or verified.
            ModelFileError: A file is not the component that it is used as.
        """
        notes: tuple[str, ...] = ()
        with self._fetch_lock:
            if not self._is_fetched:
                loras = self._loras.plan(DrawRequest(prompt="")).settings
                notes = fetch_model(self.model, on_progress) + self._loras.fetch(loras, on_progress)
                self._is_fetched = True
        if request is not None:
            drawing = self._plan(request)
            notes += self._loras.fetch(drawing.settings[0].loras, on_progress)
            if drawing.upscaler is not None:
                drawing.upscaler.fetch(on_progress)
        return notes

    def generate(
        self,
        request: DrawRequest,
        on_progress: ProgressFunction | None = None,
        *,
        preview: bool = False,
    ) -> Iterator[Picture]:
        """Draw the pictures of a request, one after another.

        Args:
            request: What to draw.
            on_progress: Called with the progress. An error that it raises ends the drawing.
            preview: Add previews of the unfinished picture to the progress.

        Yields:
            The pictures, in the order of their seeds.

        Raises:
            UsageError: A value or an input picture does not fit the model or the machine.
            NotEnoughMemoryError: The model and the picture need more memory than is free.
            EngineError: The engine failed; EngineCrashed if its process ended.
            BlankPictureError: The picture has one single color, or NaN was computed.
            NotEnlargedError: The second pass failed. The error has the picture of the first one,
                and so has an interruption.
        """
        drawing = self._plan(request)
        self._drawings.forget(request)
        self._loras.fetch(drawing.settings[0].loras, on_progress)
        if drawing.upscaler is not None:
            drawing.upscaler.fetch(on_progress)
        previews = self._preview_mode if preview and on_progress is not None else "none"
        for number, settings in enumerate(drawing.settings, start=1):
            progress = PictureProgress(
                on_progress,
                Progress("load", 0, 0, 0.0, number, len(drawing.settings), mode=settings.mode),
                self._turns.check_open,
                second_steps=0 if settings.hires is None else settings.hires.steps,
            )
            first = Pass.first(drawing, settings)
            with self._turns.drawing():
                picture = self._draw_passes(first, progress, previews)
                self._time.record(first, self._used_device(), progress, picture.vae_tile)
            yield picture

    def load(self, request: DrawRequest, on_progress: ProgressFunction | None = None) -> None:
        """Load the model as the drawing of a request needs it, unless it is loaded so.

        Args:
            request: What will be drawn.
            on_progress: Called with the progress, phase ``load``. An error that it raises ends the
                loading.

        Raises:
            UsageError: A value or an input picture does not fit the model.
            NotEnoughMemoryError: The model and the picture need more memory than is free.
            EngineError: The engine failed to load the model.
        """
        drawing = self._plan(request)
        first = Pass.first(drawing, drawing.settings[0])
        progress = PictureProgress(on_progress, Progress("load", 0, 0, 0.0), self._turns.check_open)
        with self._turns.drawing():
            choices = self._check_memory(first)[1].choices
            self._engine_model.load(first, progress, choices)

    def settings(self, request: DrawRequest) -> tuple[DrawSettings, ...]:
        """Return the settings of each picture of a request; never waits for a drawing."""
        return self._plan(request).settings

    def check(self, request: DrawRequest, upscaler: Upscaler | None = None) -> CheckedRequest:
        """Check that a request fits the model and the machine, without loading the model.

        Args:
            request: What to draw.
            upscaler: The upscaling model that enlarges the picture afterwards.

        Raises:
            UsageError: A value or an input picture does not fit the model.
            NotEnoughMemoryError: The model and the picture need more memory than is free.
            FetchError: The files to download do not fit on the disk.
        """
        drawing = self._plan(request)
        with self._turns.lock():
            _, memory = self._check_memory(Pass.first(drawing, drawing.settings[0]))
        self._files_of(drawing, upscaler).check_disk_space()
        notes = (*self.model.notes, *drawing.notes, *memory.notes)
        return CheckedRequest(notes, drawing.picture_size)

    def plan(self, request: DrawRequest, upscaler: Upscaler | None = None) -> ModelPlan:
        """Return the files, settings and memory of a drawing, without loading the model.

        Args:
            request: What to draw.
            upscaler: The upscaling model that enlarges the picture afterwards.

        Raises:
            UsageError: A value or an input picture does not fit the model, or no device has the
                chosen name.
        """
        drawing = self._plan(request)
        settings = drawing.settings[0]
        with self._turns.lock():
            try:
                device = self._used_device()
            except UsageError:
                raise
            except DrawError:  # a plan needs no working engine
                device = None
            first = Pass.first(drawing, settings)
            _, memory = self._plan_memory(first, device)
            time = None if device is None else self._estimated_time(first, device, memory)
        name = self._device if device is None else device.name
        files = self._files_of(drawing, upscaler)
        plan = plan_model(self.model, settings, memory, name, drawing.plan_notes, files)
        return replace(plan, time=time, time_seconds=None if time is None else time.picture)

    def check_loras(self) -> None:
        """Check the LoRAs of requests that name none; see :meth:`check` for the errors."""
        self._loras.plan(DrawRequest(prompt=""))

    def _plan(self, request: DrawRequest) -> Drawing:
        loras = self._loras.plan(request)
        drawing = self._drawings.get(request, lambda: plan_drawing(loras.request, self.model))
        settings = tuple(replace(each, loras=loras.settings) for each in drawing.settings)
        return replace(drawing, settings=settings, notes=(*loras.notes, *drawing.notes))

    def _files_of(self, drawing: Drawing, upscaler: Upscaler | None) -> DrawingFiles:
        upscalers = [each.file for each in (drawing.upscaler, upscaler) if each is not None]
        loras = self._loras.files(drawing.settings[0].loras)
        files = (*self.model.all_files, *loras, *upscalers)
        is_on_hub = any(file.hub_file is not None for file in files)
        return DrawingFiles(files, self._loras.hub if is_on_hub else None)

    def _estimated_time(
        self, first: Pass, device: Device, memory: MemoryPlan
    ) -> PictureTime | None:
        def measure_speed(name: str, threads: int) -> float:
            try:
                return self._engine.measure_speed(device=name, threads=threads)
            except DrawError:  # a plan needs no working engine
                return 0.0

        return self._time.estimate(first, device, measure_speed, memory.choices.vae_tile)

    def _engine_names(self, model: Sequence[EngineTensor], lora: Sequence[str]) -> EngineNames:
        with self._turns.lock():
            self._turns.check_idle()
            return self._engine.engine_names(model, lora)

    def cancel(self) -> None:
        """Cancel the drawing of another thread, which then fails; ends the process if it loads."""
        if self._turns.cancel():
            self._engine.cancel()

    def close(self) -> None:
        """Free the model and end its process.

        Waits for a drawing in another thread, unless the engine's process sends nothing for some
        seconds, for example because it was stopped. Called by a callback, ends its drawing.
        """
        with self._turns.closing():
            self._engine_model.close()

    def _draw_passes(self, first: Pass, progress: PictureProgress, previews: str) -> Picture:
        result = self._draw(first, progress, previews)
        if not first.is_drawn_again:
            return self._finished(result, first, first, progress)
        picture = self._finished(result, first.alone, first.alone, progress)
        problem = "the first pass was drawn, but not the second one"
        with keep_drawn(picture, problem=problem, argument="hires"):
            return self._draw_again(first, result, progress, previews)

    def _draw_again(
        self, first: Pass, result: DrawResult, progress: PictureProgress, previews: str
    ) -> Picture:
        enlarged = None
        if first.upscaler is not None:
            enlarged = self._engine_model.enlarge(first, result, progress)
        second = second_pass(first, result, self.model.family, enlarged)
        progress.begin_second_pass()
        drawn = self._draw(second, progress, previews)
        skipped = sum_of_passes(result.step_cache, drawn.step_cache)
        return self._finished(replace(drawn, step_cache=skipped), first, second, progress)

    def _draw(self, one: Pass, progress: PictureProgress, previews: str) -> DrawResult:
        work, memory = self._check_memory(one)
        result = self._engine_model.draw(
            one,
            progress,
            work=work,
            choices=memory.choices,
            loras=self._loras.for_engine(one.settings.loras),
            previews=self._previews_of(memory, previews),
        )
        return replace(result, vae_tile=memory.choices.vae_tile)

    def _previews_of(self, memory: MemoryPlan, previews: str) -> str:
        # The engine cannot project the latents of the demo model.
        if previews != "decoded" or self.model.source == "demo":
            return previews
        return "decoded" if can_decode_previews(memory) else "projected"

    def _plan_memory(self, one: Pass, device: Device | None) -> tuple[Work, MemoryPlan]:
        traits = device_traits(device, self._threads)
        work = work_of(one, self.model, traits, self._loras.bytes(one.settings.loras))
        if device is not None:
            check_options(work, self._memory)
        return work, choose(work, self._memory, loaded=self._engine_model.choices)

    def _check_memory(self, one: Pass) -> tuple[Work, MemoryPlan]:
        work, memory = self._plan_memory(one, self._used_device())
        argument = "size" if one.settings.hires is None else "hires"
        check_memory(work, memory, self._memory, argument=argument)
        return work, memory

    def _used_device(self) -> Device:
        return device_named(self._device, self._engine.devices())

    def _finished(
        self,
        result: DrawResult,
        first: Pass,
        last: Pass,
        progress: PictureProgress,
    ) -> Picture:
        settings, size = first.settings, (result.width, result.height)
        notes = check_applied(settings.loras, result.lora_tensors)
        notes += notes_on_skipped(result.step_cache)
        settings = replace(settings, loras=self._loras.hashed(settings.loras))
        if settings.hires is None:  # the engine may have rounded the size up
            settings = replace(settings, width=result.width, height=result.height)
        drawn = Raster(result.pixels, result.width, result.height)
        if drawn.is_one_color():
            raise no_picture(self.model, "drew a picture of one single color")
        return Picture(
            drawn.pixels if last.pictures is None else last.pictures.finish_bytes(drawn.pixels),
            settings,
            model=self.model.name,
            family=self.model.family.name,
            device=self._engine_model.device,
            seconds=progress.seconds,
            reference=self.model.portable_reference,
            user_components=self.model.user_components,
            embeddings=self._engine_model.embedding_hashes(settings),
            size=size if first.pictures is None or settings.hires else first.pictures.result_size,
            before=None if first.pictures is None else Raster.of(first.pictures.before),
            evaluations_skipped=None if result.step_cache is None else result.step_cache[0],
            vae_tile=result.vae_tile,
            notes=notes,
        )
