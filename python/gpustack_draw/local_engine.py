"""Drawing on this machine: a resolved model and a request become pictures.

The engine runs in a process of its own unless the caller wants it in its own.
"""

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from gpustack_draw.cores import usable_cores
from gpustack_draw.draw_settings import DrawSettings, choose_settings
from gpustack_draw.engine_process import EngineProcess, LogFunction, RawProgress
from gpustack_draw.errors import (
    BlankPictureError,
    EngineError,
    ModelNotFoundError,
    NotEnoughMemoryError,
    UsageError,
    quoted,
)
from gpustack_draw.import_core import import_core
from gpustack_draw.memory import available_memory, check_memory
from gpustack_draw.picture import Picture
from gpustack_draw.progress import Progress
from gpustack_draw.request import DrawRequest
from gpustack_draw.resolved_model import ResolvedModel

ProgressFunction = Callable[[Progress], None]


class CoreEngine:
    """The compiled engine behind plain values. EngineProcess offers the same calls."""

    def __init__(self) -> None:
        """Prepare; the compiled engine is imported by the first call."""
        self._engine: Any = None

    @property
    def is_loaded(self) -> bool:
        """Whether a model is loaded and usable."""
        return self._engine is not None and bool(self._engine.is_usable)

    def load(
        self,
        *,
        files: Mapping[str, str],
        threads: int,
        device: str,
        on_progress: RawProgress | None = None,
        on_log: LogFunction | None = None,
    ) -> dict[str, Any]:
        """Load a model in place of the one before it.

        Args:
            files: Paths by component: ``model`` or ``diffusion_model``, ``vae``, ...
            threads: CPU threads; 0 for one a core.
            device: ``auto`` or a device's name.
            on_progress: Called with phase, step, total, seconds.
            on_log: Called with level and text.

        Returns:
            ``device``: the name of the device it was loaded on.

        Raises:
            UsageError: No device has that name.
            EngineError: The engine did not load it.
        """
        _core = import_core()

        self.close()
        # Bytes, because a path is not always text that UTF-8 can hold.
        paths: dict[str, Any] = {name: os.fsencode(path) for name, path in files.items()}
        try:
            self._engine = _core.Engine(
                **paths,
                threads=threads or usable_cores(),
                device=device,
                on_progress=_phase_names(on_progress),
                on_log=_decoded(on_log),
            )
        except _core.EngineError as error:
            raise _engine_error(error) from error
        except ValueError as error:
            names = [known.name for known in _core.list_devices()]
            raise no_such_device(device, names) from error
        return {"device": self._engine.device}

    def draw(
        self,
        *,
        settings: Mapping[str, Any],
        on_progress: RawProgress | None = None,
        on_log: LogFunction | None = None,
    ) -> dict[str, Any]:
        """Draw a picture with the loaded model.

        Args:
            settings: The values of a DrawSettings, by name.
            on_progress: Called with phase, step, total, seconds.
            on_log: Called with level and text.

        Returns:
            ``width``, ``height``, and ``pixels``, a memoryview of (height, width, 3) uint8.

        Raises:
            BlankPictureError: The picture's numbers became NaN.
            EngineError: The engine gave no picture.
        """
        _core = import_core()

        try:
            picture = self._engine.generate(
                **settings, on_progress=_phase_names(on_progress), on_log=_decoded(on_log)
            )
        except _core.OverflowError as error:
            raise BlankPictureError("its numbers overflowed") from error
        except _core.EngineError as error:
            raise _engine_error(error) from error
        return {"width": picture.width, "height": picture.height, "pixels": picture.pixels}

    def devices(self, **_callbacks: object) -> dict[str, Any]:
        """List what can compute here, as ``devices``, a list of values by name."""
        _core = import_core()

        names = ("name", "description", "kind", "memory_free", "memory_total", "used")
        return {
            "devices": [
                {name: getattr(device, name) for name in names} for device in _core.list_devices()
            ]
        }

    def close(self) -> None:
        """Free the model."""
        self._engine = None


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
        self._threads = threads or 0
        self._device = device
        self._on_log = on_log
        self._engine: CoreEngine | EngineProcess = CoreEngine() if in_process else EngineProcess()
        self._begin()

    def _begin(self) -> None:
        self._owner = os.getpid()
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
        self, request: DrawRequest, on_progress: ProgressFunction | None = None
    ) -> Iterator[Picture]:
        """Draw the pictures of a request, one after the other.

        Args:
            request: What to draw.
            on_progress: Called as the work goes on. An error it raises ends the drawing.

        Yields:
            The pictures, seeds counting up.

        Raises:
            UsageError: A value does not fit the model or the machine.
            NotEnoughMemoryError: The model and the picture need more memory than is free.
            EngineError: The engine failed; EngineCrashed where its process ended.
            BlankPictureError: The engine gave a picture of one single colour.
        """
        all_settings, _notes = choose_settings(request, self.model)
        for number, settings in enumerate(all_settings, start=1):
            progress = _PictureProgress(on_progress, number, len(all_settings))
            with self._mine():
                if self._is_drawing:
                    raise EngineError("a callback of a drawing cannot draw with the same model")
                self._is_drawing = True
                try:
                    result = self._draw(settings, progress)
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

    def close(self) -> None:
        """Free the model and end its process; waits for a drawing of another thread."""
        with self._mine():
            self._loaded_on = ""
            self._engine.close()

    def _draw(self, settings: DrawSettings, progress: "_PictureProgress") -> Mapping[str, Any]:
        self._check_memory(settings)
        if not self.is_loaded:
            self._load(progress)
        try:
            return self._engine.draw(
                settings=asdict(settings), on_progress=progress, on_log=self._on_log
            )
        except BlankPictureError as error:
            self._loaded_on = ""
            raise self._blank_picture() from error
        except BaseException:
            self._loaded_on = ""  # what is left of the engine is not used again
            raise

    def _check_memory(self, settings: DrawSettings) -> None:
        try:
            check_memory(self.model, settings, loaded=self.is_loaded)
        except NotEnoughMemoryError:
            # It may be a GPU's memory that counts; asking starts the engine, so it comes second.
            used = self._used_device()
            if used is None or used["kind"] in {"cpu", "accel"}:
                raise
            free = used["memory_free"] or None
            if free is not None:
                check_memory(self.model, settings, free, loaded=self.is_loaded)

    def _used_device(self) -> dict[str, Any] | None:
        devices: list[dict[str, Any]] = self._engine.devices()["devices"]
        name = self._device.lower()
        return next(
            (
                device
                for device in devices
                if (device["used"] if name == "auto" else device["name"].lower() == name)
            ),
            None,
        )

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
            given=self.model.given,
        )
        if picture.is_one_colour():
            raise self._blank_picture()
        return picture

    def _blank_picture(self) -> BlankPictureError:
        return BlankPictureError(
            f"'{self.model.name}' gave a picture of one single colour: its numbers overflowed",
            hint="try another quantisation of the model, another --vae, or another --seed",
        )


