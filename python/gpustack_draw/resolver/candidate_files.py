"""Files that may be components of a model, by their names; their headers decide."""

import re
from collections.abc import Sequence

from gpustack_draw.request.names import COMPONENTS

# Patterns of file names by component.
_NAMES: dict[str, str] = {
    "vae": r"vae|(^|[/_.-])ae([_.-]|$)|decoder",
    "taesd": r"tae|decoder",
    "clip_l": r"clip[_.-]?[lh]([^a-z]|$)|text_encoder/",
    "clip_g": r"clip[_.-]?g([^a-z]|$)|text_encoder_2/",
    "t5xxl": r"t5",
    "llm": r"llm|qwen[23]|mistral|ministral|ovis_?2|encoder",
    "llm_vision": r"mmproj",
    "control_net": r"control",
}

# Other files of language models, and pieces of a split file.
_NO_COMPONENT = re.compile(r"imatrix|-[0-9]{5}-of-[0-9]{5}\.", re.IGNORECASE)
# Vision encoders are named after their language models, and are no other component.
_VISION = re.compile(_NAMES["llm_vision"], re.IGNORECASE)

# Components whose file names look alike. The pattern for language models matches other text
# encoders, too.
_ALIKE = {"vae": {"taesd"}, "taesd": {"vae"}}
_VAGUE = {"llm"}


def files_named_like(component: str, paths: Sequence[str]) -> list[str]:
    """Return the files that are named like a component, best precision first.

    8 and 16 bits come before fewer; 32 bits are no better and come last.

    Args:
        component: One of :data:`gpustack_draw.request.names.COMPONENTS`.
        paths: All files of a repository or folder.
    """
    pattern = re.compile(_NAMES[component], re.IGNORECASE)
    named = [path for path in paths if _may_be_component(path, component) and pattern.search(path)]
    return sorted(named, key=lambda path: (_order(path), path.count("/"), path))


def likely_files(component: str, paths: Sequence[str]) -> list[str]:
    """Return the files that may be a component, the likeliest first, so that few need be read.

    Files named like it and nothing else come first, those named like another component last.
    """
    others = set(COMPONENTS) - {component} - _ALIKE.get(component, set()) - _VAGUE
    like_others = {path for other in others for path in files_named_like(other, paths)}
    named = files_named_like(component, paths)
    unnamed = [
        path
        for path in paths
        if _may_be_component(path, component) and not path.lower().endswith(".gguf")
    ]
    return [
        path
        for group in (named, [path for path in unnamed if path not in named])
        for path in sorted(group, key=lambda path: path in like_others)
    ]


def _may_be_component(path: str, component: str) -> bool:
    """Return True if a file is named like a complete model file that may be a component."""
    is_vision = _VISION.search(path) is not None
    is_model = path.lower().endswith((".gguf", ".safetensors")) and not _NO_COMPONENT.search(path)
    return is_model and is_vision == (component == "llm_vision")


def _order(path: str) -> int:
    words = ("q8_0", "fp16", "(?<!b)f16", "bf16")
    lower = path.lower()
    return next((index for index, word in enumerate(words) if re.search(word, lower)), len(words))
