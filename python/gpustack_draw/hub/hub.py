"""Repositories, headers and files from the hub or its cache."""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from gpustack_draw.errors import DrawError, FetchError, ModelFileError, quoted
from gpustack_draw.headers.header import ModelHeader, read_header, read_model_header
from gpustack_draw.hub.cache import HubCache
from gpustack_draw.hub.choose_file import is_component_file
from gpustack_draw.hub.client import HubClient
from gpustack_draw.hub.fetch import Fetch, damaged_offline
from gpustack_draw.hub.first_bytes import FirstBytes
from gpustack_draw.hub.network_variables import offline_variable
from gpustack_draw.hub.partial_file import verified_fingerprint
from gpustack_draw.hub.remote_file import RemoteFile
from gpustack_draw.hub.removal import Removal, plan_removal, remove
from gpustack_draw.hub.repository import COMMIT, MAIN, Repository, RepositoryFile
from gpustack_draw.hub.retry import retry_delay
from gpustack_draw.hub.settings import cache_variable
from gpustack_draw.hub.trouble import HubUnavailableError, NoSuchPageError
from gpustack_draw.phrases import joined, phrase
from gpustack_draw.progress.callbacks import ProgressFunction
from gpustack_draw.units import format_bytes

# Disk space to leave free for other programs.
SPARE_BYTES = 100_000_000
# Look-ups show no progress, so they give up earlier than downloads.
_MAX_LOOK_UPS = 3
_MAX_LOOK_UP_SECONDS = 8.0
# Bytes of a partial file to read; no header is longer.
_MAX_PARTIAL_BYTES = 32 * 1024 * 1024


