"""Bring what is missing of a model to this machine."""

from collections.abc import Callable

from gpustack_draw.headers.header import read_model_header
from gpustack_draw.progress.progress import Progress
from gpustack_draw.resolver.compatibility import check_parts
from gpustack_draw.resolver.requirements import check_kind
from gpustack_draw.resolver.resolved_model import ResolvedModel


def check_room(model: ResolvedModel) -> None:
    """Check that what is missing of a model fits on the disk.

    Raises:
        FetchError: It does not.
    """
    if not model.hub_files:
        return
    from gpustack_draw.hub import Hub

    Hub().check_disk_space(model.hub_files)


def fetch_model(
    model: ResolvedModel, on_progress: Callable[[Progress], None] | None = None
) -> tuple[str, ...]:
    """Fetch what is missing of a model, verify its files, and check what had not been read yet.

    Args:
        model: The model.
        on_progress: Called with the bytes fetched, phase ``fetch``; what it raises ends the fetch,
            and a later one continues.

    Returns:
        Notes for the user.

    Raises:
        FetchError: A file could not be fetched, kept or verified.
        ModelFileError: A component is not what it should be.
    """
    if not model.hub_files:
        return ()
    from gpustack_draw.hub import Hub

    # What is here already was looked into when the model was resolved.
    missing = [file for file in model.files if file.hub_file and not file.path.is_file()]
    notes = Hub().fetch(model.hub_files, on_progress)
    main = next(file for file in model.files if file.component in {"model", "diffusion_model"})
    parts = [file for file in missing if file.path != main.path]
    if not parts or not main.path.is_file():
        return notes
    header = read_model_header(main.path)
    for file in parts:
        assert file.hub_file is not None
        shown = file.hub_file.shown
        part = read_model_header(file.path, shown=shown)
        check_kind(file.component, part, shown)
        check_parts(model.family, header, model.reference.text, {file.component: (part, shown)})
    return notes
