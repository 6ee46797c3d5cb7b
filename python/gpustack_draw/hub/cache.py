"""The hub client's cache on disk: where its files are, and what we know about them.

Layout: https://huggingface.co/docs/huggingface_hub/guides/manage-cache (as the client's source has
it, versions 0.30 to 2.4). What we add is in ``.gpustack-draw`` inside a repository's folder, where
the client's own tools do not look: lists of files, and which files have been verified. A revision
that was only looked up stays there, too: what other programs find under it is not changed before
its files are here.
"""

import contextlib
import errno
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

from gpustack_draw.errors import FetchError, quoted
from gpustack_draw.hub.repository import (
    COMMIT,
    Repository,
    RepositoryFile,
    is_safe,
    make_repository,
)
from gpustack_draw.untrusted import clean

_CHUNK = 4 * 1024 * 1024


class HubCache:
    """The cache; nothing is made before something is stored.

    Attributes:
        folder: Where it is.
    """

    def __init__(self, folder: Path) -> None:
        """Use a folder, which need not exist."""
        self.folder = folder

    def repository_folder(self, name: str) -> Path:
        """Return the folder of a repository."""
        return _inside(self.folder, "--".join(["models", *name.split("/")]))

    def blob(self, file: RepositoryFile) -> Path:
        """Give where a file's bytes are, or will be."""
        return _inside(self.repository_folder(file.repository) / "blobs", _blob_name(file))

    def partial(self, file: RepositoryFile) -> Path:
        """Give where a file's bytes are while they are fetched."""
        blob = self.blob(file)
        return blob.with_name(blob.name + ".incomplete")

    def lock(self, file: RepositoryFile) -> Path:
        """Give the file whose lock the client takes while it fetches."""
        folder = self.repository_folder(file.repository).name
        return self.folder / ".locks" / folder / f"{_blob_name(file)}.lock"

    def snapshots(self, name: str) -> Path:
        """Return the folder that holds a folder of links for each commit of a repository."""
        return self.repository_folder(name) / "snapshots"

    def pointer(self, file: RepositoryFile) -> Path:
        """Give the path under which a file is used."""
        return _inside(self.snapshots(file.repository), f"{file.commit}/{file.path}")

    def find(self, file: RepositoryFile) -> Path | None:
        """Give the path of a file that is here whole, as far as its size tells."""
        for path in (self.pointer(file), self.blob(file)):
            try:
                size = path.stat().st_size
            except OSError:
                continue
            if file.bytes in {-1, size}:
                return path
        return None

    def partial_bytes(self, file: RepositoryFile) -> int:
        """Tell how much of a file an interrupted fetch has left."""
        try:
            return min(self.partial(file).stat().st_size, max(file.bytes, 0))
        except OSError:
            return 0

    def read_partial(self, file: RepositoryFile, most: int) -> bytes:
        """Give the first bytes of what an interrupted fetch has left of a file."""
        try:
            with self.partial(file).open("rb") as opened:
                return opened.read(min(most, max(file.bytes, 0)))
        except OSError:
            return b""

    def is_damaged(self, file: RepositoryFile) -> bool:
        """Tell whether a file is here with another size than it should have."""
        here = self.pointer(file).exists() or self.blob(file).exists()
        return here and self.find(file) is None

    def link(self, file: RepositoryFile) -> Path:
        """Make a fetched file usable under its own name. Several processes may do so at once.

        Raises:
            OSError: The cache cannot be written to.
        """
        pointer, blob = self.pointer(file), self.blob(file)
        if not _is_same(pointer, blob):
            pointer.parent.mkdir(parents=True, exist_ok=True)
            new = pointer.with_name(f"{secrets.token_hex(8)}.tmp")
            try:
                new.symlink_to(os.path.relpath(blob, pointer.parent))
                new.replace(pointer)
            except (OSError, NotImplementedError) as error:
                new.unlink(missing_ok=True)
                if not _cannot_link(error):
                    raise
                blob.replace(pointer)
        self._write_ref(file)
        return pointer

    def remove(self, file: RepositoryFile) -> None:
        """Remove a damaged file, but not what a user's, or the client's, link leads to outside."""
        pointer = self.pointer(file)
        target = linked(pointer)
        if target.parent == self.blob(file).parent:
            target.unlink(missing_ok=True)
        for path in (pointer, self.blob(file)):
            path.unlink(missing_ok=True)

    def read_commit(self, name: str, revision: str) -> str:
        """Give the commit that a revision was when it was last looked up; empty if it never was."""
        if COMMIT.fullmatch(revision):
            return revision
        places = [folder / _ref_name(revision) for folder in self.own_folders(name)]
        places.insert(0, _inside(self.repository_folder(name) / "refs", revision))
        return next((commit for commit in map(text_of, places) if is_safe(commit)), "")

    def _write_ref(self, file: RepositoryFile) -> None:
        path = _inside(self.repository_folder(file.repository) / "refs", file.revision)
        if file.revision != file.commit and text_of(path) != file.commit:
            with contextlib.suppress(OSError):
                _write(path, file.commit)

    def read_repository(self, name: str, revision: str) -> Repository | None:
        """Give what was known about a repository when it was last looked up.

        Where only the client itself has fetched files: the files that are here.
        """
        commit = self.read_commit(name, revision)
        if not commit:
            return None
        for folder in self.own_folders(name):
            with contextlib.suppress(ValueError, AttributeError, TypeError):
                table = json.loads(text_of(folder / f"files-{commit}.json"))
                files = {path: (int(size), str(digest)) for path, (size, digest) in table.items()}
                return make_repository(name, revision, commit, files)
        files = dict(self._snapshot(name, commit))
        return make_repository(name, revision, commit, files) if files else None

    def is_listed(self, name: str, commit: str) -> bool:
        """Tell whether all files of a commit are known, not only those that are here."""
        return any((folder / f"files-{commit}.json").exists() for folder in self.own_folders(name))

    def write_repository(self, repository: Repository) -> None:
        """Keep what the hub said about a repository; needs no success."""
        table = {file.path: (file.bytes, file.digest) for file in repository.files}
        self._keep(repository.name, f"files-{repository.commit}.json", json.dumps(table))
        if repository.revision != repository.commit:
            self._keep(repository.name, _ref_name(repository.revision), repository.commit)

    def is_verified(self, file: RepositoryFile, path: Path) -> bool:
        """Tell whether a file's bytes were compared with its digest, and not changed since."""
        mark = mark_of(path)
        return bool(file.digest) and any(
            text_of(folder / f"verified-{file.digest}") == mark
            for folder in self.own_folders(file.repository)
        )

    def mark_verified(self, file: RepositoryFile, mark: str) -> None:
        """Keep that a file's bytes are right; needs no success.

        Args:
            file: The file.
            mark: Of the file on the disk, taken before its bytes were read.
        """
        if file.digest:
            self._keep(file.repository, f"verified-{file.digest}", mark)

    def read_fact(self, file: RepositoryFile, what: str) -> str | None:
        """Give what was found out about a file's bytes; ``None`` where nobody has looked."""
        for folder in self.own_folders(file.repository):
            with contextlib.suppress(OSError):
                if file.digest:
                    return (folder / f"{what}-{file.digest}").read_text(encoding="utf-8")
        return None

    def keep_fact(self, file: RepositoryFile, what: str, fact: str) -> None:
        """Keep what was found out about a file's bytes; needs no success."""
        if file.digest:
            self._keep(file.repository, f"{what}-{file.digest}", fact)

    def free_bytes(self) -> int | None:
        """Tell how much room the disk of the cache has; ``None`` where nobody tells."""
        for folder in (self.folder, *self.folder.absolute().parents):
            with contextlib.suppress(OSError):
                return shutil.disk_usage(folder).free
        return None

    def repositories(self) -> list[str]:
        """Give the names of all repositories here."""
        try:
            folders = sorted(path.name for path in self.folder.iterdir() if path.is_dir())
        except OSError:
            return []
        names = [name.split("--")[1:] for name in folders if name.startswith("models--")]
        return ["/".join(parts) for parts in names if len(parts) == 2]

    def revisions(self, name: str) -> list[str]:
        """Give the revisions of a repository that are here, main first.

        Those that were fetched by a name, or where there are none, by their commits.
        """
        folder = self.repository_folder(name)
        found = []
        with contextlib.suppress(OSError):
            refs = folder / "refs"
            found = [
                path.relative_to(refs).as_posix() for path in refs.rglob("*") if path.is_file()
            ]
        with contextlib.suppress(OSError):
            found = found or [path.name for path in (folder / "snapshots").iterdir()]
        return sorted(found, key=lambda revision: (revision != "main", revision))

    def _snapshot(self, name: str, commit: str) -> Iterator[tuple[str, tuple[int, str]]]:
        folder = _inside(self.snapshots(name), commit)
        for path in sorted(folder.rglob("*")):
            with contextlib.suppress(OSError):
                if path.is_file():
                    # The client names a blob after its digest; that can be a link, too.
                    digest = linked(path).name
                    known = len(digest) in {40, 64} and set(digest) <= set("0123456789abcdef")
                    size = path.stat().st_size
                    yield path.relative_to(folder).as_posix(), (size, digest if known else "")

    def own_folders(self, name: str) -> Iterator[Path]:
        """Yield the folders of our records about a repository, the preferred one first."""
        folder = self.repository_folder(name)
        yield folder / ".gpustack-draw"
        # For a cache that cannot be written to.
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
        with contextlib.suppress(RuntimeError):
            yield Path(base).expanduser() / "gpustack-draw" / folder.name

    def _keep(self, name: str, file: str, text: str) -> None:
        for folder in self.own_folders(name):
            with contextlib.suppress(OSError):
                if not (folder / file).exists() or text_of(folder / file) != text:
                    _write(folder / file, text)
                if folder.parent.parent == self.folder:
                    # The client takes a repository without such a folder for a damaged one.
                    (folder.parent / "snapshots").mkdir(exist_ok=True)
                return


