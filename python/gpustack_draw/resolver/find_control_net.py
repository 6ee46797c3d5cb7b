"""Find the ControlNet that the user chose."""

from gpustack_draw.errors import DrawError, UsageError
from gpustack_draw.phrases import phrase
from gpustack_draw.request.additions import CONTROL_NET
from gpustack_draw.resolver.find_addition import find_addition
from gpustack_draw.resolver.requirements import check_component
from gpustack_draw.resolver.resolved_model import ModelFile
from gpustack_draw.resolver.user_components import ComponentFile, OpenHub

_COMPONENT = "control_net"


def find_control_net(reference: str, open_hub: OpenHub) -> ComponentFile:
    """Find a ControlNet, and read and check its header; downloads nothing.

    Args:
        reference: Path or hf.co reference.
        open_hub: Returns the hub and its cache.

    Raises:
        UsageError: The reference is empty, or an address of another site.
        ModelNotFoundError: There is no such file.
        ModelFileError: The file is damaged, or no ControlNet that the engine can draw with.
        FetchError: The hub is unavailable, or refuses the request.
    """
    if not reference.strip():
        raise UsageError(
            phrase("missing file after {control_net}: {}", repr(reference)),
            hint=phrase("type {control_net=FILE}"),
            argument=_COMPONENT,
        )
    found = find_addition(reference, CONTROL_NET, open_hub, argument=_COMPONENT)
    try:
        check_component(_COMPONENT, found.header, found.label)
    except DrawError as error:
        error.argument = _COMPONENT
        raise
    file = ModelFile(_COMPONENT, found.path, found.header.file_bytes, found.hub_file)
    return ComponentFile(file, found.header, found.label)
