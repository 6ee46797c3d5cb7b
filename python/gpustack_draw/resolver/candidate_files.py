"""Files that may be components of a model, by their names; their headers decide."""

import re
from collections.abc import Sequence

# Patterns of file names by component.
_NAMES: dict[str, str] = {
    "vae": r"vae|(^|[/_.-])ae([_.-]|$)|decoder",
    "taesd": r"tae|decoder",
    "clip_l": r"clip[_.-]?[lh]([^a-z]|$)|text_encoder/",
    "clip_g": r"clip[_.-]?g([^a-z]|$)|text_encoder_2/",
    "t5xxl": r"t5",
    "llm": r"llm|qwen[23]|mistral|ministral|ovis_?2|encoder",
}

# Other files of language models, and pieces of a split file.
_NO_COMPONENT = re.compile(r"mmproj|imatrix|-[0-9]{5}-of-[0-9]{5}\.", re.IGNORECASE)


def files_named_like(component: str, paths: Sequence[str]) -> list[str]:
    """Return the files that are named like a component, best precision first.

    8 and 16 bits come before fewer; 32 bits are no better and come last.

    Args:
        component: One of :data:`gpustack_draw.request.names.COMPONENTS`.
        paths: All files of a repository or folder.
    """
    pattern = re.compile(_NAMES[component], re.IGNORECASE)
    named = [path for path in paths if may_be_component(path) and pattern.search(path)]
    return sorted(named, key=lambda path: (_order(path), path.count("/"), path))


def may_be_component(path: str) -> bool:
    """Return True if a file is named like a complete model file."""
    return path.lower().endswith((".gguf", ".safetensors")) and not _NO_COMPONENT.search(path)


def _order(path: str) -> int:
    words = ("q8_0", "fp16", "f16", "bf16")
    lower = path.lower()
    return next((index for index, word in enumerate(words) if word in lower), len(words))
