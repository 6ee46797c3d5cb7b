"""Callbacks and errors of the compiled engine, as this package's."""

import os
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

from gpustack_draw.engine.out_of_memory import is_out_of_memory, memory_error
from gpustack_draw.engine.process import EngineProgressFunction
from gpustack_draw.engine.results import Device, EngineProgress
from gpustack_draw.errors import (
    EngineError,
    ModelFileError,
    UsageError,
    quoted,
)
from gpustack_draw.phrases import phrase
from gpustack_draw.progress.callbacks import LogFunction
from gpustack_draw.progress.pixels import Raster

PRECISION_VARIABLE = "GPUSTACK_DRAW_CPU_PRECISION"
PRECISIONS = ("auto", "float", "int8")  # as in cpp/cpu/backend.cpp


class ProgressAdapter:
    """A progress callback for the compiled engine.

    Attributes:
        phase: The last phase; empty before the first.
    """

    def __init__(self, on_progress: EngineProgressFunction | None) -> None:
        """Create it; ``on_progress`` receives this package's records."""
        self.phase = ""
        self._on_progress = on_progress

    def __call__(self, phase: Any, step: int, total: int, seconds: float, preview: Any) -> None:
        """Report the progress of the engine."""
        self.phase = phase.name
        if self._on_progress is not None:
            raster = preview and Raster(preview.pixels, preview.width, preview.height)
            self._on_progress(EngineProgress(phase.name, step, total, seconds, raster))


def adapt_log(on_log: LogFunction | None) -> Callable[[str, bytes], None] | None:
    """Return a log callback for the compiled engine."""
    if on_log is None:
        return None
    # The library truncates long lines, possibly inside a multi-byte character.
    return lambda level, text: on_log(level, text.decode(errors="replace"))


def log_backends(on_log: LogFunction | None, core: ModuleType) -> None:
    """Log how the GPU backends of other packages were loaded."""
    if on_log is not None:
        for level, text in core.backend_log():
            on_log(level, text.decode(errors="replace"))


def engine_error(error: Exception, phase: str = "", *, gpu: str = "") -> EngineError:
    """Return the error for an EngineError of the compiled engine.

    Args:
        error: The error.
        phase: The phase in which it was raised; empty if it is unknown.
        gpu: See :func:`gpu_named`.
    """
    # The first line is the failure, the others the library's log: "model.cpp:871  - ...".
    failure, *log = str(error).splitlines()
    if is_out_of_memory(str(error)):
        return memory_error(failure.partition(":")[0], phase, gpu=gpu)
    reason = log[-1].split(" - ", 1)[-1].strip() if log else ""
    return EngineError(
        f"{failure}: {reason}" if reason else failure,
        hint=phrase("{on_log=print} prints the engine's log"),
    )


def damaged_model(error: Exception) -> ModelFileError:
    """Return the error for a DamagedModelError of the compiled engine."""
    return ModelFileError(
        f"the model is damaged: tensor {quoted(str(error))} contains NaN or infinity",
        hint="download the file again, or use another one",
    )


def unknown_device(name: str, available: Sequence[str]) -> UsageError:
    """Return the error for a device name that this machine does not have."""
    return UsageError(
        f"no device named {quoted(name)}",
        hint=phrase("type {device='auto'}, or one of {}", ", ".join(available)),
        argument="device",
    )


def device_named(name: str, devices: Sequence[Device]) -> Device:
    """Return the device of a name, or the one that ``auto`` stands for.

    Raises:
        UsageError: There is no such device, or the environment names no precision of CPUs.
    """
    _check_precision()
    for device in devices:
        if device.used if name.lower() == "auto" else device.name.lower() == name.lower():
            return device
    raise unknown_device(name, [device.name for device in devices])


def _check_precision() -> None:
    precision = os.environ.get(PRECISION_VARIABLE, "")
    if precision and precision not in PRECISIONS:
        raise UsageError(
            f"{PRECISION_VARIABLE} is {quoted(precision)}",
            hint=f"set it to {', '.join(PRECISIONS[:-1])} or {PRECISIONS[-1]}, or remove it",
        )


def gpu_named(name: str, core: ModuleType) -> str:
    """Return the name of a device with memory of its own; empty for all others.

    Args:
        name: ``auto`` or the name of a device.
        core: The compiled engine.

    Raises:
        UsageError: There is no such device.
    """
    device = device_named(name, core.list_devices())
    return device.name if device.type == "gpu" else ""
