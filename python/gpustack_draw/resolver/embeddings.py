"""Find the embeddings (textual inversions) of a model, and check that they fit it."""

import hashlib
import struct
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gpustack_draw.errors import DrawError, ModelFileError, NotYetSupportedError, UsageError, quoted
from gpustack_draw.headers.header import ModelHeader, TensorInfo, read_model_header
from gpustack_draw.headers.tensor_data import FLOAT_TYPES, read_floats
from gpustack_draw.phrases import phrase
from gpustack_draw.request.additions import EMBEDDING
from gpustack_draw.request.embeddings import Embedding, check_embedding_name
from gpustack_draw.resolver.families import Family
from gpustack_draw.resolver.find_addition import find_addition
from gpustack_draw.resolver.resolved_model import EmbeddingFile, ModelFile
from gpustack_draw.resolver.user_components import OpenHub
from gpustack_draw.units import format_bytes

MAX_VECTORS = 75  # of a chunk of the text encoder
MAX_FILE_BYTES = 16 * 1024 * 1024
# Programs for training write these file names for all embeddings; the tensor has the word.
_NAMELESS = ("learned_embeds", "embeddings")
_TITLES = {768: "Stable Diffusion 1", 1024: "Stable Diffusion 2", 1280: "Stable Diffusion XL"}


@dataclass(frozen=True)
class EmbeddingVectors:
    """The vectors of an embedding.

    Attributes:
        numbers: 32-bit floats, one vector after another.
        sha256: Digest of the embedding's file, in hexadecimal.
    """

    numbers: "array[float]"
    sha256: str


def find_embeddings(
    embeddings: Sequence[Embedding], family: Family, open_hub: OpenHub
) -> tuple[EmbeddingFile, ...]:
    """Find the files of embeddings, and check them by their headers; downloads nothing.

    Args:
        embeddings: The embeddings.
        family: The family of the model.
        open_hub: Returns the hub and its cache.

    Raises:
        NotYetSupportedError: The family takes no embeddings.
        UsageError: Two embeddings have the same name, or one has none.
        ModelNotFoundError: There is no such file.
        ModelFileError: A file is damaged, no embedding, or one for another family.
        FetchError: The hub is unavailable, or refuses the request.
    """
    if embeddings:
        _check_family(family)
    found: dict[str, EmbeddingFile] = {}
    for embedding in embeddings:
        try:
            file = _find(embedding, family, open_hub)
            if file.name.lower() in found:
                raise UsageError(
                    f"two embeddings are named {quoted(file.name)}",
                    hint=phrase("give one another name: {embeddings} takes NAME=FILE"),
                )
        except DrawError as error:
            error.argument = "embeddings"
            raise
        found[file.name.lower()] = file
    return tuple(found.values())


def read_vectors(embedding: EmbeddingFile) -> EmbeddingVectors:
    """Read the vectors of an embedding whose file is on this machine.

    Raises:
        ModelNotFoundError: The file no longer exists.
        ModelFileError: The file was replaced or is damaged.
    """
    path, label = embedding.file.path, embedding.label
    header = read_model_header(path, label=label)
    tensor = _vectors_in(header, label)
    if _shape(tensor) != (embedding.vectors, embedding.width):
        raise ModelFileError(f"{quoted(label)} has changed", hint="load the model again")
    numbers = read_floats(path, header, tensor.name, label)
    return EmbeddingVectors(numbers, hashlib.sha256(path.read_bytes()).hexdigest())


def engine_file(vectors: EmbeddingVectors, width: int) -> bytes:
    """Return the contents of a safetensors file with vectors as the engine takes them.

    It copies the bytes of a tensor, whatever its type, into a table of 32-bit floats.
    """
    numbers = vectors.numbers
    data = struct.pack(f"<{len(numbers)}f", *numbers)
    shape = f"[{len(numbers) // width},{width}]"
    header = f'{{"emb_params":{{"dtype":"F32","shape":{shape},"data_offsets":[0,{len(data)}]}}}}'
    return struct.pack("<Q", len(header)) + header.encode() + data


def _check_family(family: Family) -> None:
    if family.takes_embeddings:
        return
    reason = ""
    if family.unet:
        reason = ", whose two text encoders the engine would give each other's vectors"
    raise NotYetSupportedError(
        f"embeddings work with Stable Diffusion 1 and 2, and this is {family.title}{reason}",
        hint=phrase("leave {embeddings} out"),
        argument="embeddings",
    )


def _find(embedding: Embedding, family: Family, open_hub: OpenHub) -> EmbeddingFile:
    found = find_addition(embedding.reference, EMBEDDING, open_hub, argument="embeddings")
    tensor = _vectors_in(found.header, found.label)
    vectors, width = _shape(tensor)
    if width != family.clip_width:
        made_for = _TITLES.get(width, "another model")
        raise ModelFileError(
            f"{quoted(found.label)} is an embedding for {made_for}: its vectors have {width}"
            f" numbers, and {family.title} takes {family.clip_width}",
            hint=f"use one that was made for {family.title}",
        )
    path = Path(found.path if found.hub_file is None else found.hub_file.path)
    name = embedding.name or (tensor.name if path.stem in _NAMELESS else path.stem)
    check_embedding_name(name)
    file = ModelFile("embedding", found.path, found.header.file_bytes, found.hub_file)
    return EmbeddingFile(name, file, found.label, vectors, width, found.note)


def _vectors_in(header: ModelHeader, label: str) -> TensorInfo:
    """Return the tensor with the vectors of an embedding.

    Raises:
        ModelFileError: The file is no embedding.
    """
    hint = "an embedding is a safetensors or PyTorch file with one tensor of vectors"
    if header.format == "gguf" or header.file_bytes > MAX_FILE_BYTES:
        size = format_bytes(header.file_bytes)
        what = "a GGUF file" if header.format == "gguf" else f"a model file of {size}"
        raise ModelFileError(f"{quoted(label)} is {what}, not an embedding", hint=hint)
    if "clip_g" in header.tensors:
        raise ModelFileError(
            f"{quoted(label)} is an embedding for Stable Diffusion XL",
            hint="use one that was made for Stable Diffusion 1 or 2",
        )
    floats = [tensor for tensor in header.tensors.values() if tensor.type in FLOAT_TYPES]
    if len(floats) != 1:
        raise ModelFileError(
            f"{quoted(label)} is not an embedding: it has {len(floats)} tensors", hint=hint
        )
    (tensor,) = floats
    vectors, _width = _shape(tensor)
    if not 1 <= vectors <= MAX_VECTORS or len(tensor.shape) > 2:
        sides = "x".join(map(str, reversed(tensor.shape)))
        raise ModelFileError(
            f"{quoted(label)} is not an embedding: its tensor {quoted(tensor.name)} is {sides}, not"
            f" 1 to {MAX_VECTORS} vectors",
            hint=hint,
        )
    return tensor


def _shape(tensor: TensorInfo) -> tuple[int, int]:
    """Return the number of vectors and their width."""
    width = tensor.shape[0]
    return tensor.elements // max(width, 1), width
