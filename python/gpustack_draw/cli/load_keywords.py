"""The keywords of ``load()`` for the options of a command line."""

from collections.abc import Callable
from typing import Any, TypeVar

from gpustack_draw.cli.arguments import Arguments
from gpustack_draw.request.names import COMPONENTS
from gpustack_draw.request.options import MAX_VRAM, THREADS, VAE_TILE_SIZE

_Value = TypeVar("_Value")


def load_keywords(typed: Arguments) -> dict[str, Any]:
    """Return the keywords for the components, embeddings, memory and device that were typed.

    Raises:
        UsageError: A value is no number, or out of its range.
    """
    keywords = {
        **typed_components(typed),
        "embeddings": tuple(typed.embedding or ()),
        "low_memory": typed.low_memory,
        "vae_tiling": typed.vae_tiling,
        "vae_tile_size": parsed(typed.vae_tile_size, VAE_TILE_SIZE.parse),
        "offload_to_cpu": typed.offload_to_cpu,
        "clip_on_cpu": typed.clip_on_cpu,
        "vae_on_cpu": typed.vae_on_cpu,
        "diffusion_fa": typed.diffusion_fa,
        "max_vram": parsed(typed.max_vram, MAX_VRAM.parse),
        "weight_type": typed.weight_type,
        "device": typed.device,
        "threads": parsed(typed.threads, THREADS.parse),
    }
    return {name: value for name, value in keywords.items() if value is not None}


def typed_components(typed: Arguments) -> dict[str, Any]:
    """Return the components that were typed, by name."""
    found = {name: getattr(typed, name) for name in COMPONENTS}
    return {name: value for name, value in found.items() if value is not None}


def parsed(text: str | None, parse: Callable[[str], _Value]) -> _Value | None:
    """Return the value of an option; ``None`` if it was not typed."""
    return None if text is None else parse(text)
