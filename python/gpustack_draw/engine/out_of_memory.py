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


def is_out_of_memory(text: str) -> bool:
    """Return whether a line of the engine, of ggml or of a driver is about a lack of memory."""
    lower = text.lower()
    return any(words in lower for words in _WORDS)


def memory_error(
    problem: str, phase: str, *, gpu: str = "", is_certain: bool = True
) -> NotEnoughMemoryError:
    """Return the error of an engine that ran out of memory.

    Args:
        problem: How the call ended.
        phase: The phase of the work; empty if it is unknown.
        gpu: The name of the GPU that computed in memory of its own; empty for the memory of the
            machine.
        is_certain: False if there may be another reason.
    """
    purpose = f" to {_PURPOSES[phase]}" if phase in _PURPOSES else ""
    doubt = "" if is_certain else ", probably"
    closing = f"close other programs that use {gpu}" if gpu else "close other programs"
    return NotEnoughMemoryError(
        f"not enough memory{purpose}{doubt}: {problem}", hint=_hint(phase, closing)
    )


def _hint(phase: str, closing: str) -> str:
    if phase == "load":
        return f"{closing}, or use a smaller quantization of the model, for example Q4_0"
    if phase == "upscale":
        return f"enlarge a smaller picture, or {closing}"
    if phase in ("encode_pictures", "decode"):
        return phrase(
            "decode it in tiles with {vae_tiling='on'}, draw a smaller {size}, or {}", closing
        )
    return phrase("draw a smaller {size}, use a smaller quantization of the model, or {}", closing)
