"""Plan the LoRAs of a drawing: which files, how they fit the model, which settings they bring."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from gpustack_draw.errors import DrawError, quoted
from gpustack_draw.request.draw_request import DrawRequest
from gpustack_draw.request.lora_tags import check_negative_prompt, split_lora_tags
from gpustack_draw.request.loras import LoraSettings
from gpustack_draw.request.options import SAMPLING_OPTIONS, describe_sampling
from gpustack_draw.resolver.find_loras import FindFile, FoundLora, find_loras
from gpustack_draw.resolver.loras.lora_file import Distillation, LoraFile, LoraMatch

_MAX_WORDS = 3


@dataclass(frozen=True)
class CheckedLora:
    """A LoRA that fits the model.

    Attributes:
        found: Its name, file and weight.
        lora: The contents of its header.
        match: How its tensors match the model.
        note: Note on those that do not; empty if all do.
    """

    found: FoundLora
    lora: LoraFile
    match: LoraMatch
    note: str = ""

    @property
    def settings(self) -> LoraSettings:
        """The settings that record it."""
        lora = self.lora
        return LoraSettings(
            name=self.found.name,
            reference=self.found.file.label,
            weight=self.found.weight,
            tag_weight=self.found.tag_weight,
            applied=self.match.applied,
            total=self.match.total,
            rank=max(lora.ranks, default=None),
            base=lora.base.title if lora.base is not None else lora.stated_base,
            trigger_words=lora.trigger_words,
            license=lora.license,
        )


@dataclass(frozen=True)
class LoraPlan:
    """The LoRAs of a drawing.

    Attributes:
        request: The request, with the settings that its LoRAs bring and it leaves open.
        loras: The LoRAs that have an effect.
        notes: Notes for the user.
    """

    request: DrawRequest
    loras: tuple[CheckedLora, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def settings(self) -> tuple[LoraSettings, ...]:
        """The settings that record the LoRAs."""
        return tuple(each.settings for each in self.loras)


CheckLora = Callable[[FoundLora], CheckedLora]


def plan_loras(request: DrawRequest, find_file: FindFile, check: CheckLora) -> LoraPlan:
    """Find and check the LoRAs of a request; nothing is downloaded.

    Args:
        request: The request.
        find_file: Returns the file of a reference.
        check: Checks that a LoRA fits the model.

    Raises:
        UsageError: A tag or a weight is wrong, or a tag names no LoRA.
        ModelNotFoundError: There is no such file or folder.
        ModelFileError: A file is damaged, no LoRA, or does not fit the model.
        FetchError: The hub is unavailable.
    """
    check_negative_prompt(request.negative_prompt)
    prompt = split_lora_tags(request.prompt)
    found = find_loras(request, prompt.tags, find_file)
    loras = tuple(_checked(each, check) for each in found if each.weight)
    distilled = next(filter(_is_for_few_steps, loras), None)
    filled = {} if distilled is None else _open_settings(request, distilled.lora)
    notes = [each.found.file.note for each in loras] + [each.note for each in loras]
    notes += _notes_on_words(prompt.text, loras)
    if distilled is not None and (filled or _has_own_weight(distilled)):
        notes.append(_note_on_settings(distilled, filled))
    return LoraPlan(replace(request, **filled), loras, tuple(filter(None, notes)))


def _checked(found: FoundLora, check: CheckLora) -> CheckedLora:
    try:
        one = check(found)
    except DrawError as error:
        error.argument = error.argument or "loras"
        raise
    if not _has_own_weight(one):
        return one
    assert one.lora.distillation is not None
    return replace(one, found=replace(found, weight=one.lora.distillation.weight))


def _is_for_few_steps(one: CheckedLora) -> bool:
    return one.lora.distillation is not None and one.found.weight > 0


def _open_settings(request: DrawRequest, lora: LoraFile) -> dict[str, Any]:
    """Return the settings that a LoRA brings and a request leaves open."""
    distillation = lora.distillation
    assert distillation is not None
    names = ("sampler", "scheduler", *(option.name for option in SAMPLING_OPTIONS))
    values = {name: getattr(distillation, name) for name in names}
    return {
        name: value
        for name, value in values.items()
        if value is not None and getattr(request, name) is None
    }


def _note_on_settings(one: CheckedLora, filled: Mapping[str, Any]) -> str:
    distillation = one.lora.distillation
    assert distillation is not None
    chosen = Distillation(title="", **filled)
    texts = [
        *([f"the weight {one.found.weight:g}"] if _has_own_weight(one) else []),
        *describe_sampling(chosen),
        *filter(None, [chosen.sampler, chosen.scheduler]),
    ]
    return f"the LoRA {quoted(one.found.name)} ({distillation.title}) sets {', '.join(texts)}"


def _has_own_weight(one: CheckedLora) -> bool:
    """Return whether nothing sets the weight of a LoRA that its authors recommend another for."""
    distillation = one.lora.distillation
    return one.found.is_open and distillation is not None and distillation.weight != 1.0


def _notes_on_words(prompt: str, loras: Iterable[CheckedLora]) -> Iterator[str]:
    """Yield a note for each LoRA none of whose trigger words is in the prompt."""
    for each in loras:
        words = each.lora.trigger_words
        if words and not any(word.lower() in prompt.lower() for word in words):
            listed = ", ".join(quoted(word, limit=60) for word in words[:_MAX_WORDS])
            name = quoted(each.found.name)
            yield f"the LoRA {name} was trained with {listed}; the prompt has none of it"
