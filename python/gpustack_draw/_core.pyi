"""
Compiled engine of gpustack_draw. Use gpustack_draw.generate() and load() instead.
"""
from __future__ import annotations
import collections.abc
import enum
import typing
import typing_extensions
__all__: list[str] = ['CancelledError', 'DamagedLoraError', 'DamagedModelError', 'Device', 'Engine', 'EngineError', 'OverflowError', 'Phase', 'Picture', 'Previews', 'Upscaler', 'backend_log', 'build_info', 'engine_names', 'find_edges', 'list_devices', 'measure_speed', 'missing_instructions', 'samplers', 'schedulers', 'set_backend_files']
class EngineError(RuntimeError):
    pass
class CancelledError(EngineError):
    pass
class OverflowError(EngineError):
    pass
class DamagedModelError(EngineError):
    pass
class DamagedLoraError(EngineError):
    pass
class Device:
    """
    A device that can compute.
    """
    @property
    def description(self) -> str:
        ...
    @property
    def memory_free(self) -> int:
        """
        Bytes; 0 if the driver does not report it.
        """
    @property
    def memory_total(self) -> int:
        """
        Bytes; 0 if the driver does not report it.
        """
    @property
    def name(self) -> str:
        ...
    @property
    def type(self) -> str:
        """
        'cpu', 'gpu', 'igpu', 'accel' or 'software'.
        """
    @property
    def used(self) -> bool:
        """
        True for the device that 'auto' selects.
        """
class Picture:
    """
    A drawn picture: a buffer of (height, width, 3) uint8; red, green, blue.
    """
    @property
    def height(self) -> int:
        """
        Height in pixels.
        """
    @property
    def lora_tensors(self) -> tuple[int, int] | None:
        """
        Applied tensors and all tensors of the LoRAs that it was drawn with; None without them.
        """
    @property
    def pixels(self) -> memoryview:
        """
        (height, width, 3) uint8; a view that keeps the picture alive.
        """
    @property
    def step_cache(self) -> tuple[int, int] | None:
        """
        Evaluations of the model that a step cache skipped, and sampling steps; None without one.
        """
    @property
    def width(self) -> int:
        """
        Width in pixels.
        """
class Phase(enum.Enum):
    """
    A phase of the engine's work.
    """
    decode: typing.ClassVar[Phase]
    encode: typing.ClassVar[Phase]
    encode_pictures: typing.ClassVar[Phase]
    load: typing.ClassVar[Phase]
    load_loras: typing.ClassVar[Phase]
    sample: typing.ClassVar[Phase]
    upscale: typing.ClassVar[Phase]
    @classmethod
    def __new__(cls, value):
        ...
class Previews(enum.Enum):
    """
    Previews of the unfinished picture in the progress.
    """
    decoded: typing.ClassVar[Previews]
    none: typing.ClassVar[Previews]
    projected: typing.ClassVar[Previews]
    @classmethod
    def __new__(cls, value):
        ...
