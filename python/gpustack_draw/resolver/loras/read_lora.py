"""Read a LoRA from the header of its file, and refuse a file that the engine would misread."""

from collections.abc import Iterable, Mapping

from gpustack_draw.errors import ModelFileError, quoted
from gpustack_draw.headers.header import ModelHeader, TensorInfo
from gpustack_draw.resolver.loras.check_modules import check_module
from gpustack_draw.resolver.loras.distilled import distillation_of
from gpustack_draw.resolver.loras.guess_base import guess_base
from gpustack_draw.resolver.loras.lora_file import LoraFile, LoraModule
from gpustack_draw.resolver.loras.lora_texts import read_texts
from gpustack_draw.resolver.loras.other_files import check_is_lora
from gpustack_draw.resolver.loras.tensor_names import WEAK_ROLES, naming_of, split_name


def read_lora(header: ModelHeader, label: str, *names: str) -> LoraFile:
    """Read a LoRA from its header.

    Args:
        header: Header of its file, local or over the network.
        label: Name of the file in messages.
        names: Names that may contain a method for few steps, such as those of its file and its
            repository; the label if there are none.

    Raises:
        ModelFileError: The file is no LoRA, or one that the engine would ignore, misread or crash
            with.
    """
    check_is_lora(header, label)
    modules = _modules(header.tensors, label)
    for module in modules.values():
        check_module(module, label)
    texts = read_texts(header.metadata)
    base = guess_base(modules.values(), texts.stated_base)
    return LoraFile(
        label=label,
        format=header.format,
        naming=naming_of(modules),
        types=_by_frequency(module.type for module in modules.values()),
        tensors=header.tensors,
        modules=modules,
        ranks=tuple(sorted({module.rank for module in modules.values()} - {0})),
        base=base,
        stated_base=texts.stated_base,
        trigger_words=texts.trigger_words,
        license=texts.license,
        title=texts.title,
        distillation=distillation_of(base, *(names or (label,)), texts.title),
        file_bytes=header.file_bytes,
    )


def _modules(tensors: Mapping[str, TensorInfo], label: str) -> dict[str, LoraModule]:
    """Group the tensors of a LoRA by module."""
    groups: dict[str, dict[str, TensorInfo]] = {}
    for name, tensor in tensors.items():
        module, role = split_name(name)
        if not role:
            continue
        group = groups.setdefault(module, {})
        if role in group:
            raise ModelFileError(
                f"{quoted(label)} has the same factor twice: {quoted(group[role].name)} and"
                f" {quoted(name)}",
                hint="use another file of the same LoRA",
            )
        group[role] = tensor
    # An alpha or a scale alone belongs to no module; norms of models have scales, too.
    return {
        name: LoraModule(name, group)
        for name, group in groups.items()
        if not WEAK_ROLES.issuperset(group)
    }


def _by_frequency(words: Iterable[str]) -> tuple[str, ...]:
    counts: dict[str, int] = {}
    for word in words:
        counts[word] = counts.get(word, 0) + 1
    return tuple(sorted(counts, key=lambda word: -counts[word]))
