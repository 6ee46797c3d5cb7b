"""How much memory a picture takes, and whether that much is free."""

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gpustack_draw.engine.cgroups import control_groups, lines_of, number_in
from gpustack_draw.errors import NotEnoughMemoryError, quoted
from gpustack_draw.plan import MemoryNeed
from gpustack_draw.request.draw_settings import DrawSettings
from gpustack_draw.resolver.resolved_model import ResolvedModel
from gpustack_draw.units import format_bytes

# What the engine allocates beside the weights, in bytes: feature maps and im2col copies of the
# last, full-size layers of the decoder, a pixel. The tiny one's is what the engine's log said at
# 128 to 1024 pixels ("compute buffer size: 1922.00 MB" at 1024x1024); the full one's a guess;
VAE_BYTES_A_PIXEL = 6_500
# those of Wan's kind, by channels, as the engine's log said at 64 (and 256) pixels;
VIDEO_VAE_BYTES_A_PIXEL = {16: 7_600, 48: 10_300}
TINY_VAE_BYTES_A_PIXEL = 1_925
# the attention scores of one layer (no flash attention), a pair of tokens and head;
SCORE_BYTES = 4
# everything else in a layer, a token and hidden number;
TOKEN_BYTES = 60
# the same on the device FastCPU, which copies no feature maps and keeps no scores, as the engine's
# log said at 256, 512 and 1024 pixels of SD 1.5, FLUX.2 and the tiny decoder ("vae compute buffer
# size: 2820.00 MB" at 1024x1024);
FAST_VAE_BYTES_A_PIXEL = 2_850
FAST_TINY_VAE_BYTES_A_PIXEL = 950
FAST_TOKEN_BYTES = 90
# tokens of the prompt beside those of the picture;
PROMPT_TOKENS = 512
# the program itself, its buffers and the picture.
BASE_BYTES = 100_000_000
# What a process of the engine takes of its limit of address space and never touches: libraries,
# buffers that stay empty; and a core, the stack and heap that a thread sets aside.
RESERVED_ADDRESSES = 650_000_000
RESERVED_ADDRESSES_A_CORE = 75_000_000
# The full VAE's own attention looks at places of this side, in pixels.
_VAE_TOKEN_PIXELS = 8


def memory_need(
    model: ResolvedModel,
    settings: DrawSettings,
    device: Mapping[str, Any] | None,
    *,
    loaded: bool = False,
) -> MemoryNeed:
    """Compare the estimated memory of a picture with the free memory of a device.

    The plan of a drawing and the check before it both use this function.

    Args:
        model: The model.
        settings: The picture.
        device: Device to compute on, as ``CoreEngine.devices`` lists it; ``None`` for the plain
            CPU.
        loaded: Whether the model is in memory already, so that its weights need no more of it.
    """
    if device is None or device["type"] in {"cpu", "accel"}:
        free = available_memory()
    else:
        free = device["memory_free"] or None
    if free is not None and loaded:
        free += model.weight_bytes
    on_fast_cpu = device is not None and device["name"] == "FastCPU"
    needed = estimate_memory(model, settings.width, settings.height, on_fast_cpu=on_fast_cpu)
    return MemoryNeed(bytes=needed, weight_bytes=model.weight_bytes, free_bytes=free)


def estimate_memory(
    model: ResolvedModel, width: int, height: int, *, on_fast_cpu: bool = False
) -> int:
    """Estimate what loading a model and drawing one picture takes at its peak, in bytes.

    The weights are there all the time; denoising and decoding come one after the other, so the
    larger of the two counts.

    Args:
        model: The model.
        width: Of the picture, in pixels.
        height: Of the picture, in pixels.
        on_fast_cpu: It is computed on the device ``FastCPU``, which takes less.
    """
    family = model.family
    tokens = width * height // family.token_pixels**2 + (0 if family.unet else PROMPT_TOKENS)
    denoise = tokens * family.hidden * (FAST_TOKEN_BYTES if on_fast_cpu else TOKEN_BYTES)
    if not on_fast_cpu:
        denoise += tokens**2 * family.heads * SCORE_BYTES
    decode = _decoding(model, width * height, on_fast_cpu=on_fast_cpu)
    return BASE_BYTES + model.weight_bytes + max(denoise, decode)


