"""Read how a picture was drawn: for ``--from``, which draws it again, and for ``show``."""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from gpustack_draw.cli.arguments import Arguments
from gpustack_draw.cli.option_names import option_of
from gpustack_draw.errors import UsageError, quoted
from gpustack_draw.pictures.hires_parameters import HIRES_NAMES, HIRES_UPSCALER
from gpustack_draw.pictures.lora_parameters import HASHES, REFERENCES, changed_loras, dropped_tags
from gpustack_draw.pictures.parameters import EMBEDDING_HASHES
from gpustack_draw.pictures.read_parameters import Parameters, read_parameters
from gpustack_draw.pictures.upscaled_text import UPSCALE_BY, UPSCALER
from gpustack_draw.request.draw_settings import DrawSettings
from gpustack_draw.request.names import SAMPLERS, SCHEDULERS
from gpustack_draw.request.options import SAMPLING_OPTIONS, SEED, STRENGTH, text_of
from gpustack_draw.request.picture_options import PictureOptions
from gpustack_draw.request.web_ui_names import names_scheduler
from gpustack_draw.untrusted import clean

# A drawing could not follow these.
_SAY_NOTHING = (
    *("App", "Version", "Model hash", "Model reference", "VAE hash", "TE"),
    *(HASHES, REFERENCES, EMBEDDING_HASHES, UPSCALER, UPSCALE_BY),
)
# The values that a drawing takes from a picture, and cannot where they are out of range.
_NUMBERS = {
    "Size": "size",
    **{option.parameter: option.name for option in (*SAMPLING_OPTIONS, SEED)},
}


@dataclass(frozen=True)
class SourcePicture:
    """The picture of ``--from``.

    Attributes:
        model: The model to draw it with, as typed, or as the picture names it.
        parameters: How it was drawn.
        notes: For the user.
        pictures: Fields of PictureOptions: the typed ones, and others of the picture.
    """

    model: str
    parameters: Parameters
    notes: tuple[str, ...]
    pictures: Mapping[str, Any]

    def note_changed_loras(self, drawn: DrawSettings, note: Callable[[str], None]) -> None:
        """Note each LoRA of a new picture whose file is another than the recorded one."""
        for name in changed_loras(self.parameters.extra, drawn.loras):
            note(f"the LoRA {quoted(name)} is not the file that was used before")


def read_source(
    arguments: Arguments, typed: Mapping[str, object], pictures: Mapping[str, Any]
) -> SourcePicture:
    """Read the picture of ``--from``.

    Args:
        arguments: The command line, with ``--from``.
        typed: The typed fields of a request, which replace those of the picture.
        pictures: The typed fields of PictureOptions, likewise.

    Raises:
        UsageError: The picture cannot be read, or was drawn from others that are not named; or the
            engine lacks its sampler or scheduler.
    """
    path = arguments.from_picture
    assert path is not None
    found = read_parameters(path)
    _check_sampling(typed, found, path)
    _check_model(arguments, found, path)
    return SourcePicture(
        model=arguments.model or found.reference,
        parameters=found,
        notes=tuple(_notes(arguments, typed, found, path)),
        pictures=found.inputs.completed(pictures, quoted(path)),
    )


def notes_on_inputs(source: SourcePicture, read: PictureOptions) -> Iterator[str]:
    """Yield a note for each kind of input pictures that are others than those recorded.

    Args:
        source: The picture of ``--from``.
        read: The input pictures of this drawing, read.
    """
    inputs = source.parameters.inputs
    images = tuple(picture.short_hash for picture in read.image)
    references = tuple(picture.short_hash for picture in read.ref_image)
    first = inputs.image_hash
    if first and images[:1] != (first,):
        yield "the picture of --image is not the one that was used before"
    if inputs.reference_hashes and (
        inputs.reference_hashes != (references if first else (*images, *references))
    ):
        yield "the reference pictures are not those that were used before"
    if inputs.control_hash not in ("", getattr(read.control_image, "short_hash", "")):
        yield "the picture of --control-image is not the one that was used before"
    is_own_mask = inputs.mask_hash in ("", inputs.image_hash)
    if not is_own_mask and inputs.mask_hash != getattr(read.mask, "short_hash", ""):
        yield "the picture of --mask is not the one that was used before"


def _check_sampling(typed: Mapping[str, object], found: Parameters, path: str) -> None:
    """Refuse a sampler or scheduler that the engine lacks, unless another was typed."""
    names = {"sampler": (found.sampler, SAMPLERS)}
    if not names_scheduler(typed.get("sampler")):
        names["scheduler"] = (found.scheduler, SCHEDULERS)
    for option, (name, known) in names.items():
        if option not in typed and name and name not in known:
            raise UsageError(
                f"{quoted(path)} was drawn with the {option} {quoted(name)},"
                " which the engine does not have",
                hint=f"choose one that it has: --{option} {', '.join(known)}",
            )


