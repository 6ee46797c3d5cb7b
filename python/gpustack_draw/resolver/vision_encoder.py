"""The vision encoder of a language model (mmproj), with which editing models look at pictures."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from gpustack_draw.errors import ModelFileError, quoted
from gpustack_draw.headers.header import ModelHeader
from gpustack_draw.headers.tensor_table import sides
from gpustack_draw.resolver.candidate_files import files_named_like
from gpustack_draw.resolver.local_components import LocalFile, files_beside
from gpustack_draw.resolver.user_components import ComponentFile

if TYPE_CHECKING:
    from gpustack_draw.hub import Hub, Repository, RepositoryFile

# The engine knows one vision encoder, of Qwen2.5-VL 7B (``src/llm.hpp``), whatever the file has.
_WIDTH = 1280
_INNER = 3420
_BLOCKS = 32
_PATCH = (14, 14, 3, _WIDTH)
_JOINED = 4 * _WIDTH  # it joins squares of 2x2 patches
_OUTPUT = "mm.2.weight"
_BLOCK_SHAPES: Mapping[str, tuple[int, ...]] = {
    "attn_q": (_WIDTH, _WIDTH),
    "attn_k": (_WIDTH, _WIDTH),
    "attn_v": (_WIDTH, _WIDTH),
    "attn_out": (_WIDTH, _WIDTH),
    "ffn_gate": (_WIDTH, _INNER),
    "ffn_up": (_WIDTH, _INNER),
    "ffn_down": (_INNER, _WIDTH),
    "ln1": (_WIDTH,),
    "ln2": (_WIDTH,),
}
_HINT = "use the mmproj file of Qwen2.5-VL 7B"


def has_vision_encoder(header: ModelHeader | None) -> bool:
    """Return True if the file of a language model contains its vision encoder, too."""
    if header is None:  # GGUF files, whose headers may be unread, have it in a file of its own
        return False
    return any(name.startswith("visual.") for name in header.tensors)


def files_beside_language_model(
    llm: ComponentFile, open_hub: "Callable[[], Hub]"
) -> "Sequence[LocalFile | RepositoryFile]":
    """Return the files among which the vision encoder of a language model may be.

    Args:
        llm: The language model.
        open_hub: Returns the hub and its cache.

    Raises:
        FetchError: The hub is unavailable.
        ModelNotFoundError: The repository of the language model no longer exists.
    """
    file = llm.file.hub_file
    if file is None:
        return files_beside(llm.file.path, llm.label)
    hub = open_hub()

    def is_cached(repository: "Repository") -> bool:
        named = files_named_like("llm_vision", repository.paths)
        return any(hub.path_of(repository.file(path)) for path in named)

    return hub.repository(file.repository, file.revision, is_sufficient=is_cached).files


def check_vision_encoder(header: ModelHeader, label: str, title: str, text_width: int) -> None:
    """Check that a vision encoder is the one that the engine knows, and that it fits a model.

    Args:
        header: Header of its file.
        label: Name of that file in messages.
        title: Name of the model's family in messages.
        text_width: Width of the model's language model; 0 if unknown.

    Raises:
        ModelFileError: It is another vision encoder.
    """
    output = header.tensors.get(_OUTPUT)
    width = output.shape[-1] if output is not None else 0
    if width and text_width and width != text_width:
        raise ModelFileError(
            f"{quoted(label)} is the vision encoder of a language model of width {width:,}, and"
            f" {title} reads with one of width {text_width:,}",
            hint=_HINT,
        )
    for name, shape in _shapes(text_width).items():
        tensor = header.tensors.get(name)
        if tensor is None or tensor.shape != shape:
            found = "none" if tensor is None else f"one of {sides(tensor.shape)}"
            raise ModelFileError(
                f"{quoted(label)} is another vision encoder than that of Qwen2.5-VL 7B, which has a"
                f" tensor {quoted(name)} of {sides(shape)}: it has {found}",
                hint=_HINT,
            )


def _shapes(text_width: int) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {
        "v.patch_embd.weight": _PATCH,
        "v.patch_embd.weight.1": _PATCH,
        "v.post_ln.weight": (_WIDTH,),
        "mm.0.weight": (_JOINED, _JOINED),
    }
    for block in range(_BLOCKS):
        for name, shape in _BLOCK_SHAPES.items():
            shapes[f"v.blk.{block}.{name}.weight"] = shape
    if text_width:
        shapes[_OUTPUT] = (_JOINED, text_width)
    return shapes
