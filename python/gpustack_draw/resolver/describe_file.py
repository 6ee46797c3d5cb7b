"""Describe any file of weights by its header: its type, its texts, its tensors."""

import math
import os
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from gpustack_draw.errors import DrawError, ModelFileError, ModelNotFoundError, quoted
from gpustack_draw.headers.diffusers_folder import is_model_folder, read_model_folder
from gpustack_draw.headers.header import ModelHeader, read_model_header
from gpustack_draw.request.known_models import parse_local_reference
from gpustack_draw.request.model_reference import (
    DemoModel,
    HubModel,
    LocalModel,
)
from gpustack_draw.resolver.control_net import check_control_net, control_net_base
from gpustack_draw.resolver.detect_family import (
    components_inside,
    detect_family,
    identify_file,
    variant_of,
)
from gpustack_draw.resolver.loras.lora_file import Distillation
from gpustack_draw.resolver.loras.lora_texts import read_texts
from gpustack_draw.resolver.loras.other_files import has_lora_tensors, unused_addition
from gpustack_draw.resolver.loras.read_lora import read_lora
from gpustack_draw.resolver.requirements import family_of, has_engine_names
from gpustack_draw.untrusted import clean

if TYPE_CHECKING:
    from gpustack_draw.hub import Repository, RepositoryFile

_MOST_KEYS = 256
_MAX_KEY_LENGTH = 100
_LARGEST = 2**64  # no tool writes larger numbers, and text of thousands of digits takes long
# The shapes of single tensors, which quantizers for ComfyUI store among the keys.
_SHAPE_KEYS = "comfy.gguf.orig_shape."
_UNUSED = "this version does not use such files"


@dataclass(frozen=True, kw_only=True)
class FileInfo:
    """The content of a file of weights, according to its header.

    All texts are printable lines of limited length, whatever the file contains.

    Attributes:
        reference: Reference of the file, as in messages.
        type: ``model``, ``LoRA``, a component such as ``vae`` or ``control_net``, ``textual
            inversion``, ``upscaler``, ...; empty if unknown.
        family: Family of a model; empty for other files.
        variant: Variant of a model, such as ``turbo``; empty if unknown.
        components: Components inside the file of a model.
        base: Models that a LoRA or a ControlNet is made for, by its names and shapes; empty if
            unknown.
        stated_base: Base model that the metadata names; empty for none.
        naming: Program or library whose names the tensors of a LoRA have, such as ``kohya``.
        lora_types: Types of a LoRA's modules, the most frequent first: ``LoRA``, ``LoHa``, ...
        ranks: Ranks of a LoRA's modules, ascending, each once.
        trigger_words: Words that the authors of a LoRA used in prompts for it.
        distillation: Settings that a LoRA for few steps asks for; ``None`` for other files.
        title: Title in the metadata; empty for none.
        license: License in the metadata; empty for none.
        format: ``gguf``, ``safetensors`` or ``checkpoint``.
        tensors: Number of tensors; ``None`` for a text model on the hub, whose header is long.
        parameters: Number of elements of all tensors; ``None`` where ``tensors`` is.
        tensor_types: Number of tensors by type, such as ``Q8_0``.
        bytes: Size of the file.
        path: Path of the file on this machine; ``None`` if it is not downloaded.
        metadata: Keys and values of the header, shortened.
        problem: Why this version cannot use the file; empty if it can.
    """

    reference: str
    type: str
    family: str = ""
    variant: str = ""
    components: tuple[str, ...] = ()
    base: str = ""
    stated_base: str = ""
    naming: str = ""
    lora_types: tuple[str, ...] = ()
    ranks: tuple[int, ...] = ()
    trigger_words: tuple[str, ...] = ()
    distillation: Distillation | None = None
    title: str = ""
    license: str = ""
    format: str
    tensors: int | None
    parameters: int | None
    tensor_types: Mapping[str, int]
    bytes: int
    path: Path | None = None
    metadata: Mapping[str, object] = field(default_factory=dict, repr=False)
    problem: str = ""


def info(reference: str | os.PathLike[str]) -> FileInfo:
    """Describe a model, a LoRA or another file of weights by its header.

    Over the network, only the header is read; nothing is downloaded.

    Args:
        reference: ``demo``, a path, or ``hf.co/OWNER/REPO[@REVISION][:TAG]``, where the tag is a
            quantization or the name of a file.

    Raises:
        UsageError: The reference is empty, or an address of another site.
        ModelNotFoundError: There is no such file.
        ModelFileError: The file is damaged, or no file of weights.
        FetchError: The hub is unavailable, or refuses the request.
    """
    try:
        parsed = parse_local_reference(reference)
        if isinstance(parsed, HubModel):
            return _describe_on_hub(parsed)
        if isinstance(parsed, DemoModel):
            from gpustack_draw.demo import DEMO_FILE

            return _describe(read_model_header(DEMO_FILE), "demo", ("demo",), DEMO_FILE)
        path = parsed.path if isinstance(parsed, LocalModel) else Path(parsed.text)
        if is_model_folder(path):
            header = read_model_folder(path, parsed.text)
        else:
            header = read_model_header(path, label=parsed.text)
        return _describe(header, parsed.text, (path.stem,), path)
    except DrawError as error:
        error.argument = "reference"
        raise


