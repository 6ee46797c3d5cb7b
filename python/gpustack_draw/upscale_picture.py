"""The function that enlarges a picture."""

import threading
from contextlib import nullcontext
from typing import TYPE_CHECKING

from gpustack_draw.display.progress_display import progress_display
from gpustack_draw.engine.local_upscaler import LocalUpscaler
from gpustack_draw.inputs.read_picture import read_picture
from gpustack_draw.progress.callbacks import (
    LogFunction,
    ProgressFunction,
    check_function,
    checked_progress,
)
from gpustack_draw.request.options import SCALE, THREADS
from gpustack_draw.request.picture_options import PictureSource
from gpustack_draw.request.target import Reference
from gpustack_draw.resolver.upscaler import find_upscaler

if TYPE_CHECKING:
    import PIL.Image


# The upscaler of the last call, whose model stays loaded.
_last: tuple[object, LocalUpscaler] | None = None
_last_lock = threading.Lock()


def upscale(
    picture: PictureSource,
    model: Reference,
    scale: float | None = None,
    *,
    device: str = "auto",
    threads: int | None = None,
    in_process: bool = False,
    on_progress: ProgressFunction | None = None,
    on_log: LogFunction | None = None,
) -> "PIL.Image.Image":
    """Enlarge a picture with an upscaling model (ESRGAN), on this machine.

    The model stays loaded, so the next call with the same model costs only the upscaling.

    Example:
        >>> large = gpustack_draw.upscale("cat.png", "hf.co/OWNER/REPO:RealESRGAN_x4plus")
        >>> gpustack_draw.save(large, "large.png")

    Args:
        picture: The path of a picture, the contents of a file, an image of Pillow, or an array of
            shape (height, width, 3 or 4) and type uint8.
        model: A path (.pth, .safetensors, .gguf), or ``hf.co/OWNER/REPO[@REVISION][:FILE]``, whose
            file is downloaded when it is missing.
        scale: Factor of both sides, 0.1 to 32, scaled to by Lanczos' method after the model; None
            for the model's own, 1, 2 or 4.
        device: ``auto`` for the first GPU, else the CPU; or a name that ``devices()`` lists.
        threads: CPU threads, 1 to 512; None for one per core.
        in_process: Run the engine in this process: a failed check in the engine then ends it.
        on_progress: Called with a Progress as the work goes on; what it raises ends the upscaling.
            None for a line on standard error where that is a terminal, and for a bar in a notebook.
        on_log: Called with level and text of each line of the engine's log.

    Returns:
        An image in RGB, or in RGBA if the picture has transparent areas.
        ``image.info["parameters"]`` holds the parameters of the picture and the name of the model.

    Raises:
        DrawError: Every expected failure; see ``gpustack_draw.errors`` for the kinds.
    """
    factor = None if scale is None else SCALE.check(scale)
    count = None if threads is None else THREADS.check(threads)
    check_function(on_log, "on_log")
    read = read_picture(picture)
    found = find_upscaler(model, argument="model")
    upscaler = _upscaler(count, device, in_process=in_process, on_log=on_log)
    display = progress_display() if on_progress is None else None
    report = display or checked_progress(on_progress)
    with display or nullcontext():
        found.fetch(report)
        result = upscaler.enlarge(found, read, source=picture, scale=factor, on_progress=report)
    return result.to_image()


def _upscaler(
    threads: int | None, device: str, *, in_process: bool, on_log: LogFunction | None
) -> LocalUpscaler:
    """Return the upscaler of the last call if it has the same arguments, else a new one."""
    global _last  # noqa: PLW0603 - it belongs to the process, like the engine
    key = (threads, device, in_process, on_log)
    with _last_lock:
        if _last is None or _last[0] != key:
            if _last is not None:
                _last[1].close()
            _last = (
                key,
                LocalUpscaler(threads=threads, device=device, in_process=in_process, on_log=on_log),
            )
        return _last[1]
