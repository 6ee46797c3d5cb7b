"""Local files near a model that may be its components."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# Folders of components and of models, as ComfyUI, web UIs and diffusers name them, in lower case.
# Components are beside the model or beside its folder.
_COMPONENT_FOLDERS = frozenset(
    ("clip", "mmproj", "text_encoder", "text_encoder_2", "text_encoders", "vae")
)
_MODEL_FOLDERS = frozenset(
    ("checkpoints", "diffusion_models", "stable-diffusion", "transformer", "unet")
)
_ENDINGS = (".gguf", ".safetensors")
# Levels of subfolders in a folder of models or of components.
_DEPTH = 2
_MAX_FILES = 2000


@dataclass(frozen=True)
class LocalFile:
    """A local file that may be a component.

    Attributes:
        path: Path relative to the folder of models, with ``/`` between folders.
        location: Path of the file.
        label: Name of the file in messages.
    """

    path: str
    location: Path
    label: str


def files_beside(model: Path, typed_path: str) -> list[LocalFile]:
    """Return the model files in a model's folder and in component folders near it.

    Args:
        model: The model's file.
        typed_path: Its path as typed; decides between absolute and relative paths in messages.
    """
    # Links are not followed: components are beside the link, not beside its target.
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
    is_absolute = Path(typed_path).is_absolute() or typed_path.startswith("~")
    return [
        LocalFile(path, location, str(location) if is_absolute else _relative(location))
        for path, location in found[:_MAX_FILES]
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
    """Return the entries of a folder, sorted by name; none if it cannot be read."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        return sorted(entries, key=lambda entry: entry.name)
    return []


def _relative(location: Path) -> str:
    try:
        return os.path.relpath(location)
    except (OSError, ValueError):  # on another drive
        return str(location)
