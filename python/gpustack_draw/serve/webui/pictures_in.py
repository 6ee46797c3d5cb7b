"""Decode the pictures of a request, which are base64 texts."""

import base64
import binascii
import re

from gpustack_draw.errors import UsageError, quoted

_ADDRESS = re.compile(r"(?i)[a-z][a-z0-9+.-]{1,20}:")
_BLANKS = re.compile(r"\s+")


def decode_picture(value: object, name: str) -> bytes:
    """Return the bytes of a picture's file; they are not looked at.

    Args:
        value: Base64, with or without the start of a ``data:`` address.
        name: Name of the field.

    Raises:
        UsageError: The value is not base64, or an address of another kind.
    """
    if value is None:
        raise UsageError("there is no picture", argument=name)
    if not isinstance(value, str):
        raise UsageError(f"{quoted(value)} is not a picture in base64", argument=name)
    text = value.strip()
    if text[:5].lower() == "data:":
        text = text.partition(",")[2]
    elif _ADDRESS.match(text):
        raise UsageError(
            f"{quoted(text, limit=60)} is an address, not a picture in base64",
            hint="send the picture's file",
            argument=name,
        )
    try:
        data = base64.b64decode(_BLANKS.sub("", text), validate=True)
    except (binascii.Error, ValueError):
        raise UsageError(
            f"{quoted(text, limit=60)} is not a picture in base64", argument=name
        ) from None
    if not data:
        raise UsageError("the picture is empty", argument=name)
    return data
