"""Upscaling on this machine, in a process of its own."""

import os
import threading

from gpustack_draw.engine.core_calls import device_named
from gpustack_draw.engine.core_engine import CoreEngine
from gpustack_draw.engine.picture_progress import PictureProgress
from gpustack_draw.engine.process import EngineProcess
from gpustack_draw.engine.results import FAST_CPU, Device
from gpustack_draw.errors import (
    BlankPictureError,
    ModelNotFoundError,
    NotEnoughMemoryError,
    quoted,
)
from gpustack_draw.inputs.enlarged import enlarged_size, finish_enlarged
from gpustack_draw.inputs.input_picture import InputPicture
from gpustack_draw.memory.available import available_memory
from gpustack_draw.memory.memory_plan import MemoryPlan, PhaseBytes
from gpustack_draw.phrases import phrase
from gpustack_draw.pictures.not_enlarged import keep_drawn
from gpustack_draw.pictures.picture import Picture
from gpustack_draw.pictures.upscaled_picture import UpscaledPicture
from gpustack_draw.pictures.upscaled_text import Upscaled, upscaled_text
from gpustack_draw.progress.callbacks import LogFunction, ProgressFunction
from gpustack_draw.progress.pixels import Raster
from gpustack_draw.progress.progress import Progress
from gpustack_draw.resolver.upscaler import Upscaler
from gpustack_draw.units import format_bytes

# Bytes beside the weights: the process, then per pixel of the picture its samples before and after
# in both processes, and the feature maps of a tile. The engine's log reports "compute buffer size:
# 44.00 MB" for 64x64 and a scale of 4 on FastCPU, and 104.05 MB on ggml's CPU device.
_BASE_BYTES = 100_000_000
_TILE_SIDE = 256 + 2 * 32  # of cpp/engine/upscaler.h, with its margin
_FAST_BYTES = (2_500, 700)  # per pixel of the tile, per pixel of the result; the larger counts
_OTHER_BYTES = (6_000, 1_650)
_COPIES = 4


