"""Estimated memory of a picture, and the memory that is available for it."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from gpustack_draw.engine.cgroups import control_groups, read_lines, read_number
from gpustack_draw.engine.results import FAST_CPU, Device
from gpustack_draw.errors import NotEnoughMemoryError, quoted
from gpustack_draw.inputs.engine_pictures import EnginePictures
from gpustack_draw.phrases import Argument, phrase
from gpustack_draw.plan import MemoryNeed
from gpustack_draw.request.draw_settings import DrawSettings
from gpustack_draw.resolver.families import Family
from gpustack_draw.resolver.resolved_model import ResolvedModel
from gpustack_draw.units import format_bytes

# Bytes that the engine allocates beside the weights, mostly as its log reports them ("compute
# buffer size: 1922.00 MB" at 1024x1024).
# Decoder, per pixel: feature maps and im2col copies of its last, full-size layers. Measured for
# TAESD at 128 to 1024 pixels; estimated for the VAE.
VAE_BYTES_PER_PIXEL = 6_500
TINY_VAE_BYTES_PER_PIXEL = 1_925
# Decoder of Wan models, per pixel, by number of latent channels. Measured at 64 (and 256) pixels.
VIDEO_VAE_BYTES_PER_PIXEL = {16: 7_600, 48: 10_300}
# Attention scores of one layer without flash attention, per pair of tokens and head.
SCORE_BYTES = 4
# Everything else in a layer, per token and hidden channel.
TOKEN_BYTES = 60
# The same on the device FastCPU, which copies no feature maps and stores no scores. Measured at
# 256, 512 and 1024 pixels with SD 1.5, FLUX.2 and TAESD ("vae compute buffer size: 2820.00 MB" at
# 1024x1024).
FAST_VAE_BYTES_PER_PIXEL = 2_850
FAST_TINY_VAE_BYTES_PER_PIXEL = 950
FAST_TOKEN_BYTES = 90
# A ControlNet, per token and hidden channel: its layers, and what it adds to those of the UNet.
CONTROL_TOKEN_BYTES = 120
# An input picture, per pixel: its bytes in both processes, and the numbers that the engine makes of
# them.
INPUT_BYTES_PER_PIXEL = 60
# Tokens of the prompt, in addition to those of the picture.
PROMPT_TOKENS = 512
# The program itself, its buffers and the picture.
BASE_BYTES = 100_000_000
# Address space that the engine's process reserves and never touches: libraries and empty buffers,
# and per core the stack and heap of a thread.
RESERVED_ADDRESSES = 650_000_000
RESERVED_ADDRESSES_PER_CORE = 75_000_000
# The attention layer of the VAE has one token per square of this side, in pixels.
_VAE_TOKEN_PIXELS = 8


def memory_need(
    model: ResolvedModel,
    settings: DrawSettings,
    device: Device | None,
    *,
    loaded: bool = False,
    pictures: EnginePictures | None = None,
    addition_bytes: int = 0,
) -> MemoryNeed:
    """Compare the estimated memory of a picture with the free memory of a device.

    The plan of a drawing and the check before it both use this function.

    Args:
        model: The model.
        settings: The picture.
        device: Device to compute on; ``None`` for the CPU with ggml's own code.
        loaded: True if the model is already in memory, so that its weights need no more of it.
        pictures: Input pictures of the drawing.
        addition_bytes: Bytes of the LoRAs, which the engine loads for each drawing.
    """
    if device is None or device.type in {"cpu", "accel"}:
        free = available_memory()
    else:
        free = device.memory_free or None
    if free is not None and loaded:
        free += model.weight_bytes
    needed = estimate_memory(
        model,
        *_largest_size(settings),
        on_fast_cpu=device is not None and device.name == FAST_CPU,
        pictures=pictures,
        starts_from_picture=settings.hires is not None,
    )
    needed += addition_bytes
    return MemoryNeed(bytes=needed, weight_bytes=model.weight_bytes, free_bytes=free)


def estimate_memory(
    model: ResolvedModel,
    width: int,
    height: int,
    *,
    on_fast_cpu: bool = False,
    pictures: EnginePictures | None = None,
    starts_from_picture: bool = False,
) -> int:
    """Estimate the peak memory of loading a model and drawing one picture, in bytes.

    The weights stay in memory, and so do the input pictures. Encoding them, denoising and decoding
    follow each other, so the largest of the three counts. Encoding a picture needs as much as
    decoding one of the same size (measured with TAESD at 512x512: 205 instead of 237 MB on
    FastCPU; at 256x256: 130 instead of 126 MB on the CPU).

    Args:
        model: The model.
        width: Width of the picture in pixels.
        height: Height of the picture in pixels.
        on_fast_cpu: True for the device ``FastCPU``, which needs less memory.
        pictures: Input pictures of the drawing.
        starts_from_picture: True if the drawing starts from a picture, even if ``pictures`` has
            none, as a second pass does.
    """
    family = model.family
    pictures = pictures or EnginePictures()
    references = [int(array.shape[0] * array.shape[1]) for array in pictures.references]
    sized = sum(array is not None for array in (pictures.mask, pictures.control))
    sized += starts_from_picture or pictures.image is not None
    pixels = width * height
    tokens = (pixels + sum(references)) // family.token_pixels**2
    tokens += 0 if family.unet else PROMPT_TOKENS
    denoise = tokens * family.hidden * (FAST_TOKEN_BYTES if on_fast_cpu else TOKEN_BYTES)
    if not on_fast_cpu:
        denoise += tokens**2 * family.heads * SCORE_BYTES
    if pictures.control is not None and family.pictures.control_net:
        denoise += _control_net_bytes(family, tokens)
    autoencoder = _decoding_bytes(model, max([pixels, *references]), on_fast_cpu=on_fast_cpu)
    inputs = (sized * pixels + sum(references)) * INPUT_BYTES_PER_PIXEL
    return BASE_BYTES + model.weight_bytes + inputs + max(denoise, autoencoder)


def _largest_size(settings: DrawSettings) -> tuple[int, int]:
    """Return the width and height of the larger pass."""
    hires = settings.hires
    return (settings.width, settings.height) if hires is None else (hires.width, hires.height)


def _control_net_bytes(family: Family, tokens: int) -> int:
    """Return the bytes of a ControlNet beside its weights; it has no flash attention anywhere."""
    return tokens * family.hidden * CONTROL_TOKEN_BYTES + tokens**2 * family.heads * SCORE_BYTES


def _decoding_bytes(model: ResolvedModel, pixels: int, *, on_fast_cpu: bool) -> int:
    family = model.family
    if model.path_of("taesd") is not None or "vae" not in family.requires:
        return pixels * (FAST_TINY_VAE_BYTES_PER_PIXEL if on_fast_cpu else TINY_VAE_BYTES_PER_PIXEL)
    if family.video_vae:  # its 3D convolutions run in ggml's own code on every device
        latent_pixels = pixels // (family.token_pixels // 2) ** 2
        bytes_per_pixel = VIDEO_VAE_BYTES_PER_PIXEL[family.latent_channels]
        return pixels * bytes_per_pixel + latent_pixels**2 * SCORE_BYTES
    if on_fast_cpu:
        return pixels * FAST_VAE_BYTES_PER_PIXEL
    return pixels * VAE_BYTES_PER_PIXEL + (pixels // _VAE_TOKEN_PIXELS**2) ** 2 * SCORE_BYTES


def check_memory(model: ResolvedModel, settings: DrawSettings, need: MemoryNeed) -> None:
    """Check that a picture fits into the free memory, before anything is loaded.

    Args:
        model: The model.
        settings: The picture.
        need: The memory it needs, from :func:`memory_need`.

    Raises:
        NotEnoughMemoryError: The estimate exceeds the free memory.
    """
    if need.free_bytes is None or need.fits:
        return
    if BASE_BYTES + need.weight_bytes > need.free_bytes:
        what = "to be loaded"
        argument = "model"
        hint = "close other programs, or use a smaller quantization of the model, for example Q4_0"
    else:
        argument = "size" if settings.hires is None else "hires"
        what = "to draw {}x{}".format(*_largest_size(settings))
        hint = phrase("draw a smaller picture with {}, or close other programs", Argument(argument))
    raise NotEnoughMemoryError(
        f"{quoted(model.name)} needs about {format_bytes(need.bytes)} {what},"
        f" and {format_bytes(need.free_bytes)} are free",
        hint=hint,
        argument=argument,
    )


def available_memory(root: Path = Path("/")) -> int | None:
    """Return the memory that a new process can use without swapping, in bytes.

    On Linux this is the minimum of the kernel's ``MemAvailable``, the unused part of the memory
    limits of this process's control groups (both versions), and the unused part of its address
    space limit. On Windows it is the free memory, on macOS the installed memory.

    Args:
        root: Directory that contains ``proc`` and ``sys``; tests use their own.

    Returns:
        Bytes; ``None`` if the system does not report it.
    """
    system: str = sys.platform  # as a plain string, or mypy checks one system only
    if system == "linux":
        return min(_linux_limits(root), default=None)
    if system == "win32":
        return _windows_free()
    with contextlib.suppress(OSError, ValueError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None


def _linux_limits(root: Path) -> Iterator[int]:
    for line in read_lines(root / "proc/meminfo"):
        if line.startswith("MemAvailable:"):
            yield int(line.split()[1]) * 1024
    for group in control_groups("memory", root):
        names = {
            2: ("memory.max", "memory.current", "inactive_file"),
            1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        }
        limit_name, usage_name, cache_name = names[group.version]
        limit = read_number(group.directory / limit_name)
        usage = read_number(group.directory / usage_name)
        if limit is None or usage is None:
            continue  # no limit
        # The kernel drops this part of the file cache when the group needs the memory.
        cache = sum(
            int(line.split()[1])
            for line in read_lines(group.directory / "memory.stat")
            if line.startswith(f"{cache_name} ")
        )
        yield max(0, limit - max(0, usage - cache))
    if root == Path("/"):
        yield from _address_space_left()


def _address_space_left() -> Iterator[int]:
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    pages = read_lines(Path("/proc/self/statm"))
    if soft != resource.RLIM_INFINITY and pages:
        this_process = int(pages[0].split()[0]) * resource.getpagesize()
        engine_process = RESERVED_ADDRESSES + RESERVED_ADDRESSES_PER_CORE * (os.cpu_count() or 1)
        yield max(0, soft - max(this_process, engine_process))


def _windows_free() -> int | None:
    import ctypes

    class Status(ctypes.Structure):
        _fields_ = (
            ("length", ctypes.c_ulong),
            ("load", ctypes.c_ulong),
            ("total", ctypes.c_ulonglong),
            ("available", ctypes.c_ulonglong),
            ("rest", ctypes.c_ulonglong * 5),
        )

    status = Status(length=ctypes.sizeof(Status))
    kernel32 = ctypes.windll.kernel32  # type: ignore[attr-defined,unused-ignore]
    if kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):
        return int(status.available)
    return None
