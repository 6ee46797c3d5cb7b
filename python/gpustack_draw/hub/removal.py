"""Remove a file of the hub from the cache, and nothing that another revision still uses."""

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
from gpustack_draw.hub.repository import RepositoryFile

_SECONDS_TO_WAIT = 0.5


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
    """The deletion of one file of the hub from this machine.

    Attributes:
        file: The file.
        paths: The paths to delete.
        used_by: Other commits whose snapshots use the same bytes, which therefore stay.
    """

    file: RepositoryFile
    paths: tuple[RemovedPath, ...]
    used_by: tuple[str, ...] = ()

    @property
    def bytes(self) -> int:
        """Disk space that the removal frees."""
        return sum(removed.bytes for removed in self.paths)


def plan_removal(cache: HubCache, file: RepositoryFile) -> Removal:
    """Find out which paths the removal of a file deletes.

    Args:
        cache: The cache.
        file: The file.

    Raises:
        ModelNotFoundError: Nothing of the file is in the cache.
        FetchError: The cache leads outside its folder there.
    """
    pointer, blob = cache.pointer(file), cache.blob(file)
    target = linked(pointer)
    if target.parent == blob.parent:  # older versions of the client named blobs otherwise
        blob = target
    users = list(_users(cache, file, blob))
    doomed = [cache.partial(file)]
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
        raise ModelNotFoundError(f"{file.shown} is not on this machine")
    return Removal(file, tuple(paths), tuple(others))


def remove(client: HubClient, cache: HubCache, removal: Removal) -> None:
    """Delete the paths of a removal, with the records and empty folders that they leave behind.

    Args:
        client: Locks the file against other processes.
        cache: The cache.
        removal: The removal.

    Raises:
        FetchError: Another process is fetching the file, or the cache cannot be written to.
    """
    file = removal.file
    try:
        with client.lock(cache.lock(file), _SECONDS_TO_WAIT):
            for removed in removal.paths:
                removed.path.unlink(missing_ok=True)
    except TimeoutError:
        raise FetchError(
            f"another process is fetching {file.shown}", hint="try again when it has finished"
        ) from None
    except OSError as error:
        raise disk_error(error, cache.folder) from error
    with contextlib.suppress(OSError):
        cache.lock(file).unlink()
    _remove_records(cache, file, with_bytes=not removal.used_by)
    _remove_empty_folders(cache, file)


def _remove_records(cache: HubCache, file: RepositoryFile, *, with_bytes: bool) -> None:
    """Remove our records about a file's bytes, and those about a commit with no files left."""
    snapshot = cache.snapshots(file.repository) / file.commit
    is_last = not any(_files_in(snapshot))
    places = [cache.repository_folder(file.repository) / "refs"] if is_last else []
    for folder in (*cache.own_folders(file.repository), *places):
        for path in _files_in(folder):
            about_bytes = with_bytes and file.digest and path.name.endswith(f"-{file.digest}")
            about_commit = is_last and (
                path.name == f"files-{file.commit}.json" or text_of(path) == file.commit
            )
            if about_bytes or about_commit:
                with contextlib.suppress(OSError):
                    path.unlink()


def _remove_empty_folders(cache: HubCache, file: RepositoryFile) -> None:
    pointer, snapshots = cache.pointer(file), cache.snapshots(file.repository)
    with contextlib.suppress(OSError):  # one of them is not empty
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
    """Find the paths in snapshots that lead to a blob."""
    for path in _files_in(cache.snapshots(file.repository)):
        if path.is_symlink() and linked(path) == blob:
            yield path


def _files_in(folder: Path) -> Iterable[Path]:
    for parent, folders, names in os.walk(folder):
        folders.sort()
        yield from (Path(parent, name) for name in sorted(names))


def _check_inside(cache: HubCache, path: Path) -> None:
    """Refuse a path that a link of the user's puts outside the cache."""
    place = path.parent.resolve()
    if not place.is_relative_to(cache.folder.resolve()):
        raise FetchError(
            f"the cache {quoted(str(cache.folder))} has a link that leads outside it, to"
            f" {quoted(str(place))}",
            hint="remove the file there yourself",
        )
