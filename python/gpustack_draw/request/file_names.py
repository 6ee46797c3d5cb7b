"""Names of files in repositories, and lists of them for messages."""

from collections.abc import Sequence


def file_name(path: str) -> str:
    """Return the last part of a path."""
    return path.rpartition("/")[2]


def stem_of(path: str) -> str:
    """Return a file's name without its folder and its ending."""
    name = file_name(path)
    return name[: name.rfind(".")] if "." in name else name


def nearest(text: str, names: Sequence[str]) -> list[str]:
    """Return names in the order of their likeness to a text."""
    from difflib import SequenceMatcher

    def distance(name: str) -> float:
        return -SequenceMatcher(None, text.lower(), name.lower()).ratio()

    return sorted(names, key=distance)


def listed(names: Sequence[str], *, limit: int = 6) -> str:
    """Return the first names, and the number of the others, for a message."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
