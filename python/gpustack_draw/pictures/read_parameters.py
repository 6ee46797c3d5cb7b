"""Read the parameters of a picture from its file.

Any program may have written it, so nothing in it is trusted.
"""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

from gpustack_draw.errors import UsageError, quoted
from gpustack_draw.pictures.foreign_parameters import find_foreign, json_object, read_foreign
from gpustack_draw.pictures.hires_parameters import read_hires, read_web_ui_hires
from gpustack_draw.pictures.infotext import ParametersText, parse_text
from gpustack_draw.pictures.lora_parameters import recorded_loras
from gpustack_draw.pictures.parameters import (
    EMBEDDING_HASHES,
    PROGRAM,
    REFERENCE,
    USER_COMPONENTS,
)
from gpustack_draw.pictures.picture_parameters import (
    InputParameters,
    read_inputs,
    read_strength,
)
from gpustack_draw.pictures.picture_texts import PictureText, PictureTexts, read_texts
from gpustack_draw.request.draw_request import DrawRequest, parse_size
from gpustack_draw.request.loras import read_loras
from gpustack_draw.request.model_reference import LocalModel, parse_model_reference
from gpustack_draw.request.names import COMPONENTS
from gpustack_draw.request.options import SAMPLING_OPTIONS, SEED, SKIP_OPTIONS, SLG_SCALE
from gpustack_draw.request.picture_options import PictureOptions
from gpustack_draw.request.sampling import SamplingOptions
from gpustack_draw.request.web_ui_names import names_scheduler, sampling_named

if TYPE_CHECKING:
    import PIL.Image

_Value = TypeVar("_Value")

# Names of texts in the form of web UIs, the most common first.
_NAMES = (
    *("parameters", "usercomment", "imagedescription", "xpcomment", "comment", "description"),
    "xmp",
)
# Patterns of "Version", and the program whose name that version lacks.
_VERSIONS = (
    (re.compile(r"v[0-9]"), "AUTOMATIC1111 "),
    (re.compile(r"f[0-9]"), "Forge "),
    (re.compile(r"neo", re.IGNORECASE), "Forge "),
    (re.compile(r"[A-Za-z]{3}"), ""),
)
_ZERO_FRACTION = re.compile(r"(?<=[0-9])\.0{1,9}(?![0-9])")  # in whole numbers: 20.0


@dataclass(frozen=True, kw_only=True)
class Parameters(SamplingOptions):
    """The parameters of a picture; ``None`` or empty where its file has none.

    Its other fields are those of :class:`SamplingOptions`.

    Attributes:
        prompt: The prompt.
        negative_prompt: The negative prompt.
        model: The model's name.
        reference: Reference to draw with the model again: ``demo``, ``hf.co/...``.
        size: Width and height in pixels, each 1 to 8192.
        sampler: One of :data:`gpustack_draw.SAMPLERS`, or another program's name of a sampler
            that the engine lacks.
        scheduler: One of :data:`gpustack_draw.SCHEDULERS`, or another program's name of a
            scheduler that the engine lacks.
        seed: 0 to 2**63 - 1.
        user_components: Names of the components that the user chose: ``vae``, ...; their files are
            not stored.
        program: The program that wrote the picture, with its version if the file has it.
        extra: Every other value in the file, by its name there.
        text: The complete text that holds the values.
    """

    prompt: str
    negative_prompt: str
    model: str
    reference: str
    size: tuple[int, int] | None
    sampler: str
    scheduler: str
    seed: int | None
    user_components: tuple[str, ...]
    program: str
    extra: Mapping[str, str]
    text: str

    @property
    def is_of_this_program(self) -> bool:
        """True if gpustack-draw wrote the picture."""
        return self.program.startswith(PROGRAM)

    @property
    def inputs(self) -> InputParameters:
        """How the picture was drawn from others. Only gpustack-draw stores their digests."""
        if self.is_of_this_program:
            return read_inputs(self.extra)
        return InputParameters(options={} if self.hires_options else read_strength(self.extra))

    @property
    def embeddings(self) -> tuple[str, ...]:
        """Names of the embeddings in its prompts; their files are not stored."""
        pairs = self.extra.get(EMBEDDING_HASHES, "").split(",")
        return tuple(filter(None, (pair.partition(":")[0].strip() for pair in pairs)))

    @property
    def hires_options(self) -> dict[str, Any]:
        """Fields of HiresOptions: how a second pass was drawn; empty without one."""
        if self.is_of_this_program:
            return read_hires(self.extra)
        return read_web_ui_hires(self.extra, self.size, self.sample_steps)

    def request(self, **changes: Any) -> DrawRequest:
        """Return a request for the same picture, to pass to ``model.draw``.

        Args:
            changes: Fields of :class:`DrawRequest` and of :class:`PictureOptions` that replace
                those of the picture; among them the input pictures, which it does not contain. A
                sampler whose name includes a scheduler, such as ``DPM++ 2M Karras``, replaces the
                scheduler, too. ``loras`` and ``lora_dir`` name the files of the LoRAs in its prompt
                that are not on the hub. ``hires=False`` leaves the second pass out.

        Raises:
            UsageError: The engine lacks the sampler or the scheduler, a value is out of range, or
                the picture was drawn from others that are not named.
        """
        names = [field.name for field in fields(DrawRequest) if hasattr(self, field.name)]
        values: dict[str, Any] = {name: getattr(self, name) for name in names}
        values["sampler"] = self.sampler or None
        values["scheduler"] = self.scheduler or None
        if names_scheduler(changes.get("sampler")):
            values["scheduler"] = None
        if changes.keys() & {"sample_steps", "scheduler"}:
            values["sigmas"] = None
        if changes.get("sigmas", values["sigmas"]) is not None:
            values["sample_steps"] = values["scheduler"] = None
        if changes.get("hires", True):
            values |= self.hires_options
        own = {field.name for field in fields(PictureOptions)}
        named = {name: changes.pop(name) for name in own & set(changes)}
        loras = read_loras(changes.pop("loras", None) or ())
        prompt = changes.get("prompt", self.prompt)
        values["loras"] = loras + recorded_loras(self.extra, prompt, loras) or None
        pictures = self.inputs.completed(named, "the picture")
        if pictures:
            values["pictures"] = PictureOptions(**pictures)
        return DrawRequest(**{**values, **changes})