class Engine:
    """
    A loaded model.
    """
    def __init__(self, *, files: collections.abc.Mapping[str, str], numbers: collections.abc.Mapping[str, typing.SupportsFloat | typing.SupportsIndex] = {}, device: str = 'auto', encode_pictures: bool = False, embeddings: collections.abc.Mapping[str, str] = {}, on_progress: collections.abc.Callable[[Phase, int, int, float, Picture | None], None] | None = None, on_log: collections.abc.Callable[[str, bytes], None] | None = None) -> None:
        """
        Load a model.
        
        Args:
            files: Paths by the names in cpp/engine/named_parameters.cpp: ``model`` or ``diffusion_model``,
                ``vae``, ... They are str, or bytes that need not be valid UTF-8.
            numbers: Numbers by the names in that file, such as ``threads``; the library's default for a
                missing one.
            device: "auto" or the name of a device.
            encode_pictures: Load the encoder of the VAE too, which input pictures need.
            embeddings: Paths of safetensors files with one F32 matrix, by the words that stand for its rows in
                prompts of Stable Diffusion 1 and 2. The library finds a word anywhere, in lower case only.
            on_progress: Called as ``on_progress(phase, step, total, seconds, None)``. An exception that it
                raises stops the loading and is raised by this call.
            on_log: Called as ``on_log(level, line)`` with the library's log, from any thread.
        
        Raises:
            DamagedModelError: A tensor contains NaN or infinity; the message is its name.
            EngineError: The model did not load; the message quotes the library's log.
            ValueError: No device, file or number has that name.
        """
    def cancel(self) -> None:
        """
        Cancel the running drawing and the waiting ones, from any thread. The running one stops immediately on FastCPU and at its next step on other devices.
        """
    def generate(self, prompt: str | collections.abc.Sequence[tuple[str, typing.SupportsFloat | typing.SupportsIndex, bool]], *, negative_prompt: str | collections.abc.Sequence[tuple[str, typing.SupportsFloat | typing.SupportsIndex, bool]] = '', width: int, height: int, sampler: str, scheduler: str, seed: int, numbers: collections.abc.Mapping[str, typing.SupportsFloat | typing.SupportsIndex] = {}, sigmas: collections.abc.Sequence[typing.SupportsFloat | typing.SupportsIndex] = [], skip_layers: collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex] = [], image: typing_extensions.Buffer | None = None, mask: typing_extensions.Buffer | None = None, references: collections.abc.Sequence[typing_extensions.Buffer] = [], control: typing_extensions.Buffer | None = None, loras: collections.abc.Sequence[tuple[str, typing.SupportsFloat | typing.SupportsIndex, bool]] = [], hires_upscaler: str = '', previews: Previews = ..., on_progress: collections.abc.Callable[[Phase, int, int, float, Picture | None], None] | None = None, on_log: collections.abc.Callable[[str, bytes], None] | None = None) -> Picture:
        """
        Draw one picture without holding the GIL.
        
        Args:
            prompt: Description of the picture; or its pieces, each with its weight and whether it begins a
                new chunk of tokens. No character of a text has a meaning.
            negative_prompt: Description of what to avoid, likewise; no effect if the number ``cfg_scale`` is
                1.
            width: Width in pixels; rounded up to a multiple that the model needs.
            height: Height in pixels; rounded up to a multiple that the model needs.
            sampler: One of samplers().
            scheduler: One of schedulers().
            seed: 0 or more.
            numbers: Numbers by the names in cpp/engine/named_parameters.cpp, such as ``sample_steps``; the
                library's default for a missing one.
            sigmas: Noise levels at which the steps start, falling to a last 0; they replace the scheduler
                and the number ``sample_steps``.
            skip_layers: Layers, counted from 0, for skip-layer guidance with the number ``slg_scale``.
            image: (height, width, 3) uint8, RGB, of the drawing's size: the start of image-to-image, which
                the number ``strength`` keeps (0) or replaces (1).
            mask: (height, width) uint8, of the drawing's size: 255 is redrawn, 0 is kept. Needs ``image``.
            references: (height, width, 3) uint8 each, RGB, with sides that are multiples of 16: the
                pictures that an edit model looks at.
            control: (height, width, 3) uint8, RGB, of the drawing's size: the picture of a control model.
            loras: Path, weight, and whether it is for the model of the early steps, of each LoRA. Paths are
                str, or bytes that need not be valid UTF-8. Weights for the same file are summed.
            hires_upscaler: The library's name of a latent upscaler: a second pass draws the picture in the
                size of the numbers ``hires_width`` and ``hires_height``. Empty for one pass.
            previews: Previews of the unfinished picture in the progress.
            on_progress: Called as ``on_progress(phase, step, total, seconds, preview)``; the preview is
                None unless there is a new one. An exception that it raises stops the drawing and is raised
                by this call.
            on_log: Called as ``on_log(level, line)`` with the library's log, from any thread.
        
        Raises:
            CancelledError: cancel() was called.
            OverflowError: NaN or infinity was computed.
            DamagedLoraError: A LoRA contains NaN or infinity; the message is its path.
            EngineError: The library drew no picture; the message quotes its log.
            ValueError: No sampler, scheduler, latent upscaler or number has that name, a number is out of
                its range, or a picture does not fit the drawing or the model.
        """
    @property
    def device(self) -> str:
        """
        Name of the device that the model was loaded on.
        """
    @property
    def is_usable(self) -> bool:
        """
        True if generate() can be called.
        """
