"""The files beside a model on this machine, among which its components may be."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# Folders for components, beside a model or beside the folder that it is in, and folders for
# diffusion models, as ComfyUI, the web UIs and diffusers name them. In lower case.
_COMPONENT_FOLDERS = frozenset(("clip", "text_encoder", "text_encoder_2", "text_encoders", "vae"))
_MODEL_FOLDERS = frozenset(
    ("checkpoints", "diffusion_models", "stable-diffusion", "transformer", "unet")
)
_ENDINGS = (".gguf", ".safetensors")
# Folders between a folder for models and the model, and inside of a folder for components.
_DEPTH = 2
_MOST_FILES = 2000


@dataclass(frozen=True)
class LocalFile:
    """A file of this machine that may be a component.

    Attributes:
        path: Its path in the folder of models, with ``/`` between folders.
        location: Where it is.
        shown: What messages call it.
    """

    path: str
    location: Path
    shown: str


def files_beside(model: Path, shown: str) -> list[LocalFile]:
    """Return the model files in a model's folder and in the folders for components near it.

    Args:
        model: The model's file.
        shown: What messages call it: the path as typed.
    """
    # Links are not followed: the neighbors of a link are those that the user sees.
    model = Path(os.path.abspath(model))  # noqa: PTH100
    folder = model.parent
    roots = [folder]
    for place in (folder, *folder.parents)[: _DEPTH + 1]:
        if place.name.lower() in _MODEL_FOLDERS:
            roots.append(place.parent)
            break
    found = [*_files_in(folder, folder, 0)]
    for root in roots:
        for entry in _entries(root):
            if entry.name.lower() in _COMPONENT_FOLDERS and entry.is_dir():
                found += _files_in(Path(entry.path), root, _DEPTH)
    is_typed_whole = Path(shown).is_absolute() or shown.startswith("~")
    return [
        LocalFile(path, location, str(location) if is_typed_whole else _relative(location))
        for path, location in found[:_MOST_FILES]
        if location != model
    ]


def _files_in(folder: Path, root: Path, depth: int) -> Iterator[tuple[str, Path]]:
    for entry in _entries(folder):
        path = Path(entry.path)
        if entry.name.lower().endswith(_ENDINGS) and entry.is_file():
            yield path.relative_to(root).as_posix(), path
        elif depth and entry.is_dir():
            yield from _files_in(path, root, depth - 1)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """Return what is in a folder, by name; nothing where it cannot be read."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        return sorted(entries, key=lambda entry: entry.name)
    return []


def _relative(location: Path) -> str:
    try:
        return os.path.relpath(location)
    except (OSError, ValueError):  # on another drive
        return str(location)
