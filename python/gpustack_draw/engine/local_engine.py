"""Drawing on this machine: a resolved model and a request become pictures.

The engine runs in a process of its own unless the caller wants it in its own.
"""

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from gpustack_draw.engine.core_engine import CoreEngine, no_such_device
from gpustack_draw.engine.memory import available_memory, check_memory, memory_need
from gpustack_draw.engine.process import EngineProcess, LogFunction
from gpustack_draw.engine.process_end import closed_while_drawing
from gpustack_draw.errors import (
    BlankPictureError,
    DrawError,
    EngineError,
    ModelNotFoundError,
    UsageError,
    quoted,
)
from gpustack_draw.pictures.picture import Picture
from gpustack_draw.plan import ModelPlan, plan_model
from gpustack_draw.progress.pixels import Raster
from gpustack_draw.progress.progress import Progress
from gpustack_draw.request.draw_request import DrawRequest
from gpustack_draw.request.draw_settings import DrawSettings
from gpustack_draw.resolver.choose_settings import choose_settings
from gpustack_draw.resolver.resolved_model import ResolvedModel

ProgressFunction = Callable[[Progress], None]

# A process that works says something every second.
_SECONDS_OF_SILENCE = 1.0
_MOST_SILENCES = 8


class LocalEngine:
    """A model on this machine, ready to draw; loaded by its first drawing and then kept.

    Calls from several threads wait for each other, picture by picture.
    """

    def __init__(
        self,
        model: ResolvedModel,
        *,
        threads: int | None = None,
        device: str = "auto",
        in_process: bool = False,
        on_log: LogFunction | None = None,
    ) -> None:
        """Prepare to draw with a model; nothing is started or loaded yet.

        Args:
            model: The model.
            threads: CPU threads; None for one a core.
            device: ``auto`` or a device's name.
            in_process: Run the engine in this process: it then ends with the engine's failures,
                and on a GPU Ctrl-C waits for the step to end.
            on_log: Called with level and text of each line of the engine's log.
        """
        self.model = model
        # Absolute: the current folder may be another one by the first drawing.
        self._files = {file.component: str(file.path.absolute()) for file in model.files}
        # The engine knows how the latents of each family look. The demo model has its own.
        self._kind_of_previews = "decoded" if model.source == "demo" else "projected"
        self._threads = threads or 0
        self._device = device
        self._on_log = on_log
        self._engine: CoreEngine | EngineProcess = CoreEngine() if in_process else EngineProcess()
        self._begin()

    def _begin(self) -> None:
        self._owner = os.getpid()
        self._is_closed = False  # during a drawing
        self._lock = threading.RLock()  # of the drawing's own thread, so that callbacks can close()
        self._is_drawing = False
        self._loaded_on = ""

    def _mine(self) -> threading.RLock:
        """Give the lock; in a forked process a new one, for who holds the old one is not here."""
        if self._owner != os.getpid():
            self._begin()
        return self._lock

    @property
    def is_loaded(self) -> bool:
        """Whether the next drawing costs only the drawing."""
        return bool(self._loaded_on) and self._engine.is_loaded

    def generate(
        self,
        request: DrawRequest,
        on_progress: ProgressFunction | None = None,
        *,
        preview: bool = False,
    ) -> Iterator[Picture]:
        """Draw the pictures of a request, one after the other.

        Args:
            request: What to draw.
            on_progress: Called as the work goes on. An error it raises ends the drawing.
            preview: Whether it is shown the picture as it grows.

        Yields:
            The pictures, seeds counting up.

        Raises:
            UsageError: A value does not fit the model or the machine.
            NotEnoughMemoryError: The model and the picture need more memory than is free.
            EngineError: The engine failed; EngineCrashed where its process ended.
            BlankPictureError: There is nothing to see in the picture.
        """
        all_settings, _notes = choose_settings(request, self.model)
        previews = self._kind_of_previews if preview and on_progress is not None else "none"
        for number, settings in enumerate(all_settings, start=1):
            progress = _PictureProgress(on_progress, number, len(all_settings), self._check_open)
            with self._mine():
                if self._is_drawing:
                    raise EngineError("a callback of a drawing cannot draw with the same model")
                self._is_drawing = True
                self._is_closed = False
                try:
                    result = self._draw(settings, progress, previews)
                    picture = self._checked_picture(result, settings, progress)
                finally:
                    self._is_drawing = False
            yield picture

    def check(self, request: DrawRequest) -> tuple[str, ...]:
        """Check that a request fits the model and the machine; loads nothing.

        Args:
            request: What to draw.

        Returns:
            Notes on what of it will be changed or have no effect.

        Raises:
            UsageError: A value does not fit the model.
            NotEnoughMemoryError: The model and the picture need more memory than is free.
        """
        all_settings, notes = choose_settings(request, self.model)
        with self._mine():
            self._check_memory(all_settings[0])
        return notes

    def plan(self, request: DrawRequest) -> ModelPlan:
        """Describe what drawing a request would fetch, load and use; loads nothing.

        Raises:
            UsageError: A value does not fit the model, or there is no such device.
        """
        all_settings, notes = choose_settings(request, self.model)
        settings = all_settings[0]
        with self._mine():
            try:
                device = self._used_device()
            except UsageError:
                raise
            except DrawError:  # a plan needs no working engine
                device = None
            need = memory_need(self.model, settings, device, loaded=self.is_loaded)
        name = self._device if device is None else device["name"]
        return plan_model(self.model, settings, need, name, notes)

    def close(self) -> None:
        """Free the model and end its process.

        Waits for a drawing of another thread, unless its engine says nothing for some seconds, as
        when it was stopped. Ends a drawing whose callback calls it.
        """
        lock = self._mine()
        self._wait_for_drawing(lock)
        try:
            self._is_closed = True
            self._loaded_on = ""
            self._engine.close()
        finally:
            lock.release()

    def _wait_for_drawing(self, lock: threading.RLock) -> None:
        """Acquire the lock of a drawing, or end the engine that keeps it waiting."""
        heard, silences = None, 0
        while not lock.acquire(timeout=_SECONDS_OF_SILENCE):
            now = self._engine.heard
            # Counted, not measured: we may have been stopped together with the engine.
            silences = silences + 1 if now is not None and now == heard else 0
            heard = now
            if silences == _MOST_SILENCES:
                self._engine.close()

    def _check_open(self) -> None:
        if self._is_closed:
            raise closed_while_drawing()

    def _draw(
        self, settings: DrawSettings, progress: "_PictureProgress", previews: str
    ) -> Mapping[str, Any]:
        self._check_memory(settings)
        if not self.is_loaded:
            self._load(progress)
        try:
            return self._engine.draw(
                settings=asdict(settings),
                previews=previews,
                on_progress=progress,
                on_log=self._on_log,
            )
        except BlankPictureError as error:
            self._loaded_on = ""
            raise self._no_picture("drew no picture: its numbers overflowed") from error
        except BaseException:
            self._loaded_on = ""  # what is left of the engine is not used again
            raise

    def _check_memory(self, settings: DrawSettings) -> None:
        need = memory_need(self.model, settings, self._used_device(), loaded=self.is_loaded)
        check_memory(self.model, settings, need)

    def _used_device(self) -> dict[str, Any]:
        devices: list[dict[str, Any]] = self._engine.devices()["devices"]
        name = self._device.lower()
        for device in devices:
            if device["used"] if name == "auto" else device["name"].lower() == name:
                return device
        raise no_such_device(self._device, [device["name"] for device in devices])

    def _load(self, progress: "_PictureProgress") -> None:
        self._loaded_on = ""
        gone = next((path for path in self._files.values() if not Path(path).exists()), None)
        if gone is not None:
            raise ModelNotFoundError(
                f"{quoted(gone)} is no longer there",
                hint="put the file back, or load the model again",
            )
        result = self._engine.load(
            files=self._files,
            threads=self._threads,
            device=self._device,
            on_progress=progress,
            on_log=self._on_log,
        )
        self._loaded_on = result["device"]

    def _checked_picture(
        self, result: Mapping[str, Any], settings: DrawSettings, progress: "_PictureProgress"
    ) -> Picture:
        # The engine has the last word on the size: it rounds up what it cannot draw.
        settings = replace(settings, width=result["width"], height=result["height"])
        picture = Picture(
            result["pixels"],
            settings,
            model=self.model.name,
            family=self.model.family.name,
            device=self._loaded_on,
            seconds=progress.seconds,
            reference=self.model.portable_reference,
            user_components=self.model.user_components,
        )
        if picture.is_one_color():
            raise self._no_picture("drew a picture of one single color")
        return picture

    def _no_picture(self, problem: str) -> BlankPictureError:
        return BlankPictureError(
            f"{quoted(self.model.name)} {problem}",
            hint="try another quantisation of the model, another --vae, or another --seed",
        )


