"""Choose the file of a repository that is an addition to a model, by file names alone.

Repositories of additions hold many files that are not quantizations of one model, so their tags are
names: of a file, or a part of it that no other file has.
"""

import re
from collections.abc import Iterator, Sequence

from gpustack_draw.errors import ModelNotFoundError, quoted
from gpustack_draw.request.additions import Addition
from gpustack_draw.request.file_names import file_name, listed, nearest, stem_of


def choose_addition(paths: Sequence[str], tag: str, addition: Addition, *, repository: str) -> str:
    """Find the file of an addition in a repository.

    A tag is the first of these that fits a file, without regard to case: its path, its name, its
    name without the ending, some whole words of its path, any part of its path. Of files that
    differ in their endings only, the first one of :attr:`Addition.endings` is used. Without a tag
    it is the file with a usual name, or the only file with the first ending that the repository
    has.

    Args:
        paths: Paths of all files of the repository.
        tag: The tag as typed; empty for none.
        addition: The type of addition.
        repository: Repository as ``OWNER/REPO[@REVISION]``, for messages.

    Returns:
        The path of the file.

    Raises:
        ModelNotFoundError: No file fits, or several do.
    """
    files = [path for path in paths if path.lower().endswith(addition.endings)]
    if not files:
        raise ModelNotFoundError(
            f"hf.co/{repository} has no file that can be {addition.title}"
            f" ({listed(addition.endings)})",
            hint=f"see hf.co/{repository}",
        )
    return (
        _with_tag(files, tag, addition, repository) if tag else _usual(files, addition, repository)
    )


def _usual(files: Sequence[str], addition: Addition, repository: str) -> str:
    for name in addition.usual_names:
        if name in files:
            return name
    for ending in addition.endings:
        found = [path for path in files if path.lower().endswith(ending)]
        if len(found) == 1:
            return found[0]
        if found:
            break
    raise ModelNotFoundError(
        f"hf.co/{repository} has {len(files)} files that can be {addition.title}: {listed(files)}",
        hint=f"name one: hf.co/{repository}:{files[0]}",
    )


def _with_tag(files: Sequence[str], tag: str, addition: Addition, repository: str) -> str:
    for found in _matches(files, tag):
        if len({path[: path.rfind(".")] for path in found}) == 1:
            return min(found, key=lambda path: addition.endings.index(_ending(path)))
        if found:
            raise ModelNotFoundError(
                f"{quoted(tag)} fits {len(found)} files of hf.co/{repository}: {listed(found)}",
                hint=f"write the name: hf.co/{repository}:{found[0]}",
            )
    similar = nearest(tag, files)
    raise ModelNotFoundError(
        f"hf.co/{repository} has no file {quoted(tag)} that can be {addition.title};"
        f" it has {listed(similar)}",
        hint=f"for example hf.co/{repository}:{similar[0]}",
    )


def _matches(files: Sequence[str], tag: str) -> Iterator[list[str]]:
    """Yield the files that a tag fits, by one rule after another."""
    yield [path for path in files if path == tag]
    tag = tag.lower()
    words = re.compile(rf"(?<![a-z0-9]){re.escape(tag)}(?![a-z0-9])")
    yield [path for path in files if path.lower() == tag]
    yield [path for path in files if file_name(path).lower() == tag]
    yield [path for path in files if stem_of(path).lower() == tag]
    yield [path for path in files if words.search(path.lower())]
    yield [path for path in files if tag in path.lower()]


def _ending(path: str) -> str:
    return path[path.rfind(".") :].lower()
