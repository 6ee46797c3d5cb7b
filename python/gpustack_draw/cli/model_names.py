"""Names of the models in the cache of huggingface_hub, for shell completion.

They come from file names alone; reading headers, as ``models`` does, and importing huggingface_hub
would be too slow.
"""

# Importing pathlib would double the time.
# ruff: noqa: PTH110, PTH111, PTH118, PTH123, PTH208

import os
from collections.abc import Iterator


def cache_folder() -> str:
    """Return the cache folder, by the rules of huggingface_hub 0.30 to 2.4 (constants.py)."""
    base = os.environ.get("XDG_CACHE_HOME", os.path.join("~", ".cache"))
    home = _expanded(os.environ.get("HF_HOME", os.path.join(base, "huggingface")))
    older = os.environ.get("HUGGINGFACE_HUB_CACHE", os.path.join(home, "hub"))
    return _expanded(os.environ.get("HF_HUB_CACHE", older))


def _expanded(path: str) -> str:
    return os.path.expandvars(os.path.expanduser(path))


def cached_models() -> Iterator[str]:
    """Yield a reference to every cached GGUF model."""
    for repository, paths in _repositories():
        from gpustack_draw.hub.choose_file import is_component_file, tag_of  # slow to import

        yield from (
            f"{repository}:{tag_of(path, paths)}" for path in paths if not is_component_file(path)
        )


def cached_files() -> Iterator[str]:
    """Yield a reference to every cached GGUF file."""
    for repository, paths in _repositories():
        yield from (f"{repository}:{path}" for path in paths)


def _repositories() -> Iterator[tuple[str, list[str]]]:
    cache = cache_folder()
    for folder in _listed(cache):
        repository_type, *names = folder.split("--")
        if repository_type == "models" and len(names) == 2:
            paths = list(_files(os.path.join(cache, folder)))
            if paths:
                yield f"hf.co/{names[0]}/{names[1]}", paths


def _files(repository: str) -> Iterator[str]:
    """Yield the cached GGUF files of a repository's main branch."""
    try:
        with open(os.path.join(repository, "refs", "main"), encoding="utf-8") as file:
            snapshot = os.path.join(repository, "snapshots", file.read().strip())
    except (OSError, ValueError):
        return
    for folder, _, names in os.walk(snapshot):
        for name in sorted(names):
            path = os.path.join(folder, name)
            if name.lower().endswith(".gguf") and os.path.exists(path):
                yield os.path.relpath(path, snapshot).replace(os.sep, "/")


def _listed(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []
