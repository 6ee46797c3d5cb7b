"""Bring what is missing of a model to this machine."""

from collections.abc import Callable

from gpustack_draw.model_checks import check_parts
from gpustack_draw.model_header import read_model_header
from gpustack_draw.model_rules import check_kind
from gpustack_draw.progress import Progress
from gpustack_draw.resolved_model import ResolvedModel


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

    notes = Hub().fetch(model.hub_files, on_progress)
    main = next(file for file in model.files if file.component in {"model", "diffusion_model"})
    header = read_model_header(main.path) if main.path.is_file() else None
    for file in model.files:
        if file.source is not None and file.path != main.path and header is not None:
            part = read_model_header(file.path, shown=file.source.shown)
            check_kind(file.component, part, file.source.shown)
            parts = {file.component: (part, file.source.shown)}
            check_parts(model.family, header, model.reference.text, parts)
    return notes
