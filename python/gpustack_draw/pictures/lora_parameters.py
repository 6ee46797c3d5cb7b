"""The parameters of a picture that tell which LoRAs its drawing used.

As AUTOMATIC1111's web UI (extensions-builtin/Lora) writes them: the tags stay in the prompt, and
``Lora hashes`` has a hash by name. A LoRA that was named outside the prompt gets a tag, too. Paths
stay out of pictures, because they are private; ``Lora references`` has the files on the hub.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from gpustack_draw.errors import UsageError
from gpustack_draw.request.file_names import stem_of
from gpustack_draw.request.lora_tags import (
    LoraTag,
    recordable_name,
    split_lora_tags,
    write_lora_tag,
)
from gpustack_draw.request.loras import Lora, LoraSettings
from gpustack_draw.request.model_reference import HubModel, parse_model_reference

HASHES = "Lora hashes"
REFERENCES = "Lora references"
_HUB = "hf.co/"
# Names contain neither comma nor colon; file names may.
_BEFORE_NAME = re.compile(r",(?=[^,:]+: )")


def prompt_with_tags(prompt: str, loras: Sequence[LoraSettings]) -> str:
    """Return a prompt with a tag for each LoRA, or share of its weight, that it does not name."""
    others = {each.name: round(each.weight - each.tag_weight, 6) for each in loras}
    tags = [write_lora_tag(name, weight) for name, weight in others.items() if weight]
    return " ".join(filter(None, [prompt, *tags])) if tags else prompt


def lora_pairs(loras: Sequence[LoraSettings]) -> dict[str, str | None]:
    """Return the parameters of LoRAs by name, ``None`` for unused ones."""
    hashes = [f"{each.name}: {each.hash}" for each in loras if each.hash]
    references = [
        f"{each.name}: {each.reference}" for each in loras if each.reference.startswith(_HUB)
    ]
    return {HASHES: ", ".join(hashes) or None, REFERENCES: ", ".join(references) or None}


def read_pairs(text: str) -> dict[str, str]:
    """Read the hashes or the references by name."""
    pairs = (pair.partition(": ") for pair in _BEFORE_NAME.split(text))
    return {name.strip(): value.strip() for name, _, value in pairs}


def recorded_loras(
    pairs: Mapping[str, str], prompt: str, named: Sequence[Lora]
) -> tuple[Lora, ...]:
    """Return the LoRAs on the hub that a picture was drawn with and a prompt has tags of.

    Args:
        pairs: The parameters of the picture.
        prompt: The prompt, whose tags set their weights.
        named: LoRAs that replace those of the same name.
    """
    names = {recordable_name(tag.name).lower() for tag in _tags_of(prompt)}
    names -= {_name_of(each.reference) for each in named}
    return tuple(
        Lora(reference)
        for name, reference in read_pairs(pairs.get(REFERENCES, "")).items()
        if name.lower() in names and _is_on_hub(reference)
    )


def dropped_tags(prompt: str, recorded: str) -> tuple[str, ...]:
    """Return the tags of a recorded prompt that another one drops, unless it has tags itself."""
    return () if _tags_of(prompt) else tuple(tag.text for tag in _tags_of(recorded))


def changed_loras(pairs: Mapping[str, str], loras: Sequence[LoraSettings]) -> Iterator[str]:
    """Yield the names of LoRAs whose recorded hash is another than that of the file used."""
    recorded = {name.lower(): value for name, value in read_pairs(pairs.get(HASHES, "")).items()}
    for each in loras:
        before = recorded.get(each.name.lower(), each.hash)
        length = min(len(before), len(each.hash))
        if before[:length].lower() != each.hash[:length]:
            yield each.name


def _tags_of(prompt: str) -> tuple[LoraTag, ...]:
    try:
        return split_lora_tags(prompt).tags
    except UsageError:  # of a picture of another program
        return ()


def _name_of(reference: str) -> str:
    last = reference.replace("\\", "/").rpartition("/")[2]
    return stem_of(last.rpartition(":")[2] or last).lower()


def _is_on_hub(reference: str) -> bool:
    # A picture of a stranger must not name a file of this machine.
    try:
        return isinstance(parse_model_reference(reference), HubModel)
    except UsageError:
        return False