def read_parameters(
    picture: "str | os.PathLike[str] | bytes | BinaryIO | PIL.Image.Image",
) -> Parameters:
    """Read the parameters of a picture.

    Reads pictures of gpustack-draw and of programs that use the form of Stable Diffusion web UIs;
    with the extra ``gpustack-draw[pictures]``, those of ComfyUI, InvokeAI, Fooocus and
    NovelAI. Pixels are not decoded.

    Args:
        picture: The path of a PNG, JPEG or WebP file, its contents, a binary file object, or an
            image of Pillow.

    Raises:
        UsageError: The picture cannot be read, is of another format, has no parameters, or is of
            a program whose pictures are not supported.
    """
    label = "the picture"
    if isinstance(picture, str | os.PathLike):
        label = quoted(os.fspath(picture))
    try:
        return _read(picture, label)
    except UsageError as error:
        error.argument = "picture"
        raise


def _read(picture: object, label: str) -> Parameters:
    found = read_texts(picture, label)
    for candidate in sorted(found.texts, key=_rank):
        # A prompt inside the JSON of another program may look like this form.
        read = None if json_object(candidate.text) else parse_text(candidate.text)
        if read is not None:
            return _parameters(read, candidate.text, _program_of(read.pairs))
    foreign = find_foreign(found.texts)
    if foreign is not None:
        read = read_foreign(foreign, label)
        version = read.pairs.get("Version", "")[:60]
        named = version if foreign.program in version else f"{foreign.program} {version}".strip()
        return _parameters(read, foreign.text, named)
    raise _nothing_found(found, label)


def _rank(text: PictureText) -> int:
    """Return the position of a text's name among those of texts in the form of web UIs."""
    name = text.name.lower()
    return _NAMES.index(name) if name in _NAMES else len(_NAMES)


def _nothing_found(found: PictureTexts, label: str) -> UsageError:
    if found.is_too_long:
        return UsageError(f"{label} holds more text than parameters can have")
    if found.is_damaged:
        return UsageError(f"{label} is damaged", hint="copy or download it again")
    usual = [text for text in found.texts if _rank(text) < len(_NAMES)]
    instead = f": its text is {quoted(min(usual, key=_rank).text, limit=40)}" if usual else ""
    return UsageError(
        f"{label} has no record of how it was drawn{instead}",
        hint="pictures of gpustack-draw and of Stable Diffusion web UIs have one, unless another"
        " program has removed it",
    )


def _program_of(pairs: Mapping[str, str]) -> str:
    """Return the program that wrote a text in the form of web UIs; empty if unknown."""
    version = pairs.get("Version", "")[:60]
    if "App" in pairs:  # SD.Next
        return f"{pairs['App'][:60]} {version}".strip()
    for pattern, name in _VERSIONS:
        if pattern.match(version):
            return name + version
    return "Civitai" if "Civitai resources" in pairs else ""


def _parameters(read: ParametersText, text: str, program: str) -> Parameters:
    extra = dict(read.pairs)

    def take(name: str, parse: Callable[[str], _Value | None]) -> _Value | None:
        try:
            value = parse(extra[name])
        except (KeyError, UsageError):
            return None
        del extra[name]
        return value

    def take_number(name: str, parse: Callable[[str], _Value | None]) -> _Value | None:
        return take(name, lambda text: parse(_ZERO_FRACTION.sub("", text)))

    numbers: dict[str, Any] = {
        option.name: take_number(option.parameter, option.parse) for option in SAMPLING_OPTIONS
    }
    if numbers[SLG_SCALE.name] == 0:  # sd-cli writes the layers that it would skip, too
        numbers |= dict.fromkeys(SKIP_OPTIONS)
    sampling = sampling_named(extra.pop("Sampler", ""), extra.pop("Schedule type", ""))
    return Parameters(
        prompt=read.prompt,
        negative_prompt=read.negative_prompt,
        # stable-diffusion.cpp writes an empty "Model" if the components were named separately.
        model=extra.pop("Model", "") or extra.pop("Unet", ""),
        reference=take(REFERENCE, _checked_reference) or "",
        size=take_number("Size", parse_size),
        sampler=sampling.sampler,
        scheduler=sampling.scheduler,
        seed=take_number(SEED.parameter, SEED.parse),
        user_components=tuple(
            name for name in extra.pop(USER_COMPONENTS, "").split() if name in COMPONENTS
        ),
        program=program,
        extra=extra,
        text=text,
        **numbers,
    )


def _checked_reference(text: str) -> str:
    # gpustack-draw never writes a path into a picture; opening one from a stranger is unsafe.
    return "" if isinstance(parse_model_reference(text), LocalModel) else text
