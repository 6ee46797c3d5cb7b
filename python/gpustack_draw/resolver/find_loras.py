"""Find the files of the LoRAs that a drawing uses: those of its options and those of its prompt."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gpustack_draw.errors import DrawError, UsageError, quoted
from gpustack_draw.phrases import phrase
from gpustack_draw.request.file_names import nearest, stem_of
from gpustack_draw.request.lora_tags import LoraTag, recordable_name
from gpustack_draw.request.loras import LORA_WEIGHT, Lora, LoraOptions
from gpustack_draw.resolver.find_addition import AdditionFile
from gpustack_draw.resolver.lora_folder import VARIABLE, LoraFolder

FindFile = Callable[[str], AdditionFile]

# Names of files that tell nothing about the LoRA: that of the folder or repository is used.
_USUAL_STEMS = frozenset(
    ("pytorch_lora_weights", "adapter_model", "diffusion_pytorch_model", "lora", "model")
)
_MAX_NAMES = 3


@dataclass(frozen=True)
class FoundLora:
    """A LoRA of a drawing whose file is known.

    Attributes:
        name: Name in the prompt, else that of the file, or of its folder or repository.
        file: The file.
        weight: Factor of its effect: the sum of the weights of options and tags.
        tag_weight: Share of the tags.
        is_open: Whether neither options nor tags set the weight.
    """

    name: str
    file: AdditionFile
    weight: float
    tag_weight: float = 0.0
    is_open: bool = False


def find_loras(
    options: LoraOptions, tags: Sequence[LoraTag], find_file: FindFile
) -> tuple[FoundLora, ...]:
    """Find the files of the LoRAs that options and the tags of a prompt name.

    Args:
        options: The LoRAs of the drawing, and the folder of others.
        tags: The tags of its prompt.
        find_file: Returns the file of a reference.

    Returns:
        Each LoRA once, with the sum of its weights, which may be 0.

    Raises:
        UsageError: A tag names no LoRA or several, two have one name, or a sum is out of range.
        ModelNotFoundError: There is no such file or folder.
        ModelFileError: A file is damaged.
        FetchError: The hub is unavailable.
    """
    named: dict[str, _NamedLora] = {}
    for lora in options.loras or ():
        file = find_file(lora.reference)
        named.setdefault(_identity(file), _NamedLora(file)).options.append(lora)
    _check_names(list(named.values()))
    folder = _folder(options, has_tags=bool(tags))
    for tag in tags:
        one = _with_name(named, tag.name)
        if one is None:
            file = _find_in_folder(tag, folder, [each.name for each in named.values()], find_file)
            one = named.setdefault(_identity(file), _NamedLora(file))
        one.tags.append(tag)
    return tuple(each.found() for each in named.values())


class _NamedLora:
    """A file, and the options and tags that name it."""

    def __init__(self, file: AdditionFile) -> None:
        self.file = file
        self.options: list[Lora] = []
        self.tags: list[LoraTag] = []
        path = Path(file.path if file.hub_file is None else file.hub_file.path)
        folder = path.parent.name or ("" if file.hub_file is None else file.hub_file.repository)
        self.stem = stem_of(path.name)
        is_usual = self.stem.lower() in _USUAL_STEMS
        self.own_name = (is_usual and folder.rpartition("/")[2]) or self.stem

    @property
    def name(self) -> str:
        """The name in the prompt, as web UIs record it, else the file's own."""
        typed = self.tags[0].name if self.tags else self.own_name
        return recordable_name(typed)

    def found(self) -> FoundLora:
        """Return the file with the sum of its weights.

        Raises:
            UsageError: The sum is out of range.
        """
        default = 0.0 if self.tags else 1.0
        tag_weight = sum((tag.weight for tag in self.tags), 0.0)
        weights = [default if each.weight is None else each.weight for each in self.options]
        weight = round(tag_weight + sum(weights), 6)
        if not LORA_WEIGHT.minimum <= weight <= LORA_WEIGHT.maximum:
            raise UsageError(
                f"the weights of the LoRA {quoted(self.name)} add up to {weight:g}, which is not"
                f" from {LORA_WEIGHT.minimum} to {LORA_WEIGHT.maximum}",
                hint="name it once",
                argument="loras",
            )
        is_open = not self.tags and [each.weight for each in self.options] == [None]
        return FoundLora(self.name, self.file, weight, round(tag_weight, 6), is_open)


def _identity(file: AdditionFile) -> str:
    return os.path.realpath(file.path) if file.hub_file is None else file.label


def _check_names(loras: Sequence[_NamedLora]) -> None:
    by_name: dict[str, _NamedLora] = {}
    for one in loras:
        other = by_name.setdefault(one.name.lower(), one)
        if other is not one:
            raise UsageError(
                f"two LoRAs have the name {quoted(one.name)}: {quoted(other.file.label)} and"
                f" {quoted(one.file.label)}",
                hint="rename one of the files: pictures record LoRAs by name",
                argument="loras",
            )


def _with_name(named: dict[str, _NamedLora], name: str) -> _NamedLora | None:
    """Return the LoRA that a tag names; one that options name goes first."""
    lower = name.lower()
    for one in named.values():
        names = [one.own_name, one.stem, *(tag.name for tag in one.tags)]
        if lower in (each.lower() for each in (*names, one.name)):
            return one
    return None


def _folder(options: LoraOptions, *, has_tags: bool) -> LoraFolder | None:
    """Return the folder of LoRAs; that of the environment only if a prompt may name one in it."""
    if options.lora_dir is not None:
        return LoraFolder(options.lora_dir)
    of_environment = os.environ.get(VARIABLE, "").strip()
    if not has_tags or not of_environment:
        return None
    try:
        return LoraFolder(of_environment)
    except DrawError as error:
        error.hint = f"set {VARIABLE} to the folder of your LoRAs, or unset it"
        raise


def _find_in_folder(
    tag: LoraTag, folder: LoraFolder | None, names: Sequence[str], find_file: FindFile
) -> AdditionFile:
    path = None if folder is None else folder.find(tag.name)
    if path is not None:
        return find_file(path)
    known = list(dict.fromkeys([*names, *(folder.names if folder is not None else ())]))
    near = ", ".join(map(quoted, nearest(tag.name, known)[:_MAX_NAMES]))
    place: str = phrase("its folder with {lora_dir}")
    if folder is not None:
        place = f"put it into {quoted(folder.path)}"
    raise UsageError(
        f"the LoRA {quoted(tag.name)} of the prompt is not known"
        + (f"; the nearest are {near}" if near else ""),
        hint=phrase("name its file with {loras}, or {}, or leave the tag out", place),
        argument="prompt",
    )
