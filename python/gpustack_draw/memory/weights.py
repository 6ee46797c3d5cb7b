"""Memory of the weights of a model, by the networks that use them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from gpustack_draw.headers.gguf import TENSOR_TYPES
from gpustack_draw.headers.header import TensorInfo
from gpustack_draw.memory.work import Work
from gpustack_draw.resolver.resolved_model import ModelFile

_ENCODERS = frozenset({"clip_l", "clip_g", "t5xxl", "llm", "llm_vision"})
_AUTOENCODERS = frozenset({"vae", "taesd"})
# Half of a VAE, which the engine loads for input pictures only.
_PICTURE_ENCODER = re.compile(r"^(first_stage_model\.|vae\.|tae\.)?encoder\.")
# Averages that training programs store beside the weights; no model uses them.
_UNUSED = "model_ema."
# Tensors that the engine never converts to another type.
_KEPT = re.compile(
    r"\.(bias|scale)$|(img_in|txt_in|time_in|vector_in|guidance_in|final_layer|[xty]_embedder"
    r"|context_embedder|time_embed|label_emb)\.|pos_embed|embedding"
)
# Tensors that it expands to F32; the first ones are of Stable Diffusion 3.
_EXPANDED = re.compile(
    r"(^|\.)(context_embedder|t_embedder\.mlp\.\d|y_embedder\.mlp\.\d)\.|pos_embed$"
)
# Elements and bytes of a block of a type.
_BLOCKS = {name.lower(): (elements, size) for name, elements, size in TENSOR_TYPES.values()}


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Bytes of the weights in memory.

    Attributes:
        text: Of the text encoders.
        diffusion: Of the diffusion network, a ControlNet and LoRAs.
        autoencoder: Of the VAE or tiny autoencoder.
    """

    text: int = 0
    diffusion: int = 0
    autoencoder: int = 0

    @property
    def total(self) -> int:
        """Bytes of all of them."""
        return self.text + self.diffusion + self.autoencoder


def weights_of(work: Work) -> Weights:
    """Return the bytes of the weights that a drawing needs, in the types that the engine loads.

    Args:
        work: The drawing.
    """
    counts = dict.fromkeys(("text", "diffusion", "autoencoder"), 0)
    counts["diffusion"] = work.addition_bytes
    for file in {file.path: file for file in reversed(work.model.files)}.values():
        for component, count in _contents(file, work):
            counts[_network_of(component)] += count
    return Weights(**counts)


def _network_of(component: str) -> str:
    if component in _ENCODERS:
        return "text"
    return "autoencoder" if component in _AUTOENCODERS else "diffusion"


def _contents(file: ModelFile, work: Work) -> Iterator[tuple[str, int]]:
    """Yield components of a file and bytes; a component may come several times."""
    if not _lists_all_tensors(file) or file.component == "control_net":
        yield file.component, file.memory_bytes
        return
    for component, tensor in work.model.tensors_of(file):
        is_encoder = component in _AUTOENCODERS and _PICTURE_ENCODER.match(tensor.name) is not None
        if tensor.name.startswith(_UNUSED) or (is_encoder and not work.encodes_pictures):
            continue
        yield component, _loaded_bytes(tensor, work.choices.weight_type)


def _lists_all_tensors(file: ModelFile) -> bool:
    """Return True if the header is known; that of a text model on the hub has a few tensors."""
    return file.header is not None and file.header.tensor_bytes >= 0.9 * file.bytes


def _loaded_bytes(tensor: TensorInfo, weight_type: str | None) -> int:
    """Return the bytes of a tensor: convolutions are F16 and vectors F32, whatever the file has."""
    if len(tensor.shape) == 1 or _EXPANDED.search(tensor.name):
        return 4 * tensor.elements
    if len(tensor.shape) > 2:
        return 2 * tensor.elements
    if weight_type is not None and not _KEPT.search(tensor.name):
        elements, size = _BLOCKS[weight_type.lower()]
        if tensor.shape[0] % elements == 0:
            return tensor.elements // elements * size
    return tensor.expanded_bytes or tensor.bytes