def _describe_on_hub(reference: HubModel) -> FileInfo:
    from gpustack_draw.hub import Hub

    hub = Hub()

    def is_cached(repository: "Repository") -> bool:
        try:
            return hub.path_of(_choose(reference, repository)) is not None
        except ModelNotFoundError:
            return False

    repository = hub.repository(reference.repository, reference.revision, is_sufficient=is_cached)
    file = _choose(reference, repository)
    names = (Path(file.path).stem, file.repository.rpartition("/")[2])
    header = hub.read_header(file)
    return _describe(header, file.label, names, hub.path_of(file))


def _choose(reference: HubModel, repository: "Repository") -> "RepositoryFile":
    """Return the file of a repository: a model by its tag, or else any file of weights."""
    from gpustack_draw.hub.choose_addition import choose_addition
    from gpustack_draw.hub.choose_file import choose_file
    from gpustack_draw.request.additions import ANY_WEIGHTS

    explicit = reference.has_explicit_tag
    try:
        choice = choose_file(
            repository.paths,
            reference.tag,
            has_explicit_tag=explicit,
            repository=repository.name,
        )
    except ModelNotFoundError:
        tag = reference.tag if explicit else ""
        path = choose_addition(repository.paths, tag, ANY_WEIGHTS, repository=repository.name)
        return repository.file(path)
    return repository.model(choice.path)


def _describe(
    header: ModelHeader, label: str, names: tuple[str, ...], path: Path | None
) -> FileInfo:
    """Describe a file.

    Args:
        header: Its header.
        label: Its name in messages.
        names: Its own name, without folder and ending, and its repository's.
        path: Its path on this machine; ``None`` if it is not there.
    """
    texts = read_texts(header.metadata)
    described = FileInfo(
        reference=label,
        type="",
        title=texts.title,
        license=texts.license,
        stated_base=texts.stated_base,
        trigger_words=texts.trigger_words,
        format=header.format,
        tensors=len(header.tensors),
        parameters=header.parameter_count,
        tensor_types=dict(Counter(tensor.type for tensor in header.tensors.values())),
        bytes=header.file_bytes,
        path=path,
        metadata=_metadata(header),
    )
    if addition := unused_addition(header):
        return replace(described, type=addition.partition(" ")[2], problem=_UNUSED)
    if has_lora_tensors(header):
        return _with_lora(described, header, names)
    if detect_family(header) is not None:
        return _with_family(described, header, names)
    identity = identify_file(header)
    if path is None and identity in {"llm", "t5xxl"} and header.format == "gguf":
        described = replace(described, tensors=None, parameters=None, tensor_types={})
    if identity == "control_net":
        return _with_control_net(described, header)
    return replace(described, type=re.sub("^an? ", "", identity))


def _with_control_net(described: FileInfo, header: ModelHeader) -> FileInfo:
    problem = ""
    try:
        check_control_net(header, described.reference)
    except ModelFileError as error:
        problem = error.message
    base = control_net_base(header)
    return replace(described, type="control_net", base=base, problem=problem)


def _with_lora(described: FileInfo, header: ModelHeader, names: tuple[str, ...]) -> FileInfo:
    try:
        lora = read_lora(header, described.reference, *names)
    except ModelFileError as error:
        return replace(described, type="LoRA", problem=error.message)
    return replace(
        described,
        type="LoRA",
        base=lora.base.title if lora.base is not None else "",
        naming=lora.naming,
        lora_types=lora.types,
        ranks=lora.ranks,
        distillation=lora.distillation,
    )


def _with_family(described: FileInfo, header: ModelHeader, names: tuple[str, ...]) -> FileInfo:
    family = detect_family(header)
    assert family is not None
    problem = ""
    try:
        family_of(header, described.reference, names[0])
    except DrawError as error:
        problem = error.message
    is_prefixed = has_engine_names(header) or family.unet
    inside = components_inside(header, family) if is_prefixed else set()
    return replace(
        described,
        type="model",
        family=family.name,
        variant=variant_of(family, *names, header=header),
        components=tuple(sorted(inside)),
        problem=problem,
    )


def _metadata(header: ModelHeader) -> dict[str, object]:
    """Return the keys and values of a header as short texts, numbers and truth values."""
    keys = [key for key in header.metadata if not key.startswith(_SHAPE_KEYS)]
    return {clean(key, _MAX_KEY_LENGTH): _short(header.metadata[key]) for key in keys[:_MOST_KEYS]}


def _short(value: object) -> object:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return value if abs(value) < _LARGEST else quoted(value)
    if isinstance(value, dict | list | tuple):
        return f"{len(value)} values"
    return clean(str(value))
