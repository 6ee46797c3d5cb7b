"""The fields of a request that are about its reply."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gpustack_draw import UsageError
from gpustack_draw.errors import quoted
from gpustack_draw.serve.openai.field_values import (
    read_integer,
    read_json_text,
    read_truth,
    unchanged,
)
from gpustack_draw.serve.openai.fields import Field, FieldValues

FORMATS = {"png": "png", "jpg": "jpeg", "jpeg": "jpeg", "webp": "webp"}
_MEDIA = {"b64_json": False, "url": True}
_MOST_PARTIAL = 3
# Pillow's and libjpeg's advice: higher values make files larger and pictures no better.
_HIGHEST_QUALITY = 95


@dataclass(frozen=True, kw_only=True)
class ReplyOptions:
    """The options of a reply.

    Attributes:
        file_format: ``png``, ``jpeg`` or ``webp``.
        compression: Quality of JPEG and WebP, 0 to 100.
        as_url: Whether a picture is a data: URL in ``url``, not base64 in ``b64_json``.
        stream: Whether the reply is a stream of events.
        partial_images: Growing pictures to send for each picture, 0 to 3.
        progress: Whether the stream has events for the progress.
        previews: Whether it has a growing picture whenever the engine makes one.
    """

    file_format: str = "png"
    compression: int = 100
    as_url: bool = False
    stream: bool = False
    partial_images: int = 0
    progress: bool = False
    previews: bool = False

    @property
    def suffix(self) -> str:
        """Ending of a file of this format."""
        return f".{self.file_format}"

    @property
    def quality(self) -> int:
        """Quality of JPEG and WebP for Pillow."""
        return min(self.compression, _HIGHEST_QUALITY)

    @property
    def uses_previews(self) -> bool:
        """True if growing pictures are of use."""
        return self.stream and (self.previews or self.partial_images > 0)


def reply_options(read: FieldValues) -> ReplyOptions:
    """Return the options that the values of :data:`REPLY_FIELDS` describe."""
    values = {name: read.values[name] for name in _RECORDED if name in read.values}
    flags = read.values.get("stream_options", {})
    return ReplyOptions(
        **values,
        progress=read_truth(flags.get("progress")) is True,
        previews=read_truth(flags.get("previews")) is True,
    )


def _choice(title: str, names: Mapping[str, Any]) -> Any:
    """Return a reader of one of several names."""

    def read(value: Any) -> Any:
        name = value.strip().lower() if isinstance(value, str) else ""
        if name not in names:
            *first, last = names
            hint = f"{', '.join(first)} or {last}"
            raise UsageError(f"{quoted(value)} is not {title}", hint=hint)
        return names[name]

    return read


def _integer(title: str, minimum: int, maximum: int) -> Any:
    """Return a reader of a whole number."""

    def read(value: Any) -> int:
        number = read_integer(value)
        is_number = isinstance(number, int) and not isinstance(number, bool)
        if not is_number or not minimum <= number <= maximum:
            raise UsageError(
                f"{quoted(value)} is not {title} from {minimum} to {maximum}",
                hint=f"for example {maximum}",
            )
        return int(number)

    return read


def _read_truth(value: Any) -> bool:
    truth = read_truth(value)
    if not isinstance(truth, bool):
        raise UsageError(f"{quoted(value)} is not true or false")
    return truth


def _read_stream_options(value: Any) -> Mapping[str, Any]:
    options = read_json_text(value)
    if not isinstance(options, Mapping):
        raise UsageError(f"{quoted(value)} is not an object", hint='for example {"progress": true}')
    return options


REPLY_FIELDS: tuple[Field, ...] = (
    Field("model", unchanged),
    Field("response_format", _choice("a format of replies", _MEDIA), argument="as_url"),
    Field(
        "output_format",
        _choice("a format of pictures", FORMATS),
        argument="file_format",
    ),
    Field("output_compression", _integer("a compression", 0, 100), argument="compression"),
    Field("stream", _read_truth),
    Field("partial_images", _integer("a number of partial pictures", 0, _MOST_PARTIAL)),
    Field("stream_options", _read_stream_options),
    Field(
        "background",
        _choice("a background that this server draws", {"auto": None, "opaque": None}),
    ),
    # Fields for OpenAI's own models: accepted, without an effect.
    *(
        Field(name, unchanged)
        for name in (
            *("quality", "style", "moderation", "user"),
            *("safety_identifier", "input_fidelity"),
        )
    ),
)
_RECORDED = ("file_format", "compression", "as_url", "stream", "partial_images")
