"""Smaller quantizations of a model in its repository."""

from dataclasses import replace
from typing import TYPE_CHECKING

from gpustack_draw.resolver.resolved_model import ResolvedModel

if TYPE_CHECKING:
    from gpustack_draw.hub import RepositoryFile


def smaller_files(model: ResolvedModel) -> "tuple[RepositoryFile, ...]":
    """Return the smaller quantizations of a model, the largest first.

    Reads only the record of the look-up that found the model.

    Args:
        model: A model; only one of a repository has other files.
    """
    main = next((file for file in model.files if file.component.endswith("model")), None)
    if main is None or main.hub_file is None or model.hub is None:
        return ()
    from gpustack_draw.hub.choose_file import is_component_file, model_stem, tag_of

    own = main.hub_file
    repository = model.hub.known_repository(own.repository, own.revision)
    others = () if repository is None else repository.files
    paths = [file.path for file in others]
    found = [
        replace(file, tag=tag_of(file.path, paths))
        for file in others
        if 0 < file.bytes < own.bytes
        and file.path.lower().endswith(".gguf")
        and not is_component_file(file.path)
        and model_stem(file.path) == model_stem(own.path)
    ]
    return tuple(sorted(found, key=lambda file: -file.bytes))