def _notes(
    arguments: Arguments, typed: Mapping[str, object], found: Parameters, path: str
) -> Iterator[str]:
    """Yield the reasons why the new picture can differ."""
    components = found.user_components
    missing = [option_of(name) for name in components if getattr(arguments, name) is None]
    if missing:
        yield f"{quoted(path)} was drawn with {', '.join(missing)}, and does not say which file"
    if found.embeddings and not arguments.embedding:
        names = clean(", ".join(map(quoted, found.embeddings)))
        yield f"{quoted(path)} was drawn with the embeddings {names}; name them with --embedding"
    hires = found.hires_options if typed.get("hires", True) else {}
    if hires and "hires_upscaler" not in {*hires, *typed} and HIRES_UPSCALER in found.extra:
        upscaler = clean(quoted(found.extra[HIRES_UPSCALER], limit=40))
        yield (
            f"{quoted(path)} was enlarged by {upscaler} for its second pass; name the file with"
            " --hires-upscaler"
        )
    for name, argument in _NUMBERS.items():
        if name in found.extra and argument not in typed:
            value = quoted(found.extra[name], limit=40)
            yield f"{quoted(path)} has the {_spaced(argument)} {value}, which cannot be used"
    if tags := dropped_tags(str(typed.get("prompt", found.prompt)), found.prompt):
        names = clean(" ".join(tags))
        yield f"{quoted(path)} was drawn with {names}, which the new prompt does not have"
    if UPSCALER in found.extra and arguments.upscale is None:
        name = clean(quoted(found.extra[UPSCALER], limit=40))
        yield f"{quoted(path)} was enlarged by {name}; enlarge the new one with --upscale"
    if found.is_of_this_program:
        return
    if "strength" in found.inputs.options and arguments.image is None:
        yield (
            f"{quoted(path)} was drawn from another picture; name that one with --image to start"
            " from it"
        )
    program = clean(found.program) or "a program that it does not name"
    used = {*_SAY_NOTHING, *_NUMBERS}
    if found.hires_options:
        used.update(HIRES_NAMES)
    elif found.inputs.options:
        used.add(STRENGTH.parameter)
    unused = [name for name in found.extra if name not in used]
    ignored = f"; the drawing ignores {clean(', '.join(unused))}" if unused else ""
    yield f"{quoted(path)} was written by {program}{ignored}"


def _check_model(arguments: Arguments, found: Parameters, path: str) -> None:
    """Refuse what would draw with no model, or with one that was meant as a prompt."""
    first = arguments.model
    if first is None and not found.reference:
        of_name = f" was drawn with the model {quoted(found.model)}, and does not say where that is"
        raise UsageError(
            quoted(path) + (of_name if found.model else " does not name the model"),
            hint="name it, too: gpustack-draw MODEL --from PICTURE",
        )
    is_prompt = first is not None and " " in first and not os.path.lexists(first)
    if is_prompt and arguments.prompt is None:
        model = found.reference or "MODEL"
        raise UsageError(
            f"{quoted(first)} is taken for the model: the first word is",
            hint=f"put the model before the prompt: gpustack-draw {model} PROMPT --from PICTURE",
        )


def show_parameters(arguments: Arguments, write: Callable[[bytes], None]) -> int:
    """Print how a picture was drawn.

    Args:
        arguments: The command line of ``show``.
        write: Gets the output.

    Returns:
        The exit status.

    Raises:
        UsageError: The picture cannot be read, or does not say how it was drawn.
    """
    found = read_parameters(arguments.picture)
    write((_record(found) if arguments.json else _lines(found).encode(errors="replace")) + b"\n")
    return 0


def _record(found: Parameters) -> bytes:
    record = asdict(found)
    width, height = record.pop("size") or (None, None)
    record |= {"width": width, "height": height}
    return json.dumps(record).encode()


def _lines(found: Parameters) -> str:
    values = {
        "prompt": found.prompt,
        "negative prompt": found.negative_prompt,
        "model": found.reference or found.model,
        "seed": found.seed,
        "size": found.size and "{}x{}".format(*found.size),
        "sampler": found.sampler,
        "scheduler": found.scheduler,
        **{_spaced(option.name): text_of(option, found) for option in SAMPLING_OPTIONS},
        "user components": " ".join(found.user_components),
        "program": found.program or "unknown",
    }
    extra = dict(found.extra)
    if extra.get("Version", "") in found.program:
        extra.pop("Version", None)
    values |= {_printable(name.lower()): value for name, value in extra.items()}
    known = {name: str(value) for name, value in values.items() if value not in (None, "")}
    width = max(len(name) for name in known) + 2
    return "\n".join(
        f"{name}:".ljust(width) + _printable(value).replace("\n", "\n" + " " * width)
        for name, value in known.items()
    )


def _spaced(name: str) -> str:
    return name.replace("_", " ")


def _printable(text: str) -> str:
    # A stranger's picture shall not send the terminal orders.
    keep = str.isprintable
    return "".join(mark if keep(mark) or mark == "\n" else repr(mark)[1:-1] for mark in text)
