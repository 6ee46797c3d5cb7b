"""The fields of requests over HTTP, each declared once, and the drawing that they describe.

The names are those of the command's options; the aliases are those of OpenAI, llama-box,
vLLM-Omni, SGLang and GPUStack's playground.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from gpustack_draw import DrawError, DrawRequest, PictureOptions, UsageError
from gpustack_draw.errors import quoted
from gpustack_draw.serve.openai.field_values import (
    Reader,
    read_integer,
    read_loras,
    read_mask,
    read_pictures,
    read_size,
    read_upscaler,
    reader_of,
)

MAX_COUNT = 10
GUIDANCE_SCALE = "guidance_scale"


@dataclass(frozen=True)
class Field:
    """A field of a request.

    Attributes:
        name: Its name.
        read: Returns the value that a JSON value or a text of a form stands for.
        aliases: Its other names.
        argument: The argument that it sets; empty for the one of its name.
    """

    name: str
    read: Reader
    aliases: tuple[str, ...] = ()
    argument: str = ""

    @property
    def target(self) -> str:
        """Name of the argument that it sets."""
        return self.argument or self.name


@dataclass(frozen=True)
class FieldValues:
    """The values of a request.

    Attributes:
        values: Values by argument, without those that are absent or null.
        names: The field that set each argument, as the client spelled it.
        unknown: Names of fields that do not exist.
    """

    values: Mapping[str, Any]
    names: Mapping[str, str]
    unknown: tuple[str, ...] = ()

    def without(self, *arguments: str) -> "FieldValues":
        """Return the values without those of some arguments."""
        values = {name: each for name, each in self.values.items() if name not in arguments}
        return replace(self, values=values)

    def named(self, error: DrawError) -> DrawError:
        """Return an error that is about a field as the client spelled it."""
        if error.argument is not None:
            name = _FIELD_OF.get(error.argument, error.argument)
            error.argument = self.names.get(error.argument, name)
        return error


def read_fields(values: Mapping[str, Any], known: Iterable[Field]) -> FieldValues:
    """Read the values of fields.

    Args:
        values: The values by the names that the client sent; ``None`` is an absent one, and so is
            an empty text, except for the prompt.
        known: The fields.

    Raises:
        UsageError: Two names of one field have different values, or a value cannot be read.
    """
    read: dict[str, Any] = {}
    names: dict[str, str] = {}
    spellings: set[str] = set()
    for field in known:
        spellings |= {field.name, *field.aliases}
        for name in (field.name, *field.aliases):
            if values.get(name) is None or (values[name] == "" and name != "prompt"):
                continue
            value = _read(field, name, values[name])
            if value is None:
                continue
            if names.setdefault(field.target, name) == name:
                read[field.target] = value
            elif read[field.target] != value:
                raise _conflict(names[field.target], name, values)
    return FieldValues(read, names, tuple(name for name in values if name not in spellings))


def _read(field: Field, name: str, value: Any) -> Any:
    try:
        return field.read(value)
    except UsageError as error:
        error.argument = name
        raise


def _conflict(name: str, other: str, values: Mapping[str, Any]) -> UsageError:
    return UsageError(
        f'"{name}" is {quoted(values[name])} and "{other}" is {quoted(values[other])},'
        " but both are the same value",
        hint="send one of them",
        argument=other,
    )


def draw_request(read: FieldValues, *, distills: bool = False) -> DrawRequest:
    """Return the drawing that the values of :data:`REQUEST_FIELDS` describe.

    Args:
        read: The values.
        distills: Whether the model takes distilled guidance, as FLUX does. ``guidance_scale`` alone
            then means that, and else the scale of classifier-free guidance.

    Raises:
        UsageError: The prompt is missing, or a value is not allowed; ``argument`` is the field as
            the client spelled it.
    """
    values, names = dict(read.values), dict(read.names)
    scale = values.pop(GUIDANCE_SCALE, None)
    target = "guidance" if distills else "cfg_scale"
    if scale is not None and target not in values:
        values[target], names[target] = scale, GUIDANCE_SCALE
    if not values.get("prompt"):
        problem = "empty" if "prompt" in values else "missing"
        raise UsageError(
            f"the prompt is {problem}",
            hint='for example "prompt": "a lovely cat"',
            argument="prompt",
        )
    try:
        if pictures := {name: values.pop(name) for name in _PICTURES & values.keys()}:
            values["pictures"] = PictureOptions(**pictures)
        return DrawRequest(**values)
    except UsageError as error:
        raise FieldValues(values, names).named(error) from None


def _read_count(value: Any) -> Any:
    count = read_integer(value)
    if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= MAX_COUNT:
        raise UsageError(
            f"{quoted(value)} is not a number of pictures from 1 to {MAX_COUNT}",
            hint='for example "n": 4',
        )
    return count


# Clients name no files of this machine.
_LOCAL = {"lora_dir", "pictures"}
_PICTURES = {field.name for field in fields(PictureOptions)}
_ALIASES = {
    "negative_prompt": ("negative_sampler",),  # of forms in llama-box
    "sample_steps": ("sampling_steps", "num_inference_steps", "steps"),
    "cfg_scale": ("true_cfg_scale",),
    "guidance": ("distilled_guidance",),
    "sampler": ("sample_method", "sampler_name"),
    "scheduler": ("schedule_method", "schedule"),
    "image": ("images",),
}
_READERS = {
    "size": read_size,
    "loras": read_loras,
    "hires_upscaler": read_upscaler,
    "image": read_pictures,
    "ref_image": read_pictures,
    "control_image": lambda value: read_pictures(value)[0],
    "mask": read_mask,
}
_COUNT = Field("n", _read_count, argument="count")
_FIELD_OF = {_COUNT.argument: _COUNT.name}
REQUEST_FIELDS: tuple[Field, ...] = (
    _COUNT,
    Field(GUIDANCE_SCALE, reader_of(float)),
    *(
        Field(
            field.name,
            _READERS.get(field.name) or reader_of(field.type),
            _ALIASES.get(field.name, ()),
        )
        for record in (DrawRequest, PictureOptions)
        for field in fields(record)
        if field.name not in {*_LOCAL, _COUNT.argument}
    ),
)
