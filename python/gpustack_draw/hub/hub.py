"""The hub and its cache as one place: look a repository up, read a header, fetch."""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from gpustack_draw.errors import DrawError, FetchError, ModelFileError, quoted
from gpustack_draw.headers.header import ModelHeader, read_header, read_model_header
from gpustack_draw.hub.beginnings import keep_beginning
from gpustack_draw.hub.cache import HubCache
from gpustack_draw.hub.choose_file import is_component_file, tag_of
from gpustack_draw.hub.client import HubClient
from gpustack_draw.hub.fetch import Fetch, damaged_offline
from gpustack_draw.hub.network_variables import offline_variable
from gpustack_draw.hub.partial_file import mark_of_right_bytes
from gpustack_draw.hub.patience import seconds_before_next_try
from gpustack_draw.hub.remote_file import RemoteFile
from gpustack_draw.hub.removal import Removal, plan_removal, remove
from gpustack_draw.hub.repository import COMMIT, Repository, RepositoryFile
from gpustack_draw.hub.settings import cache_variable
from gpustack_draw.hub.trouble import HubUnavailableError, NoSuchPageError
from gpustack_draw.progress.progress import Progress
from gpustack_draw.units import format_bytes

MAIN = "main"
# Left free on the disk: other programs need some too.
SPARE_BYTES = 100_000_000
# For what is asked before a fetch begins, while nothing is shown.
_MOST_LOOKS = 3
_LONGEST_LOOK = 8.0
# Of what an interrupted fetch has left; no header is longer.
_MOST_KEPT = 32 * 1024 * 1024


