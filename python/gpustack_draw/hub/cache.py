"""The cache of ``huggingface_hub`` on disk: paths of its files, and records about them.

Layout: https://huggingface.co/docs/huggingface_hub/guides/manage-cache (checked against the source
of versions 0.30 to 2.4). Additional records are in ``.gpustack-draw`` inside a repository's folder,
which other tools ignore: file lists, verified files, and the commits of revisions whose files are
not cached yet. ``refs`` only changes once a file is cached, so other programs find no empty commit.
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
from gpustack_draw.hub.partial_paths import PartialPaths
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
    """The cache; no folder is created before a file is stored.

    Attributes:
        folder: Path of the cache.
    """

    def __init__(self, folder: Path) -> None:
        """Initialize with the path of a folder, which need not exist."""
        self.folder = folder

    def repository_folder(self, name: str) -> Path:
        """Return the folder of a repository."""
        return _inside(self.folder, "--".join(["models", *name.split("/")]))

    def blob(self, file: RepositoryFile) -> Path:
        """Return the path of a file's content, whether it exists or not."""
        return _inside(self.repository_folder(file.repository) / "blobs", _blob_name(file))

    def partial(self, file: RepositoryFile) -> Path:
        """Return the path of a file's first bytes during its download."""
        blob = self.blob(file)
        return blob.with_name(blob.name + ".incomplete")

    def lock(self, file: RepositoryFile) -> Path:
        """Return the path of the lock file that ``huggingface_hub`` uses for the same download."""
        folder = self.repository_folder(file.repository).name
        return self.folder / ".locks" / folder / f"{_blob_name(file)}.lock"

    def snapshots(self, name: str) -> Path:
        """Return the folder of a repository's snapshots: one folder of links per commit."""
        return self.repository_folder(name) / "snapshots"

    def pointer(self, file: RepositoryFile) -> Path:
        """Return the path of a file in its snapshot."""
        return _inside(self.snapshots(file.repository), f"{file.commit}/{file.path}")

    def find(self, file: RepositoryFile) -> Path | None:
        """Return the path of a cached file of the expected size; ``None`` if there is none."""
        for path in (self.pointer(file), self.blob(file)):
            try:
                size = path.stat().st_size
            except OSError:
                continue
            if file.bytes in {-1, size}:
                return path
        return None

    def partial_bytes(self, file: RepositoryFile) -> int:
        """Return the number of bytes that an interrupted download has left."""
        return min(PartialPaths(self.partial(file)).find_kept().count, max(file.bytes, 0))

    def read_partial(self, file: RepositoryFile, limit: int) -> bytes:
        """Return up to ``limit`` first bytes that an interrupted download has left."""
        kept = PartialPaths(self.partial(file)).find_kept()
        if not kept.ranges or kept.ranges[0].start:
            return b""
        try:
            with kept.path.open("rb") as opened:
                return opened.read(min(limit, kept.ranges[0].end, max(file.bytes, 0)))
        except OSError:
            return b""

    def is_damaged(self, file: RepositoryFile) -> bool:
        """Return whether a cached file has the wrong size."""
        exists = self.pointer(file).exists() or self.blob(file).exists()
        return exists and self.find(file) is None

    def link(self, file: RepositoryFile) -> Path:
        """Link a downloaded file into its snapshot. Several processes may do so at once.

        Returns:
            Path of the file in the snapshot.

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
        """Remove a damaged file, but not the target of a link that leads outside the cache."""
        pointer = self.pointer(file)
        target = linked(pointer)
        if target.parent == self.blob(file).parent:
            target.unlink(missing_ok=True)
        for path in (pointer, self.blob(file)):
            path.unlink(missing_ok=True)

    def read_commit(self, name: str, revision: str) -> str:
        """Return the commit of a revision when it was last looked up; empty if it never was."""
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
        """Return a repository as recorded by the last look-up; ``None`` if there is no record.

        If only other programs have used the repository, its files are those of the snapshot.
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
        """Return whether the complete file list of a commit is recorded."""
        return any((folder / f"files-{commit}.json").exists() for folder in self.own_folders(name))

    def write_repository(self, repository: Repository) -> None:
        """Record the file list and the commit of a repository (best effort)."""
        table = {file.path: (file.bytes, file.digest) for file in repository.files}
        self._record(repository.name, f"files-{repository.commit}.json", json.dumps(table))
        if repository.revision != repository.commit:
            self._record(repository.name, _ref_name(repository.revision), repository.commit)

    def is_verified(self, file: RepositoryFile, path: Path) -> bool:
        """Return whether a file matched its digest and has not changed since."""
        fingerprint = fingerprint_of(path)
        return bool(file.digest) and any(
            text_of(folder / f"verified-{file.digest}") == fingerprint
            for folder in self.own_folders(file.repository)
        )

    def record_verified(self, file: RepositoryFile, fingerprint: str) -> None:
        """Record that a file matches its digest (best effort).

        Args:
            file: Verified file.
            fingerprint: Fingerprint of the cached file, taken before it was read.
        """
        if file.digest:
            self._record(file.repository, f"verified-{file.digest}", fingerprint)

    def read_fact(self, file: RepositoryFile, name: str) -> str | None:
        """Return a recorded fact about a file's content; ``None`` if there is no record."""
        for folder in self.own_folders(file.repository):
            with contextlib.suppress(OSError):
                if file.digest:
                    return (folder / f"{name}-{file.digest}").read_text(encoding="utf-8")
        return None

    def record_fact(self, file: RepositoryFile, name: str, fact: str) -> None:
        """Record a fact about a file's content (best effort)."""
        if file.digest:
            self._record(file.repository, f"{name}-{file.digest}", fact)

    def free_bytes(self) -> int | None:
        """Return the number of free bytes on the disk of the cache; ``None`` if unknown."""
        for folder in (self.folder, *self.folder.absolute().parents):
            with contextlib.suppress(OSError):
                return shutil.disk_usage(folder).free
        return None

    def repositories(self) -> list[str]:
        """Return the names of all cached repositories, as ``OWNER/REPO``."""
        try:
            folders = sorted(path.name for path in self.folder.iterdir() if path.is_dir())
        except OSError:
            return []
        names = [name.split("--")[1:] for name in folders if name.startswith("models--")]
        return ["/".join(parts) for parts in names if len(parts) == 2]

    def revisions(self, name: str) -> list[str]:
        """Return the cached revisions of a repository, main first.

        These are branches and tags; commits if there are none.
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
                    # A blob is named after its digest, and may itself be a link.
                    digest = linked(path).name
                    known = len(digest) in {40, 64} and set(digest) <= set("0123456789abcdef")
                    size = path.stat().st_size
                    yield path.relative_to(folder).as_posix(), (size, digest if known else "")

    def own_folders(self, name: str) -> Iterator[Path]:
        """Yield the folders of additional records about a repository, the preferred one first."""
        folder = self.repository_folder(name)
        yield folder / ".gpustack-draw"
        # Fallback for a read-only cache.
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
        with contextlib.suppress(RuntimeError):
            yield Path(base).expanduser() / "gpustack-draw" / folder.name

    def _record(self, name: str, file: str, text: str) -> None:
        for folder in self.own_folders(name):
            with contextlib.suppress(OSError):
                if not (folder / file).exists() or text_of(folder / file) != text:
                    _write(folder / file, text)
                if folder.parent.parent == self.folder:
                    # huggingface_hub reports a repository without this folder as corrupted.
                    (folder.parent / "snapshots").mkdir(exist_ok=True)
                return


def digest_of(file: RepositoryFile) -> "hashlib._Hash":
    """Return a hash object for a file's digest: SHA-256, or git's SHA-1 for 40 digits."""
    if len(file.digest) == 40:
        # Git hashes a header before the content.
        sha1 = hashlib.sha1(usedforsecurity=False)
        sha1.update(b"blob %d\0" % file.bytes)
        return sha1
    return hashlib.sha256()


def update_from(
    path: Path, digest: "hashlib._Hash", on_bytes: Callable[[int], None] | None = None
) -> None:
    """Update a hash object with the content of a file.

    Args:
        path: File to read.
        digest: Hash object to update.
        on_bytes: Called with the number of bytes of each piece; its exceptions propagate.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb", buffering=0) as opened:
        while data := opened.read(_CHUNK):
            digest.update(data)
            if on_bytes is not None:
                on_bytes(len(data))


def _inside(folder: Path, path: str) -> Path:
    """Return a path inside a folder; every variable path of the cache is built here.

    Raises:
        FetchError: The path leads out of the folder.
    """
    if not is_safe(path):
        raise FetchError(f"{quoted(clean(path))} is not a path inside the cache")
    return folder.joinpath(*path.split("/"))


def _blob_name(file: RepositoryFile) -> str:
    if file.digest:
        return file.digest
    return hashlib.sha256(f"{file.commit}/{file.path}".encode()).hexdigest()[:40] + ".unknown"


def fingerprint_of(path: Path) -> str:
    """Return a fingerprint that changes when a file does; empty if the file does not exist."""
    try:
        status = path.stat()
    except OSError:
        return ""
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ino}"


def text_of(path: Path) -> str:
    """Return the stripped text of a small file; empty if it cannot be read."""
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
    """Return the direct target of a link; the path itself if it is not a link."""
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
    """Return whether links are unsupported: Windows without the privilege, or a FAT disk."""
    unsupported = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}
    number = getattr(error, "errno", None)
    return os.name == "nt" or isinstance(error, NotImplementedError) or number in unsupported
