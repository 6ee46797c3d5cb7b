"""Forms as the fields of a request: names that end in brackets are lists and objects."""

import re
from collections.abc import Iterable
from typing import Any

# image[], image[0], stream_options[progress]
_NAME = re.compile(r"(?P<name>[^\[\]]+)\[(?P<key>[^\[\]]*)\]")
# The longest lists are those of pictures; a number counts for the order only.
_MAX_INDEX_LENGTH = 4


def form_values(parts: Iterable[tuple[str, str | bytes]]) -> dict[str, Any]:
    """Return the values of a form by name.

    Several parts of one name become a list, and so do ``NAME[]`` and ``NAME[0]``, ``NAME[1]``, in
    the order of their numbers; ``NAME[KEY]`` becomes an object. An empty text is an absent value.

    Args:
        parts: Name and content of each part: text, or the bytes of a file.
    """
    lists: dict[str, list[tuple[int, Any]]] = {}
    objects: dict[str, dict[str, Any]] = {}
    values: dict[str, Any] = {}
    for name, content in parts:
        if content == "":
            continue
        found = _NAME.fullmatch(name)
        base, key = (found["name"], found["key"]) if found else (name, "")
        if key and not _is_index(key):
            objects.setdefault(base, {})[key] = content
        else:
            lists.setdefault(base, []).append((int(key or 0), content))
            if found:
                values[base] = ()  # a list even with a single item
    for name, items in lists.items():
        ordered = [content for _, content in sorted(items, key=lambda item: item[0])]
        values[name] = ordered if name in values or len(ordered) > 1 else ordered[0]
    return {**values, **objects}


def _is_index(key: str) -> bool:
    return key.isascii() and key.isdecimal() and len(key) <= _MAX_INDEX_LENGTH
