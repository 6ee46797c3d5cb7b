"""A repository and its files at one commit."""

import re
from dataclasses import dataclass, field, replace

from gpustack_draw.hub.choose_file import tag_of

MAIN = "main"
COMMIT = re.compile(r"[0-9a-f]{40}")
# File systems limit names to 255 bytes, and most systems limit paths to 4096.
_MAX_NAME_BYTES = 255
_MAX_PATH_LENGTH = 1000


@dataclass(frozen=True)
class RepositoryFile:
    """A file of a repository, at one commit.

    Attributes:
        repository: ``OWNER/REPO``.
        revision: Requested branch, tag or commit.
        commit: Commit of the revision when it was looked up.
        path: Path in the repository, with ``/`` between folders.
        bytes: Size in bytes; -1 if unknown.
        digest: SHA-256 (64 digits), or for a small file the git SHA-1 (40 digits); empty if
            unknown.
        tag: Shortest tag that names the file in its repository; empty if unknown.
    """

    repository: str
    revision: str
    commit: str
    path: str
    bytes: int = -1
    digest: str = ""
    tag: str = field(default="", compare=False)

    @property
    def label(self) -> str:
        """Reference for messages: ``hf.co/OWNER/REPO[@REVISION]:TAG``, or the path as the tag."""
        at = "" if self.revision == MAIN else f"@{self.revision}"
        return f"hf.co/{self.repository}{at}:{self.tag or self.path}"


@dataclass(frozen=True)
class Repository:
    """A repository at one commit.

    Attributes:
        name: ``OWNER/REPO``.
        revision: Requested branch, tag or commit.
        commit: Commit of the revision when it was looked up.
        files: Files, sorted by path.
        note: Message for the user if the hub could not be reached; empty otherwise.
    """

    name: str
    revision: str
    commit: str
    files: tuple[RepositoryFile, ...]
    note: str = ""

    @property
    def paths(self) -> list[str]:
        """Paths of the files."""
        return [file.path for file in self.files]

    def file(self, path: str) -> RepositoryFile:
        """Return the file at an existing path."""
        return next(file for file in self.files if file.path == path)

    def model(self, path: str) -> RepositoryFile:
        """Return the model at an existing path, with the tag that the command models lists."""
        return replace(self.file(path), tag=tag_of(path, self.paths))


def make_repository(
    name: str, revision: str, commit: str, files: dict[str, tuple[int, str]], note: str = ""
) -> Repository:
    """Build a repository from sizes and digests by path; unsafe paths are omitted."""
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
    """Return whether a path from the hub stays inside its folder on every system."""
    parts = path.split("/")
    return (
        path.isprintable()
        and len(path) <= _MAX_PATH_LENGTH
        and not any(
            part in {"", ".", ".."}
            or set(part) & set('\\:*?"<>|')
            or len(part.encode()) > _MAX_NAME_BYTES
            for part in parts
        )
    )
