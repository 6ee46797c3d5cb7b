"""Values of fields as clients send them: JSON values, the texts of forms, pictures.

Nothing is checked here that :class:`DrawRequest` checks: a value of another type is passed on, and
its error names it as the client sent it.
"""

import base64
import binascii
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, get_args, get_origin

from gpustack_draw import Lora, UsageError
from gpustack_draw.errors import quoted
from gpustack_draw.untrusted import parse_json

Reader = Callable[[Any], Any]

MAX_LORAS = 32

# No number of a field is longer, and int() takes long for many digits.
_MAX_NUMBER_LENGTH = 40
_INTEGER = re.compile(r"[+-]?[0-9]+")
_DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_LISTS = (Sequence, tuple)
_TRUTH_VALUES = {"true": True, "false": False}
_DATA_URL = re.compile(r"data:(?:[\w.+-]+/[\w.+-]+)?(?:;[\w.+-]+=[\w.+-]*)*;base64,", re.ASCII)
_ADDRESS = re.compile(r"(?i)[a-z][a-z0-9+.-]*:")
_PICTURE_HINT = "send the file in a form, or its bytes as data:image/png;base64,..."


def reader_of(annotation: object) -> Reader:
    """Return the reader of a field of a record.

    Args:
        annotation: The type of the field, such as ``int | None``. Texts become numbers or truth
            values where the field has these and is not a text itself; so do those of a list.
    """
    if annotation is Any:
        return unchanged
    kinds = set(get_args(annotation)) or {annotation}
    of_lists = {kind for each in kinds if get_origin(each) in _LISTS for kind in get_args(each)}

    def read(value: Any) -> Any:
        if isinstance(value, list):
            return [_read_as(of_lists, each) for each in value]
        return _read_as(kinds, value)

    return read


def _read_as(kinds: set[Any], value: Any) -> Any:
    if isinstance(value, str) and str not in kinds:
        return _value_of(value, kinds)
    if isinstance(value, float) and int in kinds and float not in kinds and value.is_integer():
        return int(value)
    return value


def unchanged(value: Any) -> Any:
    """Return a value as it is."""
    return value


read_integer = reader_of(int)
read_truth = reader_of(bool)


def _value_of(text: str, kinds: set[Any]) -> Any:
    stripped = text.strip()
    if bool in kinds and stripped.lower() in _TRUTH_VALUES:
        return _TRUTH_VALUES[stripped.lower()]
    if len(stripped) <= _MAX_NUMBER_LENGTH:
        if (int in kinds or float in kinds) and _INTEGER.fullmatch(stripped):
            return int(stripped)
        if float in kinds and _DECIMAL.fullmatch(stripped):
            return float(stripped)
    return text


def read_size(value: Any) -> Any:
    """Read a size; ``auto`` is that of the model."""
    is_auto = isinstance(value, str) and value.strip().lower() == "auto"
    return None if is_auto else value


def read_json_text(value: Any) -> Any:
    """Read an object or a list, which forms hold as JSON text; other texts are returned."""
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        try:
            return parse_json(value.encode())
        except ValueError:
            return value
    return value


def read_loras(value: Any) -> Any:
    """Read LoRAs: texts ``NAME[:WEIGHT]``, or objects with ``name`` and ``weight``.

    Raises:
        UsageError: One is neither, or there are too many.
    """
    value = read_json_text(value)
    listed = value if isinstance(value, list) else [value]
    if len(listed) > MAX_LORAS:
        raise UsageError(
            f"{len(listed)} LoRAs are too many", hint=f"name {MAX_LORAS} at most", argument="loras"
        )
    return [_read_lora(read_json_text(each)) for each in listed]


def read_upscaler(value: Any) -> Any:
    """Read the name of an upscaler: of a method, or of an upscaling model of the server.

    As a path, an unknown name is passed on without a look at the files of this machine.
    """
    return PurePosixPath(value) if isinstance(value, str) and value else value


def _read_lora(value: Any) -> str | Lora:
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping) and isinstance(value.get("name"), str):
        weight = value.get("weight")
        return Lora(value["name"], None if weight is None else _read_decimal(weight))
    raise UsageError(
        f"{quoted(value)} is not a LoRA",
        hint='for example "style:0.8" or {"name": "style", "weight": 0.8}',
        argument="loras",
    )


_read_decimal = reader_of(float)


def read_pictures(value: Any) -> tuple[bytes, ...]:
    """Read one picture or a list of pictures, each as :func:`read_picture_bytes`."""
    listed = value if isinstance(value, list | tuple) else [value]
    return tuple(map(read_picture_bytes, listed))


def read_mask(value: Any) -> bytes | str:
    """Read a mask: a picture, or ``alpha`` for the transparency of the picture itself."""
    return "alpha" if value == "alpha" else read_picture_bytes(value)


def read_picture_bytes(value: Any) -> bytes:
    """Read the file of a picture.

    Args:
        value: The bytes of a form's file; a data: URL; or an object with one in ``image_url``.

    Raises:
        UsageError: The value is none of these. A text is never a path or an address to fetch.
    """
    if isinstance(value, Mapping):
        value = value.get("image_url", value)
    if isinstance(value, bytes):
        return value
    if isinstance(value, str) and (found := _DATA_URL.match(value)):
        try:
            return base64.b64decode(value[found.end() :], validate=True)
        except (binascii.Error, ValueError):
            raise UsageError(
                f"{quoted(value, limit=40)} is not base64", hint=_PICTURE_HINT
            ) from None
    if isinstance(value, str) and _ADDRESS.match(value):
        raise UsageError(
            f"{quoted(value)} is an address, and this server fetches no pictures",
            hint=_PICTURE_HINT,
        )
    raise UsageError(f"{quoted(value)} is not a picture", hint=_PICTURE_HINT)
