"""Embeddings as files that the engine reads, in a private folder."""

import os
import shutil
import tempfile
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path

from gpustack_draw.errors import EngineError
from gpustack_draw.request.draw_settings import DrawSettings
from gpustack_draw.request.embeddings import engine_word, names_in
from gpustack_draw.resolver.embeddings import engine_file, read_vectors
from gpustack_draw.resolver.resolved_model import EmbeddingFile


class EmbeddingFiles:
    """Files that the engine reads each time that it meets one of their words in a prompt.

    Attributes:
        paths: Paths of the files, by the engine's words.
        hashes: The first 12 digits of the SHA-256 digests of the embeddings, by name.
    """

    def __init__(self) -> None:
        """Create an object without files."""
        self._remove: Callable[[], object] = _do_nothing
        self.paths: dict[str, str] = {}
        self.hashes: dict[str, str] = {}

    @property
    def are_complete(self) -> bool:
        """True if no other program has removed a file; the engine would draw without it."""
        return all(map(os.path.exists, self.paths.values()))

    def write(self, embeddings: Sequence[EmbeddingFile]) -> None:
        """Write the files, in place of those of an earlier call.

        Args:
            embeddings: Embeddings whose files are on this machine.

        Raises:
            ModelNotFoundError: A file no longer exists.
            ModelFileError: A file was replaced or is damaged.
            EngineError: The files cannot be written.
        """
        self.remove()
        vectors = [read_vectors(embedding) for embedding in embeddings]
        if not vectors:
            return
        try:
            folder = tempfile.mkdtemp(prefix="gpustack-draw-")
            self._remove = weakref.finalize(self, _remove_folder, folder, os.getpid())
            for index, (embedding, read) in enumerate(zip(embeddings, vectors, strict=True)):
                path = Path(folder, f"{index}.safetensors")
                path.write_bytes(engine_file(read, embedding.width))
                self.paths[engine_word(index)] = str(path)
                self.hashes[embedding.name] = read.sha256[:12]
        except OSError as error:
            place = tempfile.gettempdir()
            reason = (error.strerror or str(error)).lower()
            raise EngineError(
                f"the embeddings cannot be written to {place!r}: {reason}",
                hint="set TMPDIR to a folder with free space",
            ) from error

    def hashes_in(self, settings: DrawSettings) -> dict[str, str]:
        """Return the hashes of the embeddings that prompts name."""
        used = names_in(f"{settings.prompt}\n{settings.negative_prompt}", list(self.hashes))
        return {name: digest for name, digest in self.hashes.items() if name in used}

    def remove(self) -> None:
        """Remove the files."""
        self._remove()
        self.paths, self.hashes = {}, {}


def _do_nothing() -> None:
    pass


def _remove_folder(folder: str, owner: int) -> None:
    if owner == os.getpid():  # after a fork, the files belong to the parent
        shutil.rmtree(folder, ignore_errors=True)
