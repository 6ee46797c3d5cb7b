"""Records that the engine returns and reports. Between processes they travel as JSON."""

from dataclasses import dataclass

from gpustack_draw.progress.pixels import Raster

# Name of the project's own CPU device; the same constant is in cpp/cpu/backend.h.
FAST_CPU = "FastCPU"


@dataclass(frozen=True)
class Device:
    """A device that can compute.

    Attributes:
        name: Value for the ``device`` argument, such as ``FastCPU`` or ``CUDA0``.
        description: The manufacturer's name for the device.
        type: Device type: ``cpu``, ``gpu``, ``igpu``, ``accel``, or ``software`` for a driver that
            computes a GPU's work on the CPU.
        memory_free: Free memory in bytes; 0 if the driver does not report it.
        memory_total: Total memory in bytes; 0 if the driver does not report it.
        used: True for the device that ``auto`` selects.
    """

    name: str
    description: str
    type: str
    memory_free: int
    memory_total: int
    used: bool


@dataclass(frozen=True)
class EngineProgress:
    """Progress of one phase of the engine.

    Attributes:
        phase: ``load``, ``load_loras``, ``encode_pictures``, ``encode``, ``sample``, ``decode`` or
            ``upscale``.
        step: Completed steps of the phase, from 0 to ``total``.
        total: Number of steps of the phase, at least 1.
        seconds: Time since the phase began.
        preview: The unfinished picture, if the step made a preview of it.
    """

    phase: str
    step: int
    total: int
    seconds: float
    preview: Raster | None = None


@dataclass(frozen=True)
class LoadResult:
    """A loaded model.

    Attributes:
        device: Name of the device that the model was loaded on.
    """

    device: str


@dataclass(frozen=True)
class EngineLora:
    """A LoRA that a drawing uses.

    Attributes:
        path: Absolute path of the file.
        weight: Factor of its effect; 0 leaves it out.
        high_noise: True for the model of the early steps, in a family with two models.
    """

    path: str
    weight: float = 1.0
    high_noise: bool = False


@dataclass(frozen=True)
class EngineTensor:
    """A tensor of a model, as in the header of its file.

    Attributes:
        name: Name in the file.
        shape: Number of elements per dimension, fastest first.
        component: The component that the file is loaded as: ``model``, ``diffusion_model``, ...
    """

    name: str
    shape: tuple[int, ...]
    component: str = "model"


@dataclass(frozen=True)
class EngineNames:
    """The engine's names of tensors, in the order in which the tensors were passed.

    Attributes:
        model: Names of the model's tensors.
        lora: Names of the LoRA's tensors: ``lora.``, the engine's name of a tensor of the model, a
            number if the tensor is a later part of a fused one, and the factor, such as
            ``lora_down``.
    """

    model: tuple[str, ...]
    lora: tuple[str, ...]


@dataclass(frozen=True)
class DrawResult:
    """Pixels of a drawn picture.

    Attributes:
        width: Width in pixels.
        height: Height in pixels.
        pixels: Red, green and blue of each pixel, row by row from the top, as ``height * width *
            3`` contiguous bytes of any shape.
        lora_tensors: Applied tensors and all tensors of the LoRAs; None without LoRAs.
        step_cache: Evaluations of the model that a step cache skipped, and sampling steps; None
            without one.
        vae_tile: Largest side of the tiles in which it was decoded, in pixels; None for the whole
            picture at once.
    """

    width: int
    height: int
    pixels: memoryview
    lora_tensors: tuple[int, int] | None = None
    step_cache: tuple[int, int] | None = None
    vae_tile: int | None = None
