"""Download the missing files of a model."""

from gpustack_draw.headers.header import read_model_header
from gpustack_draw.progress.callbacks import ProgressFunction
from gpustack_draw.resolver.compatibility import check_components
from gpustack_draw.resolver.requirements import check_component
from gpustack_draw.resolver.resolved_model import ResolvedModel


def fetch_model(
    model: ResolvedModel, on_progress: ProgressFunction | None = None
) -> tuple[str, ...]:
    """Download the missing files of a model, and check components whose headers were not read.

    Args:
        model: The model.
        on_progress: Called with the downloaded bytes, phase ``fetch``; an exception from it ends
            the download, which a later call resumes.

    Returns:
        Notes for the user.

    Raises:
        FetchError: A file cannot be downloaded, stored or verified.
        ModelFileError: A file is not the component that it is used as.
    """
    if model.hub is None:
        return ()
    # Headers of cached files were checked when the model was resolved.
    missing = [file for file in model.files if file.hub_file and not file.path.is_file()]
    notes = model.hub.fetch(model.hub_files, on_progress)
    main = next(file for file in model.files if file.component in {"model", "diffusion_model"})
    components = [file for file in missing if file.path != main.path]
    if not components or not main.path.is_file():
        return notes
    header = read_model_header(main.path)
    for file in components:
        assert file.hub_file is not None
        name = file.hub_file.label
        component = read_model_header(file.path, label=name)
        check_component(file.component, component, name)
        by_name = {file.component: (component, name)}
        check_components(model.family, header, model.reference.text, by_name)
    return notes
