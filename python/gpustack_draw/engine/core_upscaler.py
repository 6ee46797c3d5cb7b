"""The compiled engine's upscaling model in this process."""

import os
from typing import Any

from gpustack_draw.engine.core_calls import (
    ProgressAdapter,
    adapt_log,
    damaged_model,
    engine_error,
    gpu_named,
)
from gpustack_draw.engine.cpu_count import usable_cores
from gpustack_draw.engine.import_core import import_core
from gpustack_draw.engine.process import EngineProgressFunction
from gpustack_draw.engine.results import DrawResult
from gpustack_draw.errors import BlankPictureError
from gpustack_draw.progress.callbacks import LogFunction


class CoreUpscaler:
    """The upscaling model that was used last; it stays loaded."""

    def __init__(self) -> None:
        """Create an upscaler without a model."""
        self._upscaler: Any = None
        self._gpu = ""
        self._loaded: tuple[str, int, str] | None = None

    def upscale(
        self,
        picture: memoryview,
        *,
        model: str,
        threads: int = 0,
        device: str = "auto",
        on_progress: EngineProgressFunction | None = None,
        on_log: LogFunction | None = None,
    ) -> DrawResult:
        """Enlarge a picture by the factor of a model, which the first call loads.

        Args:
            picture: (height, width, 3) uint8, C-contiguous: red, green, blue.
            model: Path of an upscaling model, from ``resolver.upscaler``: the engine does not check
                what the file contains.
            threads: CPU threads; 0 for one per core.
            device: ``auto`` or the name of a device.
            on_progress: Called with the progress of the phases ``load`` and ``upscale``; the latter
                has a step per tile.
            on_log: Called with level and text of each line of the engine's log.

        Raises:
            UsageError: No device has that name.
            ModelFileError: A tensor contains NaN or infinity.
            BlankPictureError: NaN or infinity was computed.
            EngineError: The engine failed to load the model or to upscale the picture.
        """
        _core = import_core()

        progress = ProgressAdapter(on_progress)
        callbacks: Any = {"on_progress": progress, "on_log": adapt_log(on_log)}
        try:
            if self._loaded != (model, threads, device) or not self._upscaler.is_usable:
                self._load(model, threads, device, callbacks)
            result = self._upscaler.upscale(picture, **callbacks)
        except _core.DamagedModelError as error:
            raise damaged_model(error) from error
        except _core.OverflowError as error:
            raise BlankPictureError("its numbers overflowed") from error
        except _core.EngineError as error:
            raise engine_error(error, progress.phase, gpu=self._gpu) from error
        return DrawResult(result.width, result.height, result.pixels)

    def _load(self, model: str, threads: int, device: str, callbacks: Any) -> None:
        _core = import_core()

        self.close()
        self._gpu = gpu_named(device, _core)
        self._upscaler = _core.Upscaler(
            # Bytes, because a path may contain bytes that are not valid UTF-8.
            model=os.fsencode(model),
            device=device,
            threads=threads or usable_cores() or 0,
            **callbacks,
        )
        self._loaded = (model, threads, device)

    def close(self) -> None:
        """Free the model."""
        self._upscaler = None
        self._loaded = None
