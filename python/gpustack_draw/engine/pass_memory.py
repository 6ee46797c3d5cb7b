"""A drawing of the engine as the estimate of its memory sees it."""

from dataclasses import replace

from gpustack_draw.engine.cpu_count import usable_cores
from gpustack_draw.engine.passes import Pass
from gpustack_draw.engine.results import FAST_CPU, Device
from gpustack_draw.memory.memory_plan import MemoryPlan
from gpustack_draw.memory.work import GGML_CPU, DeviceTraits, MemoryChoices, Work
from gpustack_draw.resolver.resolved_model import ResolvedModel
from gpustack_draw.resolver.tiles import OVERLAP

_GPUS = {"gpu", "igpu", "software"}


def device_traits(device: Device | None, threads: int | None = None) -> DeviceTraits:
    """Return how a device uses memory.

    Args:
        device: The device; ``None`` for the CPU with ggml's own code.
        threads: CPU threads; ``None`` for one per core.
    """
    if device is None:
        return GGML_CPU
    is_fast_cpu = device.name == FAST_CPU
    is_gpu = device.type in _GPUS
    return DeviceTraits(
        name=device.name,
        is_gpu=is_gpu,
        shares_memory=device.type != "gpu",
        stores_scores=not is_fast_cpu,
        copies_features=not is_fast_cpu,
        evaluates_pairs=is_fast_cpu,
        vae_copies_features=not (is_fast_cpu or device.name.startswith("Vulkan")),
        free_bytes=device.memory_free or None if is_gpu else None,
        threads=threads or usable_cores(),
    )


def work_of(one: Pass, model: ResolvedModel, device: DeviceTraits, addition_bytes: int) -> Work:
    """Return a pass as the estimate sees it; the larger one if a second pass follows.

    Args:
        one: The pass.
        model: The model.
        device: The device.
        addition_bytes: Bytes of the LoRAs, which the engine loads for each drawing.
    """
    hires = one.settings.hires
    larger = hires or one.settings
    is_decoded_first = hires is not None and not hires.is_latent
    return Work(
        model=model,
        width=larger.width,
        height=larger.height,
        pictures=None if one.pictures is None else one.pictures.engine,
        starts_from_picture=one.settings.hires is not None,
        device=device,
        addition_bytes=addition_bytes + one.upscaler_bytes,
        seamless=one.settings.tile,
        first_size=(one.settings.width, one.settings.height) if is_decoded_first else None,
    )


def can_decode_previews(memory: MemoryPlan) -> bool:
    """Return True if previews can be decoded, which takes memory while the drawing samples.

    They are not decoded in tiles, whose progress would be taken for that of the steps.
    """
    needed = memory.needed
    both = needed.base + needed.weights + needed.inputs + needed.sampling + needed.decoding
    has_room = memory.free_bytes is None or both <= memory.free_bytes
    return has_room and memory.choices.vae_tile is None


def tile_numbers(one: Pass, work: Work, choices: MemoryChoices) -> dict[str, float]:
    """Return the engine's numbers of the tiles of a pass; none if it is decoded at once.

    Args:
        one: The pass.
        work: The same, or the larger one that follows.
        choices: How the drawing is made to fit.
    """
    hires = one.settings.hires
    drawn = one.settings if hires is None or not hires.is_latent else hires
    tiles = replace(work, width=drawn.width, height=drawn.height, choices=choices).tiles
    if tiles is None:
        return {}
    return {
        "vae_tiling": 1,
        "vae_tile_width": tiles.width,
        "vae_tile_height": tiles.height,
        "vae_tile_overlap": OVERLAP,
    }