class Upscaler:
    """
    A loaded upscaling model.
    """
    def __init__(self, *, model: str, device: str = 'auto', threads: int = 0, tile_size: int = 256, on_progress: collections.abc.Callable[[Phase, int, int, float, Picture | None], None] | None = None, on_log: collections.abc.Callable[[str, bytes], None] | None = None) -> None:
        """
        Load an upscaling model.
        
        Args:
            model: Path of the file, str or bytes. Check it first: the library trusts its tensors.
            device: "auto" or the name of a device.
            threads: CPU threads; 0 for one per physical core.
            tile_size: Largest side of a tile, in pixels of the input.
            on_progress: Called as ``on_progress(phase, step, total, seconds, None)``. An exception that it
                raises stops the loading and is raised by this call.
            on_log: Called as ``on_log(level, line)`` with the library's log, from any thread.
        
        Raises:
            DamagedModelError: A tensor contains NaN or infinity; the message is its name.
            EngineError: The model did not load; the message quotes the library's log.
            ValueError: No device has that name, or the tile size is 0.
        """
    def upscale(self, picture: typing_extensions.Buffer, *, on_progress: collections.abc.Callable[[Phase, int, int, float, Picture | None], None] | None = None, on_log: collections.abc.Callable[[str, bytes], None] | None = None) -> Picture:
        """
        Upscale a picture without holding the GIL.
        
        Args:
            picture: (height, width, 3) uint8, RGB.
            on_progress: Called as ``on_progress(phase, step, total, seconds, None)``, with a step per tile.
                An exception that it raises stops the upscaling and is raised by this call.
            on_log: Called as ``on_log(level, line)`` with the library's log, from any thread.
        
        Raises:
            OverflowError: NaN or infinity was computed.
            EngineError: The library returned no picture; the message quotes its log.
            ValueError: The picture has no pixels.
        """
    @property
    def device(self) -> str:
        """
        Name of the device that the model was loaded on.
        """
    @property
    def is_usable(self) -> bool:
        """
        True if upscale() can be called.
        """
    @property
    def scale(self) -> int:
        """
        Factor by which the model enlarges both sides: 1, 2 or 4.
        """
def backend_log() -> list[tuple[str, bytes]]:
    """
    Return what was logged when the GPU backends were loaded.
    
    Returns:
        Level and line: "note" for each backend that is not used, and the levels of a log.
    """
def build_info() -> dict[str, str]:
    """
    Return facts about this build: compiler, optimization, versions of ggml and stable-diffusion.cpp, CPU instruction sets.
    """
def engine_names(model: collections.abc.Sequence[tuple[str, collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], str]], lora: collections.abc.Sequence[str]) -> tuple[list[bytes], list[bytes]]:
    """
    Return the engine's names of the tensors of a model and of a LoRA.
    
    Args:
        model: Name in the file, shape (fastest dimension first) and component of each tensor.
        lora: Names in the file of the LoRA.
    
    Returns:
        Two lists in the order of the arguments. The names of the LoRA begin with ``lora.``, followed by
        the engine's name of a tensor of the model.
    
    Raises:
        ValueError: A count, a length or a shape exceeds those of real models, or no component has that
            name.
    """
def find_edges(picture: typing_extensions.Buffer) -> Picture:
    """
    Find the edges of a picture for a control model.
    
    Args:
        picture: (height, width, 3) uint8, RGB.
    
    Returns:
        White lines on black, of the same size.
    
    Raises:
        ValueError: The picture has another shape or type, or no pixels.
    """
def list_devices() -> list[Device]:
    """
    List the devices of this machine that can compute.
    """
def measure_speed(device: str, *, threads: typing.SupportsInt | typing.SupportsIndex) -> float:
    """
    Measure the speed of a device for a tenth of a second.
    
    Args:
        device: Name of the device.
        threads: Threads of a CPU, 1 or more.
    
    Returns:
        Floating-point operations per second; 0 if the device cannot compute.
    
    Raises:
        ValueError: No device has that name.
        EngineError: Called inside a callback.
    """
def missing_instructions() -> list[str]:
    """
    Return the instruction sets that the engine was compiled for and this CPU lacks.
    """
def samplers() -> list[str]:
    """
    Return the names of the samplers, in the engine's order.
    """
def schedulers() -> list[str]:
    """
    Return the names of the schedulers, in the engine's order.
    """
def set_backend_files(files: collections.abc.Sequence[tuple[str, str, str]]) -> None:
    """
    Set the library files of packages that bring a GPU backend.
    
    Has an effect before the devices are used or listed for the first time, which loads the files.
    
    Args:
        files: Package, path, and the problem because of which the file must not be loaded, empty if
            there is none. Paths are str, or bytes that need not be valid UTF-8.
    """
__version__: str = '0.1.0'
