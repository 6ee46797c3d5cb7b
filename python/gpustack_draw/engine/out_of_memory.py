"""Errors of an engine that ran out of memory."""

from collections.abc import Mapping

from gpustack_draw.errors import NotEnoughMemoryError
from gpustack_draw.phrases import phrase

# Words for it in messages of the engine, ggml and GPU drivers; in lower case.
_WORDS = (
    "bad_alloc",
    "failed to allocate",
    "out of memory",
    "memoryerror",
    "erroroutofdevicememory",
    "erroroutofhostmemory",
)
_PURPOSES: Mapping[str, str] = {
    "load": "load the model",
    "load_loras": "load the LoRAs",
    "encode_pictures": "encode the input pictures",
    "encode": "encode the prompt",
    "sample": "sample the picture",
    "decode": "decode the picture",
    "upscale": "enlarge the picture",
}
_SMALLER_MODEL = (
    "close other programs, or use a smaller quantization of the model, for example Q4_0"
)
_SMALLER_PICTURE = phrase(
    "draw a smaller {size}, use a smaller quantization of the model, or close other programs"
)
_TILES = phrase(
    "decode it in tiles with {vae_tiling='on'}, draw a smaller {size}, or close other programs"
)
_HINTS: Mapping[str, str] = {
    "load": _SMALLER_MODEL,
    "encode_pictures": _TILES,
    "decode": _TILES,
    "upscale": "enlarge a smaller picture, or close other programs",
}


def is_out_of_memory(text: str) -> bool:
    """Return whether a line of the engine, of ggml or of a driver is about a lack of memory."""
    lower = text.lower()
    return any(words in lower for words in _WORDS)


def memory_error(problem: str, phase: str, *, is_certain: bool = True) -> NotEnoughMemoryError:
    """Return the error of an engine that ran out of memory.

    Args:
        problem: How the call ended.
        phase: The phase of the work; empty if it is unknown.
        is_certain: False if there may be another reason.
    """
    purpose = f" to {_PURPOSES[phase]}" if phase in _PURPOSES else ""
    doubt = "" if is_certain else ", probably"
    return NotEnoughMemoryError(
        f"not enough memory{purpose}{doubt}: {problem}", hint=_HINTS.get(phase, _SMALLER_PICTURE)
    )
