"""The folder whose LoRAs a prompt can name, as web UIs and ComfyUI keep them."""

import contextlib
import os
from collections.abc import Iterator
from functools import cached_property
from itertools import islice
from pathlib import Path

from gpustack_draw.errors import ModelFileError, ModelNotFoundError, UsageError, quoted
from gpustack_draw.headers.header import read_model_header
from gpustack_draw.request.additions import LORA
from gpustack_draw.request.file_names import listed, stem_of

VARIABLE = "GPUSTACK_DRAW_LORA_DIR"
_DEPTH = 4  # levels of subfolders
_MAX_FILES = 20_000
# Files whose headers are read to find a LoRA by the name that its training gave it.
_MAX_HEADERS = 1_000
_TRAINED_NAME = "ss_output_name"


class LoraFolder:
    """A folder of LoRAs; its files are listed when one is searched.

    Attributes:
        path: The folder as typed.
    """

    def __init__(self, path: str) -> None:
        """Check the folder.

        Raises:
            UsageError: The path is empty.
            ModelNotFoundError: There is no such folder.
        """
        if not path.strip():
            raise UsageError(f"the folder of LoRAs is empty: {path!r}", argument="lora_dir")
        self.path = path
        self._folder = Path(path).expanduser()
        if not self._folder.is_dir():
            raise ModelNotFoundError(
                f"{quoted(path)} is not a folder"
                if os.path.lexists(self._folder)
                else f"there is no folder {quoted(path)}",
                hint="name the folder of your LoRAs",
                argument="lora_dir",
            )

    @property
    def names(self) -> list[str]:
        """Names of the LoRAs: their file names without the endings, each once."""
        return list(dict.fromkeys(map(stem_of, self._files)))

    def find(self, name: str) -> str | None:
        """Return the path of a LoRA; ``None`` if there is none.

        The name is that of a file without its ending, with or without the folders before it; where
        no case matches, any case does. Last comes the name that the training tool wrote into the
        file, which web UIs write into prompts, too.

        Raises:
            UsageError: Several files have the name.
        """
        exact = [path for path in self._files if name in (stem_of(path), _without_ending(path))]
        lower = name.lower()
        found = exact or [
            path
            for path in self._files
            if lower in (stem_of(path).lower(), _without_ending(path).lower())
        ]
        found = found or [path for path in self._files if self._trained_names.get(path) == lower]
        if len({_without_ending(path) for path in found}) > 1:
            raise UsageError(
                f"{quoted(name)} is the name of {len(found)} LoRAs in {quoted(self.path)}:"
                f" {listed(found)}",
                hint=f"write the folder, too: <lora:{_without_ending(found[0])}:1>",
                argument="prompt",
            )
        if not found:
            return None
        best = min(found, key=lambda path: LORA.endings.index(Path(path).suffix.lower()))
        return str(self._folder / best)

    @cached_property
    def _files(self) -> list[str]:
        """Paths of the files in the folder, with ``/`` between folders."""
        found = islice(_files_in(self._folder, _DEPTH), _MAX_FILES)
        return [path.relative_to(self._folder).as_posix() for path in found]

    @cached_property
    def _trained_names(self) -> dict[str, str]:
        names = {}
        for path in self._files[:_MAX_HEADERS]:
            with contextlib.suppress(ModelFileError, ModelNotFoundError):
                name = read_model_header(self._folder / path).metadata.get(_TRAINED_NAME)
                if isinstance(name, str):
                    names[path] = name.lower()
        return names


def _files_in(folder: Path, depth: int) -> Iterator[Path]:
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.is_dir():
                if depth:
                    yield from _files_in(Path(entry.path), depth - 1)
            elif entry.name.lower().endswith(LORA.endings):
                yield Path(entry.path)


def _without_ending(path: str) -> str:
    return path[: path.rfind(".")]
