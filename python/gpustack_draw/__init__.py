"""Text-to-image generation with GGUF models, on this machine or on a GPUStack server.

>>> import gpustack_draw
>>> gpustack_draw.generate("demo", "a red circle on a blue background", seed=7)

Public names are imported on first use, which keeps ``import gpustack_draw`` fast.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from gpustack_draw.api import generate, load, resolve
    from gpustack_draw.display import Gallery
    from gpustack_draw.engine.core_engine import build_info
    from gpustack_draw.engine.devices import Device, devices
    from gpustack_draw.errors import (
        BlankPictureError,
        DrawError,
        EngineCrashed,
        EngineError,
        FetchError,
        ModelFileError,
        ModelNotFoundError,
        NotEnoughMemoryError,
        NotYetSupportedError,
        OutputError,
        ServerError,
        UsageError,
    )
    from gpustack_draw.inputs.input_picture import InputPicture
    from gpustack_draw.inputs.read_picture import picture_size, read_picture
    from gpustack_draw.list_models import AvailableModel, known_models, models, server_models
    from gpustack_draw.memory.memory_plan import MemoryPlan, PhaseBytes
    from gpustack_draw.memory.work import MemoryChoices
    from gpustack_draw.model import Model
    from gpustack_draw.pictures.not_enlarged import NotEnlargedError
    from gpustack_draw.pictures.picture import Picture
    from gpustack_draw.pictures.read_parameters import Parameters, read_parameters
    from gpustack_draw.pictures.save import encode, save
    from gpustack_draw.plan import ModelPlan, PlannedFile
    from gpustack_draw.progress.pixels import Raster
    from gpustack_draw.progress.progress import Progress
    from gpustack_draw.request.draw_request import DrawRequest
    from gpustack_draw.request.draw_settings import (
        DrawSettings,
        HiresSettings,
        PictureSettings,
        PlannedSettings,
    )
    from gpustack_draw.request.embeddings import Embedding, Embeddings
    from gpustack_draw.request.hires_options import HiresOptions
    from gpustack_draw.request.known_models import KnownModel
    from gpustack_draw.request.loras import Lora, LoraOptions, LoraSettings
    from gpustack_draw.request.memory_options import MemoryOptions
    from gpustack_draw.request.names import SAMPLERS, SCHEDULERS
    from gpustack_draw.request.picture_options import PictureOptions
    from gpustack_draw.request.sampling import SamplingOptions
    from gpustack_draw.request.target import Components, Target
    from gpustack_draw.request.web_ui_names import (
        HIRES_UPSCALER_TITLES,
        SAMPLER_TITLES,
        SCHEDULER_TITLES,
    )
    from gpustack_draw.resolver.describe_file import FileInfo, info
    from gpustack_draw.speed.estimate import PictureTime
    from gpustack_draw.upscale_picture import upscale

_MODULES = {
    "request.draw_settings": (
        "DrawSettings",
        "HiresSettings",
        "PictureSettings",
        "PlannedSettings",
    ),
    "request.embeddings": ("Embedding", "Embeddings"),
    "request.hires_options": ("HiresOptions",),
    "request.known_models": ("KnownModel",),
    "request.memory_options": ("MemoryOptions",),
    "request.picture_options": ("PictureOptions",),
    "request.sampling": ("SamplingOptions",),
    "request.target": ("Components", "Target"),
    "request.web_ui_names": ("HIRES_UPSCALER_TITLES", "SAMPLER_TITLES", "SCHEDULER_TITLES"),
    "errors": (
        "BlankPictureError",
        "DrawError",
        "EngineCrashed",
        "EngineError",
        "FetchError",
        "ModelFileError",
        "ModelNotFoundError",
        "NotEnoughMemoryError",
        "NotYetSupportedError",
        "OutputError",
        "ServerError",
        "UsageError",
    ),
    "resolver.describe_file": ("FileInfo", "info"),
    "inputs.input_picture": ("InputPicture",),
    "inputs.read_picture": ("picture_size", "read_picture"),
    "list_models": ("AvailableModel", "known_models", "models", "server_models"),
    "api": ("generate", "load", "resolve"),
    "engine.devices": ("Device", "devices"),
    "memory.memory_plan": ("MemoryPlan", "PhaseBytes"),
    "memory.work": ("MemoryChoices",),
    "model": ("Model",),
    "plan": ("ModelPlan", "PlannedFile"),
    "engine.core_engine": ("build_info",),
    "request.loras": ("Lora", "LoraOptions", "LoraSettings"),
    "request.names": ("SAMPLERS", "SCHEDULERS"),
    "display": ("Gallery",),
    "speed.estimate": ("PictureTime",),
    "pictures.not_enlarged": ("NotEnlargedError",),
    "pictures.picture": ("Picture",),
    "progress.progress": ("Progress",),
    "pictures.read_parameters": ("Parameters", "read_parameters"),
    "progress.pixels": ("Raster",),
    "request.draw_request": ("DrawRequest",),
    "pictures.save": ("encode", "save"),
    "upscale_picture": ("upscale",),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "HIRES_UPSCALER_TITLES",
    "SAMPLERS",
    "SAMPLER_TITLES",
    "SCHEDULERS",
    "SCHEDULER_TITLES",
    "AvailableModel",
    "BlankPictureError",
    "Components",
    "Device",
    "DrawError",
    "DrawRequest",
    "DrawSettings",
    "Embedding",
    "Embeddings",
    "EngineCrashed",
    "EngineError",
    "FetchError",
    "FileInfo",
    "Gallery",
    "HiresOptions",
    "HiresSettings",
    "InputPicture",
    "KnownModel",
    "Lora",
    "LoraOptions",
    "LoraSettings",
    "MemoryChoices",
    "MemoryOptions",
    "MemoryPlan",
    "Model",
    "ModelFileError",
    "ModelNotFoundError",
    "ModelPlan",
    "NotEnlargedError",
    "NotEnoughMemoryError",
    "NotYetSupportedError",
    "OutputError",
    "Parameters",
    "PhaseBytes",
    "Picture",
    "PictureOptions",
    "PictureSettings",
    "PictureTime",
    "PlannedFile",
    "PlannedSettings",
    "Progress",
    "Raster",
    "SamplingOptions",
    "ServerError",
    "Target",
    "UsageError",
    "build_info",
    "devices",
    "encode",
    "generate",
    "info",
    "known_models",
    "load",
    "models",
    "picture_size",
    "read_parameters",
    "read_picture",
    "resolve",
    "save",
    "server_models",
    "upscale",
]


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        return version("gpustack-draw")
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'gpustack_draw' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"gpustack_draw.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    own = [name for name in globals() if name.startswith("__") and name.endswith("__")]
    return sorted([*own, *__all__, "__version__"])
