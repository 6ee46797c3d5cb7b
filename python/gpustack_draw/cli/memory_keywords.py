"""The keywords of ``load()`` for the memory options of a command line."""

from typing import Any

from gpustack_draw.cli.arguments import Arguments
from gpustack_draw.request.options import MAX_VRAM, VAE_TILE_SIZE


def memory_keywords(typed: Arguments) -> dict[str, Any]:
    """Return the keywords for the memory options that were typed.

    Raises:
        UsageError: A value is no number, or out of its range.
    """
    tile_size, max_vram = typed.vae_tile_size, typed.max_vram
    keywords = {
        "low_memory": typed.low_memory,
        "vae_tiling": typed.vae_tiling,
        "vae_tile_size": None if tile_size is None else VAE_TILE_SIZE.parse(tile_size),
        "offload_to_cpu": typed.offload_to_cpu,
        "clip_on_cpu": typed.clip_on_cpu,
        "vae_on_cpu": typed.vae_on_cpu,
        "diffusion_fa": typed.diffusion_fa,
        "max_vram": None if max_vram is None else MAX_VRAM.parse(max_vram),
        "weight_type": typed.weight_type,
    }
    return {name: value for name, value in keywords.items() if value is not None}