class Hub:
    """Repositories on Hugging Face and in the cache, for the time that a model is used.

    A download begins with the bytes that :meth:`read_header` of the same hub has received.

    Attributes:
        client: Client of the hub's HTTP API.
        cache: Cache on disk.
    """

    def __init__(self, *, offline: bool = False, look_up_seconds: float | None = None) -> None:
        """Initialize without sending a request.

        Args:
            offline: Never use the network, as with ``HF_HUB_OFFLINE``.
            look_up_seconds: Maximum time without an answer when looking a repository up, in a
                single try; ``None`` for several tries.
        """
        self.client = HubClient(offline=offline)
        self.cache = HubCache(self.client.cache_folder)
        self._first_bytes = FirstBytes()
        self._look_up_seconds = look_up_seconds

    def repository(
        self,
        name: str,
        revision: str | None = None,
        *,
        is_sufficient: Callable[[Repository], bool] | None,
    ) -> Repository:
        """Look a repository up on the hub, or return its cached record.

        The record is returned without a request for a commit whose files are known, in offline
        mode, and if ``is_sufficient`` accepts it; and if the hub cannot be reached.

        Args:
            name: Repository, as ``OWNER/REPO``.
            revision: Branch, tag or commit; ``None`` for the main branch.
            is_sufficient: Returns whether a cached record avoids a request; ``None`` for never.

        Raises:
            FetchError: The hub cannot be reached or refuses access, and there is no record.
            ModelNotFoundError: The repository or the revision does not exist.
        """
        revision = revision or MAIN
        known = self.cache.read_repository(name, revision)
        if known is not None:
            fixed = COMMIT.fullmatch(revision) and self.cache.is_listed(name, known.commit)
            if (
                fixed
                or self.client.is_offline
                or (is_sufficient is not None and is_sufficient(known))
            ):
                return known
        try:
            is_hasty = known is not None or self._look_up_seconds is not None
            found = self._look_up(name, revision, max_tries=1 if is_hasty else _MAX_LOOK_UPS)
        except (HubUnavailableError, NoSuchPageError) as error:
            if known is None:
                error.hint = joined("; ", [error.hint, self._offline_choices()])
                raise
            return replace(known, note=phrase("{}; using the cache", error.message))
        except DrawError as error:
            if known is not None and any(map(self.path_of, known.files)):
                advice = "set HF_HUB_OFFLINE=1 to use the cache"
                error.hint = joined("; ", filter(None, [error.hint, advice]))
            raise
        self.cache.write_repository(found)
        return found

    def known_repository(self, name: str, revision: str | None = None) -> Repository | None:
        """Return a repository as recorded by the last look-up; ``None`` without a record."""
        return self.cache.read_repository(name, revision or MAIN)

    def plan_removal(self, file: RepositoryFile) -> Removal:
        """Find the paths that the removal of a file deletes.

        Raises:
            ModelNotFoundError: The file is not cached.
            FetchError: The cache leads outside its folder there.
        """
        return plan_removal(self.cache, file)

    def remove(self, removal: Removal) -> None:
        """Delete the paths of a removal.

        Raises:
            FetchError: Another process is downloading the file, or the cache is not writable.
        """
        remove(self.client, self.cache, removal)

    def _look_up(self, name: str, revision: str, *, max_tries: int) -> Repository:
        start, tries = time.monotonic(), 0
        while True:
            tries += 1
            try:
                return self.client.look_up(name, revision, self._look_up_seconds)
            except HubUnavailableError as error:
                delay = retry_delay(error, tries, max_tries)
                if delay + time.monotonic() - start > _MAX_LOOK_UP_SECONDS:
                    raise
                time.sleep(delay)

    def path_of(self, file: RepositoryFile) -> Path | None:
        """Return the path of a cached file of the expected size; ``None`` if there is none."""
        return self.cache.find(file)

    def read_header(self, file: RepositoryFile) -> ModelHeader:
        """Read a model file's header, over the network if the file is not cached or is damaged.

        Over the network, only the part of a text model's header that identifies it is read: its
        vocabulary takes megabytes.

        Raises:
            FetchError: The hub cannot be reached, or refuses access.
            ModelFileError: The file is damaged, or not a model file.
        """
        path = self.cache.find(file)
        if path is not None:
            try:
                return read_model_header(path, label=file.label)
            except ModelFileError:
                if self._is_intact(file, path):
                    raise
            # The download will report the damaged file and replace it.
        if self.client.is_offline:
            damaged = path is not None or self.cache.is_damaged(file)
            raise damaged_offline(file) if damaged else self.missing_offline(file)
        file = self.client.complete(file)
        partial = self.cache.read_partial(file, _MAX_PARTIAL_BYTES)
        if partial:
            with contextlib.suppress(ModelFileError):  # the partial file may be wrong
                return read_header(RemoteFile(self.client, file, partial), brief=True)
        remote = RemoteFile(self.client, file)
        header = read_header(remote, brief=True)
        self._first_bytes.store(file, remote.start)
        return header

    def _is_intact(self, file: RepositoryFile, path: Path) -> bool:
        """Return whether a cached file matches its digest, or has none; computed only once."""
        if not file.digest or self.cache.is_verified(file, path):
            return True
        try:
            fingerprint = verified_fingerprint(path, file)
        except OSError:
            return True
        if fingerprint:
            self.cache.record_verified(file, fingerprint)
        return bool(fingerprint)

    def missing_offline(self, file: RepositoryFile) -> FetchError:
        """Build the error for an uncached file in offline mode."""
        variable = offline_variable()
        return FetchError(
            f"{file.label} is not cached, and {variable} is set",
            hint=f"unset {variable} to download it; {self._offline_choices()}",
        )

    def bytes_to_fetch(self, files: Sequence[RepositoryFile]) -> int:
        """Return the number of bytes to download; a file listed twice counts once."""
        return sum(
            max(file.bytes, 0) - self.cache.partial_bytes(file)
            for file in set(files)
            if self.cache.find(file) is None
        )

    def fetch(
        self,
        files: Sequence[RepositoryFile],
        on_progress: ProgressFunction | None = None,
    ) -> tuple[str, ...]:
        """Download the missing files in parallel into the cache, and verify unverified ones.

        Interrupted downloads are resumed.

        Args:
            files: Files to have in the cache.
            on_progress: Called with the bytes of all files together; an exception ends the
                download, and a later call resumes it.

        Returns:
            Notes for the user.

        Raises:
            FetchError: A file could not be downloaded, stored or verified, or does not fit on the
                disk.
            ModelNotFoundError: The hub no longer has a file.
        """
        pending = [file for file in dict.fromkeys(files) if not self._is_ready(file)]
        missing = {file for file in pending if self.cache.find(file) is None}
        if missing and self.client.is_offline:
            first = next(file for file in pending if file in missing)
            damaged = self.cache.is_damaged(first)
            raise damaged_offline(first) if damaged else self.missing_offline(first)
        if not pending:
            return ()
        pending = [self.client.complete(file) if file in missing else file for file in pending]
        self.check_disk_space(pending)
        fetch = Fetch(self.client, self.cache, self._first_bytes, pending, on_progress)
        fetch.run()
        return tuple(fetch.notes)

    def _is_ready(self, file: RepositoryFile) -> bool:
        """Return whether a file is in its snapshot, and verified if it has a digest."""
        path = self.cache.find(file)
        verified = path is not None and (not file.digest or self.cache.is_verified(file, path))
        return verified and path == self.cache.pointer(file)

    def check_disk_space(self, files: Sequence[RepositoryFile]) -> None:
        """Check that missing files fit on the disk.

        Raises:
            FetchError: The disk has too little free space.
        """
        if shortage := self.disk_shortage(files):
            raise FetchError(
                shortage,
                hint=f"free disk space, or set {cache_variable()} to a folder on another disk",
            )

    def disk_shortage(self, files: Sequence[RepositoryFile]) -> str:
        """Return a message if missing files do not fit on the disk; empty if they do."""
        needed, free = self.bytes_to_fetch(files), self.cache.free_bytes()
        if not needed or free is None or needed + SPARE_BYTES <= free:
            return ""
        return (
            f"the download needs {format_bytes(needed)}, but the disk of the cache"
            f" {quoted(str(self.cache.folder))} has only {format_bytes(free)} free"
        )

    def cached_repositories(self) -> Iterator[Repository]:
        """Yield each cached revision of each repository, as recorded by the last look-up."""
        for name in self.cache.repositories():
            for revision in self.cache.revisions(name):
                repository = self.cache.read_repository(name, revision)
                if repository is not None:
                    yield repository

    def cached_references(self) -> list[str]:
        """List references to the cached GGUF models, as the command ``models`` does."""
        return [
            repository.model(file.path).label
            for repository in self.cached_repositories()
            for file in repository.files
            if file.path.lower().endswith(".gguf")
            and not is_component_file(file.path)
            and self.cache.find(file) is not None
        ]

    def _offline_choices(self) -> str:
        names = ["demo", *self.cached_references()]
        more = f" and {len(names) - 4} more" if len(names) > 4 else ""
        return f"available offline: {', '.join(names[:4])}{more}"