class _PictureProgress:
    """Passes the engine's progress on as Progress, and keeps the seconds of each phase."""

    def __init__(
        self,
        on_progress: ProgressFunction | None,
        picture: int,
        pictures: int,
        check_open: Callable[[], None],
    ) -> None:
        self.seconds: dict[str, float] = {}
        self._check_open = check_open
        self._on_progress = on_progress
        self._picture = picture
        self._pictures = pictures
        self._first_tensors: tuple[int, float] | None = None

    def __call__(
        self, phase: str, step: int, total: int, seconds: float, preview: Raster | None
    ) -> None:
        self.seconds[phase] = seconds
        if self._on_progress is not None:
            of = (self._picture, self._pictures)
            if phase == "load" and step and self._first_tensors is None:
                # By then the engine has started, and a number of them may be loaded.
                self._first_tensors = (step, seconds)
            basis = self._first_tensors if phase == "load" and self._first_tensors else (0, 0.0)
            self._on_progress(Progress(phase, step, total, seconds, *of, *basis, preview=preview))
            self._check_open()


def list_devices() -> list[dict[str, Any]]:
    """List what can compute here; asked in a process of its own, because drivers crash too."""
    engine = EngineProcess()
    try:
        devices: list[dict[str, Any]] = engine.devices()["devices"]
    finally:
        engine.close()
    for device in devices:
        if device["type"] == "cpu":  # whose memory the engine calls free, all of it
            device["memory_free"] = available_memory() or device["memory_free"]
    return devices
