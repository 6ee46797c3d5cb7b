"""
The engine of gpustack_draw. Use gpustack_draw.generate() and load() instead.
"""
from __future__ import annotations
import collections.abc
import enum
import typing
__all__: list[str] = ['CancelledError', 'DamagedModelError', 'Device', 'Engine', 'EngineError', 'OverflowError', 'Phase', 'Picture', 'Previews', 'build_info', 'list_devices', 'samplers', 'schedulers']
class EngineError(RuntimeError):
    pass
class CancelledError(EngineError):
    pass
class OverflowError(EngineError):
    pass
class DamagedModelError(EngineError):
    pass
class Device:
    """
    Something that can compute.
    """
    @property
    def description(self) -> str:
        ...
    @property
    def kind(self) -> str:
        """
        'cpu', 'gpu', 'igpu' or 'accel'.
        """
    @property
    def memory_free(self) -> int:
        """
        Bytes; 0 where the driver does not tell.
        """
    @property
    def memory_total(self) -> int:
        """
        Bytes; 0 where the driver does not tell.
        """
    @property
    def name(self) -> str:
        ...
    @property
    def used(self) -> bool:
        """
        A model would be loaded here now.
        """
class Picture:
    """
    A drawn picture: a buffer of (height, width, 3) bytes, red, green, blue.
    """
    @property
    def height(self) -> int:
        """
        Pixels.
        """
    @property
    def pixels(self) -> memoryview:
        """
        The buffer itself; it keeps the picture alive.
        """
    @property
    def width(self) -> int:
        """
        Pixels.
        """
class Phase(enum.Enum):
    """
    What the engine is doing.
    """
    decode: typing.ClassVar[Phase]
    encode: typing.ClassVar[Phase]
    load: typing.ClassVar[Phase]
    sample: typing.ClassVar[Phase]
    @classmethod
    def __new__(cls, value):
        ...
class Previews(enum.Enum):
    """
    How progress shows the picture.
    """
    decoded: typing.ClassVar[Previews]
    none: typing.ClassVar[Previews]
    projected: typing.ClassVar[Previews]
    @classmethod
    def __new__(cls, value):
        ...
class Engine:
    """
    A loaded model, ready to draw.
    """
    def __init__(self, *, model: str = '', diffusion_model: str = '', vae: str = '', clip_l: str = '', clip_g: str = '', t5xxl: str = '', llm: str = '', taesd: str = '', device: str = 'auto', threads: int = 0, on_progress: collections.abc.Callable[[Phase, int, int, float, Picture | None], None] | None = None, on_log: collections.abc.Callable[[str, bytes], None] | None = None) -> None:
        """
        Load a model.
        
        Args:
            model: Path of an all-in-one file or of a folder in diffusers layout; bytes where its name is
                not UTF-8.
            diffusion_model: Path of a diffusion-only file, instead of ``model``.
            vae: Path; likewise clip_l, clip_g, t5xxl, llm and taesd.
            device: "auto" or the name of a device.
            threads: CPU threads, 0 for as many as the library takes.
            on_progress: Called as ``on_progress(phase, step, total, seconds, None)``. An exception it
                raises ends the loading and is raised here.
            on_log: Called as ``on_log(level, line)`` with the library's log, also from other threads.
        
        Raises:
            DamagedModelError: A tensor, whose name the text is, holds NaN or infinity.
            EngineError: The model did not load; the text quotes the library's log.
            ValueError: No device has that name.
        """
    def cancel(self) -> None:
        """
        Stop the drawing that runs now (at once, or at its next step where it is not our own backend that computes) and those that wait. From any thread.
        """
    def generate(self, prompt: str, *, negative_prompt: str = '', width: int, height: int, sampler: str, scheduler: str, sample_steps: int, cfg_scale: typing.SupportsFloat | typing.SupportsIndex, guidance: typing.SupportsFloat | typing.SupportsIndex, seed: int, previews: Previews = ..., on_progress: collections.abc.Callable[[Phase, int, int, float, Picture | None], None] | None = None, on_log: collections.abc.Callable[[str, bytes], None] | None = None) -> Picture:
        """
        Draw one picture. Other Python threads run meanwhile.
        
        Args:
            prompt: What to draw.
            negative_prompt: What to avoid; without effect where cfg_scale is 1.
            width: Pixels, a multiple of what the model needs.
            height: Pixels, a multiple of what the model needs.
            sampler: One of samplers().
            scheduler: One of schedulers().
            sample_steps: At least 1.
            cfg_scale: Classifier-free guidance; 1 is without.
            guidance: Distilled guidance.
            seed: 0 or more.
            previews: How to show the picture as it grows.
            on_progress: Called as ``on_progress(phase, step, total, seconds, preview)``; the preview is
                None unless there is a new one. An exception it raises stops the drawing and is raised here.
            on_log: Called as ``on_log(level, line)`` with the library's log.
        
        Raises:
            CancelledError: cancel() was called meanwhile.
            OverflowError: The numbers became NaN or infinity on their way to the picture.
            EngineError: There is no picture; the text quotes the library's log.
        """
    @property
    def device(self) -> str:
        """
        Where the model was loaded.
        """
    @property
    def is_usable(self) -> bool:
        """
        Whether generate() can be called.
        """
def build_info() -> dict[str, str]:
    """
    How this build was made: compiler, ggml, instructions of the CPU that it uses.
    """
def list_devices() -> list[Device]:
    """
    What can compute here.
    """
def samplers() -> list[str]:
    """
    Names of the samplers, in the engine's order.
    """
def schedulers() -> list[str]:
    """
    Names of the schedulers, in the engine's order.
    """
__version__: str = '0.1.0'