class Hub:
    """Repositories on Hugging Face, and what of them is on this machine."""

    def __init__(self, *, offline: bool = False) -> None:
        """Prepare; the client is imported, and its environment read, by the first use.

        Args:
            offline: Use no network, as with ``HF_HUB_OFFLINE``.
        """
        self.client = HubClient(offline=offline)
        self.cache = HubCache(self.client.cache_folder)

    def repository(
        self, name: str, revision: str | None = None, *, wanted: Callable[[Repository], bool] | None
    ) -> Repository:
        """Look a repository up: one request, or none.

        None is made for a commit whose files are known, in offline mode, and where what is known
        from an earlier time is enough. Where the hub cannot be asked, what is known has to do.

        Args:
            name: ``OWNER/REPO``.
            revision: A branch, a tag or a commit; ``None`` for the main branch.
            wanted: Tells whether what is known from an earlier time is enough; ``None`` for no.

        Raises:
            FetchError: The hub cannot be asked, or refuses, and nothing is known.
            ModelNotFoundError: There is no such repository or revision.
        """
        revision = revision or MAIN
        known = self.cache.read_repository(name, revision)
        if known is not None:
            fixed = COMMIT.fullmatch(revision) and self.cache.is_listed(name, known.commit)
            if fixed or self.client.is_offline or (wanted is not None and wanted(known)):
                return known
        try:
            found = self._look_up(name, revision, most=1 if known else _MOST_LOOKS)
        except (HubUnavailableError, NoSuchPageError) as error:
            if known is None:
                error.hint = f"{error.hint}; {self._what_is_here()}"
                raise
            return replace(known, note=f"{error.message}; what is in the cache is used")
        except DrawError as error:
            if known is not None and any(map(self.path_of, known.files)):
                advice = "with HF_HUB_OFFLINE=1 what is in the cache is used"
                error.hint = "; ".join(filter(None, [error.hint, advice]))
            raise
        self.cache.write_repository(found)
        return found

    def known_repository(self, name: str, revision: str | None = None) -> Repository | None:
        """Return a repository as it was when it was last looked up; ``None`` if it never was."""
        return self.cache.read_repository(name, revision or MAIN)

    def plan_removal(self, file: RepositoryFile) -> Removal:
        """Find out which paths the removal of a file deletes.

        Raises:
            ModelNotFoundError: Nothing of the file is in the cache.
            FetchError: The cache leads outside its folder there.
        """
        return plan_removal(self.cache, file)

    def remove(self, removal: Removal) -> None:
        """Delete the paths of a removal.

        Raises:
            FetchError: Another process is fetching the file, or the cache cannot be written to.
        """
        remove(self.client, self.cache, removal)

    def _look_up(self, name: str, revision: str, *, most: int) -> Repository:
        start, tries = time.monotonic(), 0
        while True:
            tries += 1
            try:
                return self.client.look_up(name, revision)
            except HubUnavailableError as error:
                delay = seconds_before_next_try(error, tries, most)
                if delay + time.monotonic() - start > _LONGEST_LOOK:
                    raise
                time.sleep(delay)

    def path_of(self, file: RepositoryFile) -> Path | None:
        """Give the path of a file that is on this machine whole, as far as its size tells."""
        return self.cache.find(file)

    def read_header(self, file: RepositoryFile) -> ModelHeader:
        """Read a model file's header, over the network where the file is not here.

        Then only so much of a text model's as tells which it is: its vocabulary is megabytes. Also
        where the file that is here turns out to be damaged.

        Raises:
            FetchError: The hub cannot be asked, or refuses.
            ModelFileError: It is not a model file, or damaged.
        """
        path = self.cache.find(file)
        if path is not None:
            try:
                return read_model_header(path, shown=file.shown)
            except ModelFileError:
                if self._has_right_bytes(file, path):
                    raise
            # The fetch will name it, and get it again.
        if self.client.is_offline:
            damaged = path is not None or self.cache.is_damaged(file)
            raise damaged_offline(file) if damaged else self.missing_offline(file)
        file = self.client.complete(file)
        kept = self.cache.read_partial(file, _MOST_KEPT)
        if kept:
            with contextlib.suppress(ModelFileError):  # else what was kept may be wrong
                return read_header(RemoteFile(self.client, file, kept), brief=True)
        remote = RemoteFile(self.client, file)
        header = read_header(remote, brief=True)
        keep_beginning(file, remote.start)
        return header

    def _has_right_bytes(self, file: RepositoryFile, path: Path) -> bool:
        """Tell whether a file here is the hub's, as far as that is known; it is compared once."""
        if not file.digest or self.cache.is_verified(file, path):
            return True
        try:
            mark = mark_of_right_bytes(path, file)
        except OSError:
            return True
        if mark:
            self.cache.mark_verified(file, mark)
        return bool(mark)

    def missing_offline(self, file: RepositoryFile) -> FetchError:
        """Make the error for a file that is not here while the network must not be used."""
        variable = offline_variable()
        return FetchError(
            f"{file.shown} is not on this machine, and {variable} is set",
            hint=f"unset {variable} to fetch it; {self._what_is_here()}",
        )

    def bytes_to_fetch(self, files: Sequence[RepositoryFile]) -> int:
        """Tell how many bytes of files are not here yet; a file named twice counts once."""
        return sum(
            max(file.bytes, 0) - self.cache.partial_bytes(file)
            for file in set(files)
            if self.cache.find(file) is None
        )

    def fetch(
        self,
        files: Sequence[RepositoryFile],
        on_progress: Callable[[Progress], None] | None = None,
    ) -> tuple[str, ...]:
        """Fetch files, side by side, and verify those that have not been; then all are here.

        Continues what an earlier run has left. Stores in the hub client's cache.

        Args:
            files: What is wanted.
            on_progress: Called with the bytes of all files together; what it raises ends the fetch,
                and a later one continues.

        Returns:
            Notes for the user.

        Raises:
            FetchError: A file could not be fetched, kept or verified, or there is no room for it.
            ModelNotFoundError: A file is not there any more.
        """
        wanted = [file for file in dict.fromkeys(files) if not self._is_ready(file)]
        missing = {file for file in wanted if self.cache.find(file) is None}
        if missing and self.client.is_offline:
            first = next(file for file in wanted if file in missing)
            damaged = self.cache.is_damaged(first)
            raise damaged_offline(first) if damaged else self.missing_offline(first)
        if not wanted:
            return ()
        wanted = [self.client.complete(file) if file in missing else file for file in wanted]
        self.check_disk_space(wanted)
        fetch = Fetch(self.client, self.cache, wanted, on_progress)
        fetch.run()
        return tuple(fetch.notes)

    def _is_ready(self, file: RepositoryFile) -> bool:
        """Tell whether a file is here under its own name, and verified as far as that is known."""
        path = self.cache.find(file)
        verified = path is not None and (not file.digest or self.cache.is_verified(file, path))
        return verified and path == self.cache.pointer(file)

    def check_disk_space(self, files: Sequence[RepositoryFile]) -> None:
        """Check that what is missing of files fits on the disk.

        Raises:
            FetchError: It does not.
        """
        if lack := self.disk_shortage(files):
            raise FetchError(
                lack, hint=f"make room, or set {cache_variable()} to a folder on another disk"
            )

    def disk_shortage(self, files: Sequence[RepositoryFile]) -> str:
        """Tell why what is missing of files does not fit on the disk; empty where it does."""
        needed, free = self.bytes_to_fetch(files), self.cache.free_bytes()
        if not needed or free is None or needed + SPARE_BYTES <= free:
            return ""
        return (
            f"the download needs {format_bytes(needed)}, but the disk of the cache"
            f" {quoted(str(self.cache.folder))} has only {format_bytes(free)} free"
        )

    def cached_repositories(self) -> Iterator[Repository]:
        """Give each repository of the cache, as it was when it was last looked up."""
        for name in self.cache.repositories():
            for revision in self.cache.revisions(name):
                repository = self.cache.read_repository(name, revision)
                if repository is not None:
                    yield repository

    def cached_references(self) -> list[str]:
        """List references to the GGUF models on this machine, as the command ``models`` does."""
        return [
            f"hf.co/{repository.name}:{tag_of(file.path, repository.paths)}"
            for repository in self.cached_repositories()
            for file in repository.files
            if file.path.lower().endswith(".gguf")
            and not is_component_file(file.path)
            and self.cache.find(file) is not None
        ]

    def _what_is_here(self) -> str:
        here = self.cached_references()
        if not here:
            return "no model of the hub is on this machine, but 'demo' is"
        more = f" and {len(here) - 3} more" if len(here) > 3 else ""
        return f"on this machine are demo, {', '.join(here[:3])}{more}"
