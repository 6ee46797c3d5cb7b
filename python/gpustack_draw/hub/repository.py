"""What is known about a repository and its files."""

import re
from dataclasses import dataclass

COMMIT = re.compile(r"[0-9a-f]{40}")
# File systems take names of 255 bytes, and most systems paths of 4096.
_LONGEST_NAME = 255
_LONGEST_PATH = 1000


@dataclass(frozen=True)
class RepositoryFile:
    """A file of a repository, at one commit.

    Attributes:
        repository: ``OWNER/REPO``.
        revision: What was asked for: a branch, a tag or a commit.
        commit: What that was when it was looked up.
        path: In the repository, with ``/`` between folders.
        bytes: Its size; -1 where the hub has not told.
        digest: Its SHA-256 (64 digits), or for a small file git's own SHA-1 (40 digits); empty
            where the hub has not told.
    """

    repository: str
    revision: str
    commit: str
    path: str
    bytes: int = -1
    digest: str = ""

    @property
    def shown(self) -> str:
        """What messages call it."""
        return f"hf.co/{self.repository}:{self.path}"


@dataclass(frozen=True)
class Repository:
    """A repository at one commit.

    Attributes:
        name: ``OWNER/REPO``.
        revision: What was asked for.
        commit: What that was when it was looked up.
        files: Its files, sorted by path.
        note: For the user, where it could not be looked up now; empty otherwise.
    """

    name: str
    revision: str
    commit: str
    files: tuple[RepositoryFile, ...]
    note: str = ""

    @property
    def paths(self) -> list[str]:
        """The paths of its files."""
        return [file.path for file in self.files]

    def file(self, path: str) -> RepositoryFile:
        """Give the file at a path that is known to be there."""
        return next(file for file in self.files if file.path == path)


def make_repository(
    name: str, revision: str, commit: str, files: dict[str, tuple[int, str]], note: str = ""
) -> Repository:
    """Make a repository from sizes and digests by path; paths that lead elsewhere are left out."""
    return Repository(
        name=name,
        revision=revision,
        commit=commit,
        files=tuple(
            RepositoryFile(name, revision, commit, path, size, digest)
            for path, (size, digest) in sorted(files.items())
            if is_safe(path)
        ),
        note=note,
    )


def is_safe(path: str) -> bool:
    """Return whether a path from the hub stays inside the folder it is put in, on every system."""
    parts = path.split("/")
    return (
        path.isprintable()
        and len(path) <= _LONGEST_PATH
        and not any(
            part in {"", ".", ".."}
            or set(part) & set('\\:*?"<>|')
            or len(part.encode()) > _LONGEST_NAME
            for part in parts
        )
    )
