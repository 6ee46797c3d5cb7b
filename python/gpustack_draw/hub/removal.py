"""Remove a file from the cache, unless another revision uses the same content."""

import contextlib
import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from gpustack_draw.errors import FetchError, ModelNotFoundError, quoted
from gpustack_draw.hub.cache import HubCache, linked, text_of
from gpustack_draw.hub.client import HubClient
from gpustack_draw.hub.fetch import disk_error
from gpustack_draw.hub.partial_paths import PartialPaths
from gpustack_draw.hub.repository import RepositoryFile

_LOCK_SECONDS = 0.5


@dataclass(frozen=True)
class RemovedPath:
    """A path that a removal deletes.

    Attributes:
        path: A file, or a link to one.
        bytes: Disk space that deleting it frees; 0 for a link.
    """

    path: Path
    bytes: int


@dataclass(frozen=True)
class Removal:
    """The removal of one file from the cache.

    Attributes:
        file: File to remove.
        paths: Paths to delete.
        used_by: Other commits that use the same content, which therefore stays.
    """

    file: RepositoryFile
    paths: tuple[RemovedPath, ...]
    used_by: tuple[str, ...] = ()

    @property
    def bytes(self) -> int:
        """Disk space that the removal frees."""
        return sum(removed.bytes for removed in self.paths)


def plan_removal(cache: HubCache, file: RepositoryFile) -> Removal:
    """Find the paths that the removal of a file deletes.

    Args:
        cache: Cache to remove the file from.
        file: File to remove.

    Raises:
        ModelNotFoundError: The file is not cached.
        FetchError: The cache leads outside its folder there.
    """
    pointer, blob = cache.pointer(file), cache.blob(file)
    target = linked(pointer)
    if target.parent == blob.parent:  # older versions of huggingface_hub use other names
        blob = target
    users = list(_users(cache, file, blob))
    doomed = list(PartialPaths(cache.partial(file)).all)
    if os.path.lexists(pointer):
        doomed.append(pointer)
    if not [path for path in users if path != pointer]:
        doomed.append(blob)
    paths = []
    for path in dict.fromkeys(doomed):
        if os.path.lexists(path):
            _check_inside(cache, path)
            size = 0 if path.is_symlink() else path.stat().st_size
            paths.append(RemovedPath(path, size))
    folder = cache.snapshots(file.repository)
    others = sorted({path.relative_to(folder).parts[0] for path in users if path != pointer})
    if not paths:
        raise ModelNotFoundError(f"{file.label} is not cached")
    return Removal(file, tuple(paths), tuple(others))


def remove(client: HubClient, cache: HubCache, removal: Removal) -> None:
    """Delete the paths of a removal, and then unused records and empty folders.

    Args:
        client: Client whose lock keeps other processes away.
        cache: Cache to remove the file from.
        removal: Removal from :func:`plan_removal`.

    Raises:
        FetchError: Another process is downloading the file, or the cache is not writable.
    """
    file = removal.file
    try:
        with client.lock(cache.lock(file), _LOCK_SECONDS):
            for removed in removal.paths:
                removed.path.unlink(missing_ok=True)
    except TimeoutError:
        raise FetchError(
            f"another process is downloading {file.label}", hint="try again when it has finished"
        ) from None
    except OSError as error:
        raise disk_error(error, cache.folder) from error
    with contextlib.suppress(OSError):
        cache.lock(file).unlink()
    _remove_records(cache, file, with_content=not removal.used_by)
    _remove_empty_folders(cache, file)


def _remove_records(cache: HubCache, file: RepositoryFile, *, with_content: bool) -> None:
    """Remove the records about a file's content, and about a commit without remaining files."""
    snapshot = cache.snapshots(file.repository) / file.commit
    is_last = not any(_files_in(snapshot))
    places = [cache.repository_folder(file.repository) / "refs"] if is_last else []
    for folder in (*cache.own_folders(file.repository), *places):
        for path in _files_in(folder):
            about_content = with_content and file.digest and path.name.endswith(f"-{file.digest}")
            about_commit = is_last and (
                path.name == f"files-{file.commit}.json" or text_of(path) == file.commit
            )
            if about_content or about_commit:
                with contextlib.suppress(OSError):
                    path.unlink()


def _remove_empty_folders(cache: HubCache, file: RepositoryFile) -> None:
    pointer, snapshots = cache.pointer(file), cache.snapshots(file.repository)
    with contextlib.suppress(OSError):  # a folder is not empty
        for folder in pointer.parents:
            if folder == snapshots:
                break
            folder.rmdir()
    repository = cache.repository_folder(file.repository)
    if any(_files_in(snapshots)) or any(_files_in(repository / "blobs")):
        return
    for folder in (
        repository,
        cache.lock(file).parent,
        *cache.own_folders(file.repository),
    ):
        shutil.rmtree(folder, ignore_errors=True)


def _users(cache: HubCache, file: RepositoryFile, blob: Path) -> Iterator[Path]:
    """Yield the links in snapshots that lead to a blob."""
    for path in _files_in(cache.snapshots(file.repository)):
        if path.is_symlink() and linked(path) == blob:
            yield path


def _files_in(folder: Path) -> Iterable[Path]:
    for parent, folders, names in os.walk(folder):
        folders.sort()
        yield from (Path(parent, name) for name in sorted(names))


def _check_inside(cache: HubCache, path: Path) -> None:
    """Raise if a link of the user puts a path outside the cache."""
    place = path.parent.resolve()
    if not place.is_relative_to(cache.folder.resolve()):
        raise FetchError(
            f"the cache {quoted(str(cache.folder))} contains a link to a folder outside it,"
            f" {quoted(str(place))}",
            hint="delete the file there yourself",
        )
