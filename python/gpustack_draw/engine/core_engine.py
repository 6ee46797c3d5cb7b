"""The compiled engine in this process, with Python values and this package's errors."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from gpustack_draw.engine.cache_numbers import cache_numbers
from gpustack_draw.engine.core_calls import (
    ProgressAdapter,
    adapt_log,
    damaged_model,
    device_named,
    engine_error,
    gpu_named,
    log_backends,
)
from gpustack_draw.engine.core_upscaler import CoreUpscaler
from gpustack_draw.engine.cpu_count import usable_cores
from gpustack_draw.engine.import_core import import_core
from gpustack_draw.engine.input_buffers import InputBuffers
from gpustack_draw.engine.process import EngineProgressFunction
from gpustack_draw.engine.process_end import drawing_canceled
from gpustack_draw.engine.results import (
    Device,
    DrawResult,
    EngineLora,
    EngineNames,
    EngineTensor,
    LoadResult,
)
from gpustack_draw.errors import BlankPictureError, ModelFileError, quoted
from gpustack_draw.progress.callbacks import LogFunction
from gpustack_draw.request.option_types import ListOption
from gpustack_draw.request.options import SAMPLING_OPTIONS

_NO_EMBEDDINGS: Mapping[str, str] = {}
# The sampling options that are lists of numbers.
_LISTS = tuple(option.name for option in SAMPLING_OPTIONS if isinstance(option, ListOption))


class CoreEngine:
    """The compiled engine in this process. EngineProcess has the same methods."""

    def __init__(self) -> None:
        """Create an engine without a model; the first call imports the compiled engine."""
        self._engine: Any = None
        self._gpu = ""
        self._upscaler = CoreUpscaler()

    @property
    def messages_received(self) -> None:
        """None: there is no process that sends messages."""
        return

    @property
    def is_loaded(self) -> bool:
        """True if a model is loaded and usable."""
        return self._engine is not None and bool(self._engine.is_usable)

    def cancel(self) -> None:
        """Cancel a running drawing from any thread; it fails, and the model stays loaded."""
        engine = self._engine
        if engine is not None:
            engine.cancel()

    def load(
        self,
        *,
        files: Mapping[str, str],
        threads: int,
        device: str,
        switches: Sequence[str] = (),
        numbers: Mapping[str, float] | None = None,
        encode_pictures: bool = False,
        embeddings: Mapping[str, str] = _NO_EMBEDDINGS,
        on_progress: EngineProgressFunction | None = None,
        on_log: LogFunction | None = None,
    ) -> LoadResult:
        """Load a model and free the previous one.

        Args:
            files: Paths by component: ``model`` or ``diffusion_model``, ``vae``, ...
            threads: CPU threads; 0 for one per core.
            device: ``auto`` or the name of a device.
            switches: Names of the engine's numbers that are set to 1.
            numbers: Other numbers of the engine, by name.
            encode_pictures: Load the encoder of the VAE too, which input pictures need, except for
                the control picture of a ControlNet.
            embeddings: Paths of safetensors files with F32 vectors, by the words that stand for
                them in prompts.
            on_progress: Called with the progress of the phase ``load``.
            on_log: Called with level and text of each line of the engine's log.

        Raises:
            UsageError: No device has that name.
            ModelFileError: A tensor contains NaN or infinity.
            EngineError: The engine failed to load the model.
        """
        _core = import_core()

        self._engine = None
        log_backends(on_log, _core)
        all_numbers = {**dict.fromkeys(switches, 1), **(numbers or {})}
        if threads := threads or usable_cores():
            all_numbers["threads"] = threads
        # Bytes, because a path may contain bytes that are not valid UTF-8.
        paths: Any = {name: os.fsencode(path) for name, path in files.items()}
        self._gpu = gpu_named(device, _core)  # which may fail once its memory is used up
        try:
            self._engine = _core.Engine(
                files=paths,
                numbers=all_numbers,
                device=device,
                encode_pictures=encode_pictures,
                embeddings={word: os.fsencode(path) for word, path in embeddings.items()},
                on_progress=ProgressAdapter(on_progress),
                on_log=adapt_log(on_log),
            )
        except _core.DamagedModelError as error:
            raise damaged_model(error) from error
        except _core.EngineError as error:
            raise engine_error(error, "load", gpu=self._gpu) from error
        return LoadResult(self._engine.device)

    def draw(
        self,
        *,
        settings: Mapping[str, Any],
        numbers: Mapping[str, float] | None = None,
        pictures: InputBuffers | None = None,
        canny: bool = False,
        loras: Sequence[EngineLora] = (),
        hires_upscaler: str = "",
        previews: str = "none",
        on_progress: EngineProgressFunction | None = None,
        on_log: LogFunction | None = None,
    ) -> DrawResult:
        """Draw a picture with the loaded model.

        Args:
            settings: The values of a DrawSettings, by name.
            numbers: More numbers of the engine, by name; they replace those of the settings.
            pictures: Input pictures; all but the control picture of a ControlNet need a model
                loaded with ``encode_pictures``.
            canny: Replace the control picture by its edges.
            loras: LoRAs to apply. Another choice than in the last drawing needs no new load.
            hires_upscaler: The engine's name of a latent upscaler, for a second pass in the size of
                the numbers ``hires_width`` and ``hires_height``; empty for one pass.
            previews: Previews in the progress: ``none``, ``projected`` or ``decoded``.
            on_progress: Called with the progress of the phases after ``load``.
            on_log: Called with level and text of each line of the engine's log.

        Raises:
            BlankPictureError: NaN or infinity was computed.
            ModelFileError: A LoRA contains NaN or infinity.
            EngineError: The engine failed to load a LoRA or to draw the picture, or was canceled.
        """
        _core = import_core()

        chosen = {option.name: settings.get(option.name) for option in SAMPLING_OPTIONS}
        others = {name: value for name, value in settings.items() if name not in chosen}
        lists = {name: chosen.pop(name) or () for name in _LISTS}
        chosen |= {**cache_numbers(chosen.pop("cache")), **(numbers or {})}
        progress = ProgressAdapter(on_progress)
        inputs = {} if pictures is None else dict(pictures.keywords)
        if canny:
            inputs["control"] = _core.find_edges(inputs["control"])
        try:
            picture = self._engine.generate(
                **others,
                **lists,
                numbers={name: value for name, value in chosen.items() if value is not None},
                **inputs,
                loras=[(os.fsencode(lora.path), lora.weight, lora.high_noise) for lora in loras],
                hires_upscaler=hires_upscaler,
                previews=_core.Previews[previews],
                on_progress=progress,
                on_log=adapt_log(on_log),
            )
        except _core.CancelledError as error:
            raise drawing_canceled() from error
        except _core.OverflowError as error:
            raise BlankPictureError("its numbers overflowed") from error
        except _core.DamagedLoraError as error:
            raise ModelFileError(
                f"the LoRA {quoted(str(error))} is damaged: it contains NaN or infinity",
                hint="download the file again, or use another one",
            ) from error
        except _core.EngineError as error:
            raise engine_error(error, progress.phase, gpu=self._gpu) from error
        return DrawResult(
            picture.width,
            picture.height,
            picture.pixels,
            picture.lora_tensors,
            picture.step_cache,
        )

    def measure_speed(self, *, device: str, threads: int, **_callbacks: object) -> float:
        """Measure the speed of a device with matrix products, for a tenth of a second.

        Args:
            device: Name of the device.
            threads: CPU threads, 1 or more.

        Returns:
            Floating-point operations per second; 0 if the device cannot compute.

        Raises:
            UsageError: No device has that name.
            EngineError: Called inside a callback.
        """
        _core = import_core()

        device_named(device, _core.list_devices())
        try:
            return float(_core.measure_speed(device, threads=threads))
        except _core.EngineError as error:
            raise engine_error(error) from error

    def engine_names(
        self,
        model_tensors: Sequence[EngineTensor],
        lora_names: Sequence[str],
        **_callbacks: object,
    ) -> EngineNames:
        """Return the engine's names of the tensors of a model and of a LoRA; loads nothing.

        Args:
            model_tensors: Tensors of all files of the model.
            lora_names: Names in the file of the LoRA.

        Raises:
            ModelFileError: No model has so many tensors, such names or such shapes.
        """
        _core = import_core()

        tensors: Any = [
            (tensor.name.encode(errors="surrogatepass"), tensor.shape, tensor.component)
            for tensor in model_tensors
        ]
        names: Any = [name.encode(errors="surrogatepass") for name in lora_names]
        try:
            found = _core.engine_names(tensors, names)
        except ValueError as error:
            raise ModelFileError(f"the names of the tensors cannot be read: {error}") from error
        return EngineNames(*(tuple(_decoded(name) for name in group) for group in found))

    def upscale(self, picture: memoryview, **fields: Any) -> DrawResult:
        """Upscale a picture; see CoreUpscaler.upscale."""
        return self._upscaler.upscale(picture, **fields)

    def devices(self, *, on_log: LogFunction | None = None, **_others: object) -> list[Device]:
        """List the devices of this machine that can compute.

        Args:
            on_log: Called with the log of the GPU backends of other packages; the level of a line
                about one that is not used is ``note``.
        """
        _core = import_core()

        devices = [
            Device(
                name=device.name,
                description=device.description,
                type=device.type,
                memory_free=device.memory_free,
                memory_total=device.memory_total,
                used=device.used,
            )
            for device in _core.list_devices()
        ]
        log_backends(on_log, _core)
        return devices

    def close(self) -> None:
        """Free the model and the upscaling model."""
        self._engine = None
        self._upscaler.close()


def build_info() -> dict[str, str]:
    """Return how the engine was built, and the number of cores that it may use."""
    _core = import_core()

    facts = {**_core.build_info(), "usable_cores": str(usable_cores() or "unknown")}
    return {"version": _core.__version__, **facts}


def _decoded(name: bytes) -> str:
    return name.decode(errors="surrogatepass")