def _decoding(model: ResolvedModel, pixels: int, *, on_fast_cpu: bool) -> int:
    family = model.family
    if model.path_of("taesd") is not None or "vae" not in family.requires:
        return pixels * (FAST_TINY_VAE_BYTES_A_PIXEL if on_fast_cpu else TINY_VAE_BYTES_A_PIXEL)
    if family.video_vae:  # its convolutions have three dimensions, and are the library's
        places = pixels // (family.token_pixels // 2) ** 2
        a_pixel = VIDEO_VAE_BYTES_A_PIXEL[family.latent_channels]
        return pixels * a_pixel + places**2 * SCORE_BYTES
    if on_fast_cpu:
        return pixels * FAST_VAE_BYTES_A_PIXEL
    return pixels * VAE_BYTES_A_PIXEL + (pixels // _VAE_TOKEN_PIXELS**2) ** 2 * SCORE_BYTES


def check_memory(model: ResolvedModel, settings: DrawSettings, need: MemoryNeed) -> None:
    """Refuse a picture that needs more memory than is free, before anything is loaded.

    Args:
        model: The model.
        settings: The picture.
        need: Its memory, from :func:`memory_need`.

    Raises:
        NotEnoughMemoryError: The estimate exceeds the free memory.
    """
    if need.free_bytes is None or need.fits:
        return
    if BASE_BYTES + need.weight_bytes > need.free_bytes:
        what = "to be loaded"
        hint = "close other programs, or use a smaller quantisation of the model, for example Q4_0"
    else:
        what = f"to draw {settings.width}x{settings.height}"
        hint = "draw a smaller picture with --size, or close other programs"
    raise NotEnoughMemoryError(
        f"{quoted(model.name)} needs about {format_bytes(need.bytes)} {what},"
        f" and {format_bytes(need.free_bytes)} are free",
        hint=hint,
    )


def available_memory(root: Path = Path("/")) -> int | None:
    """Tell how much memory a new process can use without swapping, in bytes.

    On Linux the least of the kernel's ``MemAvailable``, what the control groups of this process
    leave (both versions), and its limit of address space. Elsewhere the memory that is free
    (Windows) or installed (macOS).

    Args:
        root: Where ``proc`` and ``sys`` are; for tests.

    Returns:
        Bytes; ``None`` when the system does not tell.
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
    for line in lines_of(root / "proc/meminfo"):
        if line.startswith("MemAvailable:"):
            yield int(line.split()[1]) * 1024
    for group in control_groups("memory", root):
        names = {
            2: ("memory.max", "memory.current", "inactive_file"),
            1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        }
        limit_name, usage_name, cache_name = names[group.version]
        limit = number_in(group.directory / limit_name)
        usage = number_in(group.directory / usage_name)
        if limit is None or usage is None:
            continue  # there is no limit
        # The kernel drops this part of the file cache when the group needs the memory.
        cache = sum(
            int(line.split()[1])
            for line in lines_of(group.directory / "memory.stat")
            if line.startswith(f"{cache_name} ")
        )
        yield max(0, limit - max(0, usage - cache))
    if root == Path("/"):
        yield from _address_space_left()


def _address_space_left() -> Iterator[int]:
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    pages = lines_of(Path("/proc/self/statm"))
    if soft != resource.RLIM_INFINITY and pages:
        here = int(pages[0].split()[0]) * resource.getpagesize()
        there = RESERVED_ADDRESSES + RESERVED_ADDRESSES_A_CORE * (os.cpu_count() or 1)
        yield max(0, soft - max(here, there))


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
