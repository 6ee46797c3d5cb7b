"""The error for a name that is none of those of an argument."""

from collections.abc import Iterable

from gpustack_draw.errors import UsageError, quoted


def unknown_name(
    name: object, names: Iterable[str], argument: str, *, title: str = ""
) -> UsageError:
    """Build the error for an unknown name, with the nearest of the known ones.

    Args:
        name: The name as typed.
        names: The known names.
        argument: The argument.
        title: Noun for it; by default the argument.
    """
    from difflib import get_close_matches

    title = title or argument
    names = tuple(names)
    close = get_close_matches(str(name).lower()[:40], names, n=3, cutoff=0.6)
    nearest = f", the nearest are {', '.join(close)}" if close else ""
    return UsageError(
        f"{quoted(name)} is not a {title}{nearest}",
        hint=f"{title}s: {', '.join(names)}",
        argument=argument,
    )