class LocalUpscaler:
    """Enlarges pictures on this machine; the model of the last call stays loaded. Thread-safe."""

    def __init__(
        self,
        *,
        threads: int | None = None,
        device: str = "auto",
        in_process: bool = False,
        on_log: LogFunction | None = None,
    ) -> None:
        """Create an upscaler; nothing is started or loaded yet.

        Args:
            threads: CPU threads; None for one per core.
            device: ``auto`` or the name of a device.
            in_process: Run the engine in this process: a crash of the engine then ends it.
            on_log: Called with level and text of each line of the engine's log.
        """
        self._threads = threads or 0
        self._device = device
        self._on_log = on_log
        self._in_process = in_process
        self._begin()

    def _begin(self) -> None:
        self._owner = os.getpid()
        self._lock = threading.RLock()
        self._engine: CoreEngine | EngineProcess = (
            CoreEngine() if self._in_process else EngineProcess()
        )

    def _own_lock(self) -> threading.RLock:
        """Return the lock; a new one after a fork, where no thread would release the old one."""
        if self._owner != os.getpid():
            self._begin()
        return self._lock

    def device(self) -> Device:
        """Return the device that pictures are enlarged on.

        Raises:
            UsageError: No device has the chosen name.
        """
        with self._own_lock():
            return device_named(self._device, self._engine.devices())

    def memory_plan(self, model: Upscaler, width: int, height: int) -> MemoryPlan:
        """Return the estimated memory of enlarging a picture, and how much is free.

        Args:
            model: The upscaling model.
            width: Width of the picture in pixels.
            height: Height of the picture in pixels.
        """
        device = self.device()
        on_cpu = device.type in {"cpu", "accel"}
        per_tile, per_result = _FAST_BYTES if device.name == FAST_CPU else _OTHER_BYTES
        tile = min(width, _TILE_SIDE) * min(height, _TILE_SIDE)
        samples = _COPIES * 3 * width * height * (1 + model.scale**2)
        needed = PhaseBytes(
            base=_BASE_BYTES,
            weights=model.bytes,
            inputs=samples,
            decoding=tile * max(per_tile, per_result * model.scale**2),
        )
        free = available_memory() if on_cpu else device.memory_free or None
        return MemoryPlan(needed=needed, free_bytes=free)

    def check_memory(self, model: Upscaler, width: int, height: int, label: str) -> None:
        """Check that enlarging a picture fits into the free memory.

        Args:
            model: The upscaling model.
            width: Width of the picture in pixels.
            height: Height of the picture in pixels.
            label: Name of the picture in messages.

        Raises:
            NotEnoughMemoryError: The estimate exceeds the free memory.
            UsageError: No device has the chosen name.
        """
        plan = self.memory_plan(model, width, height)
        if plan.fits is False:
            assert plan.free_bytes is not None
            raise NotEnoughMemoryError(
                f"enlarging {label} needs about {format_bytes(plan.needed.peak)},"
                f" and {format_bytes(plan.free_bytes)} are free",
                hint="close other programs, or enlarge a smaller picture",
            )

    def enlarge(
        self,
        model: Upscaler,
        picture: InputPicture,
        *,
        source: object,
        scale: float | None = None,
        on_progress: ProgressFunction | None = None,
        number: int = 1,
        count: int = 1,
    ) -> UpscaledPicture:
        """Enlarge a picture.

        Args:
            model: The upscaling model; its file is downloaded.
            picture: The picture.
            source: What it was read from; its parameters are kept.
            scale: Factor of both sides; None for the model's.
            on_progress: Called with the progress. An error that it raises ends the upscaling.
            number: Number of the picture in the progress, from 1.
            count: Number of pictures in the progress.

        Raises:
            UsageError: The result would be too large, or no device has the chosen name.
            NotEnoughMemoryError: It needs more memory than is free.
            EngineError: The engine failed; EngineCrashed if its process ended.
        """
        factor = model.scale if scale is None else scale
        size = enlarged_size(picture.width, picture.height, factor, picture.label)
        self.check_memory(model, picture.width, picture.height, picture.label)
        pixels = picture.pixels.data
        result, seconds = self._upscale(model, pixels, on_progress, number, count)
        upscaled = Upscaled(model.name, factor)
        image = finish_enlarged(result.pixels, picture, size)
        image.info["parameters"], notes = upscaled_text(source, picture.label, upscaled)
        return UpscaledPicture(
            image=image,
            upscaled=upscaled,
            source_size=picture.size,
            device=self.device().name,
            seconds=seconds,
            notes=notes,
        )

    def enlarge_drawing(
        self,
        model: Upscaler,
        picture: Picture,
        on_progress: ProgressFunction | None,
        number: int,
        count: int,
    ) -> Picture:
        """Enlarge a picture that was just drawn; see :meth:`enlarge`.

        Raises:
            NotEnlargedError: It could not be enlarged. The error has the picture, and so has an
                interruption.
        """
        problem = "the picture was drawn, but not enlarged"
        with keep_drawn(picture, problem=problem, argument="upscale"):
            self.check_memory(model, picture.width, picture.height, "the picture")
            result, seconds = self._upscale(model, picture.pixels, on_progress, number, count)
        return picture.enlarged(result, Upscaled(model.name, model.scale), seconds["upscale"])

    def _upscale(
        self,
        model: Upscaler,
        pixels: memoryview,
        on_progress: ProgressFunction | None,
        number: int,
        count: int,
    ) -> tuple[Raster, dict[str, float]]:
        if not model.path.exists():
            raise ModelNotFoundError(f"{quoted(str(model.path))} no longer exists")
        progress = PictureProgress(
            on_progress, Progress("load", 0, 0, 0.0, number, count), lambda: None
        )
        with self._own_lock():
            try:
                result = self._engine.upscale(
                    pixels,
                    model=str(model.path.absolute()),
                    threads=self._threads,
                    device=self._device,
                    on_progress=progress,
                    on_log=self._on_log,
                )
            except BlankPictureError as error:
                raise BlankPictureError(
                    f"{quoted(model.name)} enlarged no picture: its numbers overflowed",
                    hint=phrase("use another upscaling model"),
                ) from error
        return Raster(result.pixels, result.width, result.height), progress.seconds

    def cancel(self) -> None:
        """End an upscaling of another thread; it raises an EngineError."""
        self._engine.cancel()

    def close(self) -> None:
        """Free the model and end its process."""
        with self._own_lock():
            self._engine.close()
