"""The compiled engine in this process, behind plain values."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gpustack_draw.engine.cpu_count import usable_cores
from gpustack_draw.engine.import_core import import_core
from gpustack_draw.engine.process import LogFunction, RawProgress
from gpustack_draw.errors import (
    BlankPictureError,
    EngineError,
    ModelFileError,
    NotEnoughMemoryError,
    UsageError,
    quoted,
)
from gpustack_draw.progress.pixels import Raster


class CoreEngine:
    """The compiled engine behind plain values. EngineProcess offers the same calls."""

    def __init__(self) -> None:
        """Prepare; the compiled engine is imported by the first call."""
        self._engine: Any = None

    @property
    def heard(self) -> None:
        """None: there is no process to listen to."""
        return

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
            on_progress: Called with phase, step, total, seconds, and None.
            on_log: Called with level and text.

        Returns:
            ``device``: the name of the device it was loaded on.

        Raises:
            UsageError: No device has that name.
            ModelFileError: A tensor holds NaN or infinity.
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
        except _core.DamagedModelError as error:
            raise ModelFileError(
                f"the model is damaged: tensor {quoted(str(error))} holds NaN or infinity",
                hint="fetch the file again, or use another one",
            ) from error
        except _core.EngineError as error:
            raise _engine_error(error) from error
        except ValueError as error:
            names = [known.name for known in _core.list_devices()]
            if device.lower() in {"auto", *(name.lower() for name in names)}:
                raise  # of a callback
            raise no_such_device(device, names) from error
        return {"device": self._engine.device}

    def draw(
        self,
        *,
        settings: Mapping[str, Any],
        previews: str = "none",
        on_progress: RawProgress | None = None,
        on_log: LogFunction | None = None,
    ) -> dict[str, Any]:
        """Draw a picture with the loaded model.

        Args:
            settings: The values of a DrawSettings, by name.
            previews: How to show the picture as it grows: ``none``, ``projected``, ``decoded``.
            on_progress: Called with phase, step, total, seconds, and the preview, if there is one.
            on_log: Called with level and text.

        Returns:
            ``width``, ``height``, and ``pixels``, a memoryview of (height, width, 3) uint8.

        Raises:
            BlankPictureError: The numbers became NaN or infinity on their way to the picture.
            EngineError: The engine gave no picture.
        """
        _core = import_core()

        try:
            picture = self._engine.generate(
                **settings,
                previews=_core.Previews[previews],
                on_progress=_phase_names(on_progress),
                on_log=_decoded(on_log),
            )
        except _core.OverflowError as error:
            raise BlankPictureError("its numbers overflowed") from error
        except _core.EngineError as error:
            raise _engine_error(error) from error
        return {"width": picture.width, "height": picture.height, "pixels": picture.pixels}

    def devices(self, **_callbacks: object) -> dict[str, Any]:
        """List what can compute here, as ``devices``, a list of values by name."""
        _core = import_core()

        return {
            "devices": [
                {
                    "name": device.name,
                    "description": device.description,
                    "type": device.kind,
                    "memory_free": device.memory_free,
                    "memory_total": device.memory_total,
                    "used": device.used,
                }
                for device in _core.list_devices()
            ]
        }

    def close(self) -> None:
        """Free the model."""
        self._engine = None


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


def _phase_names(on_progress: RawProgress | None) -> Callable[[Any, int, int, float, Any], None]:
    def call(phase: Any, step: int, total: int, seconds: float, preview: Any) -> None:
        if on_progress is not None:
            raster = preview and Raster(preview.pixels, preview.width, preview.height)
            on_progress(phase.name, step, total, seconds, raster)

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