def digest_of(file: RepositoryFile) -> "hashlib._Hash":
    """Start to compute a file's digest, in the way its length tells."""
    if len(file.digest) == 40:
        # What git calls a file: the digest of a header and its bytes.
        sha1 = hashlib.sha1(usedforsecurity=False)
        sha1.update(b"blob %d\0" % file.bytes)
        return sha1
    return hashlib.sha256()


def update_from(
    path: Path, digest: "hashlib._Hash", on_bytes: Callable[[int], None] | None = None
) -> None:
    """Add a file's bytes to a digest.

    Args:
        path: The file.
        digest: What to add to.
        on_bytes: Called with the number of bytes of each piece; what it raises ends the work.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb", buffering=0) as opened:
        while data := opened.read(_CHUNK):
            digest.update(data)
            if on_bytes is not None:
                on_bytes(len(data))


def _inside(folder: Path, path: str) -> Path:
    """Return a path inside a folder; every path of the cache that is not fixed is made here.

    Raises:
        FetchError: It leads out of the folder.
    """
    if not is_safe(path):
        raise FetchError(f"{quoted(clean(path))} is no path inside the cache")
    return folder.joinpath(*path.split("/"))


def _blob_name(file: RepositoryFile) -> str:
    if file.digest:
        return file.digest
    return hashlib.sha256(f"{file.commit}/{file.path}".encode()).hexdigest()[:40] + ".unknown"


def mark_of(path: Path) -> str:
    """Return what changes with the bytes of a file; empty where there is none."""
    try:
        status = path.stat()
    except OSError:
        return ""
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ino}"


def text_of(path: Path) -> str:
    """Return the text of a small file, without blanks around it; empty where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return ""


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        new.write_text(text, encoding="utf-8")
        new.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            new.unlink(missing_ok=True)
        raise


def _ref_name(revision: str) -> str:
    return f"revision-{quote(revision, safe='')}"


def linked(path: Path) -> Path:
    """Return where the first step of a link leads; the path itself where it is no link."""
    try:
        return Path(os.path.normpath(path.parent / path.readlink()))
    except OSError:
        return path


def _is_same(path: Path, other: Path) -> bool:
    try:
        return path.samefile(other)
    except OSError:
        return False


def _cannot_link(error: BaseException) -> bool:
    """Tell whether there are no links here: Windows without the right to them, or a FAT disk."""
    without = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}
    number = getattr(error, "errno", None)
    return os.name == "nt" or isinstance(error, NotImplementedError) or number in without