class _PictureProgress:
    """Passes the engine's progress on as Progress, and keeps the seconds of each phase."""

    def __init__(self, on_progress: ProgressFunction | None, picture: int, pictures: int) -> None:
        self.seconds: dict[str, float] = {}
        self._on_progress = on_progress
        self._picture = picture
        self._pictures = pictures

    def __call__(self, phase: str, step: int, total: int, seconds: float) -> None:
        self.seconds[phase] = seconds
        if self._on_progress is not None:
            self._on_progress(Progress(phase, step, total, seconds, self._picture, self._pictures))


def list_devices() -> list[dict[str, Any]]:
    """List what can compute here; asked in a process of its own, because drivers crash too."""
    engine = EngineProcess()
    try:
        devices: list[dict[str, Any]] = engine.devices()["devices"]
    finally:
        engine.close()
    for device in devices:
        if device["kind"] == "cpu":  # whose memory the engine calls free, all of it
            device["memory_free"] = available_memory() or device["memory_free"]
    return devices


def no_such_device(name: str, there: Sequence[str]) -> UsageError:
    """Make the error for a device that this machine does not have."""
    return UsageError(
        f"{quoted(name)} is no device of this machine",
        hint=f"type --device auto, or one of {', '.join(there)}",
    )


def build_info() -> dict[str, str]:
    """Tell how the engine was built, and on how many cores it may compute."""
    _core = import_core()

    facts = {**_core.build_info(), "usable_cores": str(usable_cores() or "unknown")}
    return {"version": _core.__version__, **facts}


def _phase_names(on_progress: RawProgress | None) -> Callable[[Any, int, int, float], None]:
    def call(phase: Any, step: int, total: int, seconds: float) -> None:
        if on_progress is not None:
            on_progress(phase.name, step, total, seconds)

    return call


def _decoded(on_log: LogFunction | None) -> Callable[[str, bytes], None] | None:
    if on_log is None:
        return None
    # The library cuts long lines, also inside a character.
    return lambda level, text: on_log(level, text.decode(errors="replace"))


def _engine_error(error: Exception) -> EngineError:
    # First line: what failed. Then the library's warnings and errors, "model.cpp:871  - ...".
    what, *log = str(error).splitlines()
    if "bad_alloc" in what:
        return NotEnoughMemoryError(
            f"{what.partition(':')[0]}: memory ran out",
            hint="close other programs, or use a smaller quantisation of the model or --size",
        )
    reason = log[-1].split(" - ", 1)[-1].strip() if log else ""
    return EngineError(
        f"{what}: {reason}" if reason else what, hint="--debug shows the engine's log"
    )
