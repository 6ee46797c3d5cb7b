"""Find the ControlNet that the user chose."""

import re
from collections.abc import Iterator

from gpustack_draw.errors import DrawError, ModelFileError, UsageError, quoted
from gpustack_draw.phrases import phrase
from gpustack_draw.request.additions import CONTROL_NET
from gpustack_draw.resolver.find_addition import AdditionFile, find_addition
from gpustack_draw.resolver.requirements import check_component
from gpustack_draw.resolver.resolved_model import ModelFile
from gpustack_draw.resolver.user_components import ComponentFile, OpenHub

_COMPONENT = "control_net"
# Stem of the files in repositories of diffusers, which have the name of the ControlNet.
_USUAL_STEM = "diffusion_pytorch_model"
# ControlNets with the tensors of all others, which only their names tell apart: a word of the name,
# the reason why the engine cannot draw with them, and a hint. The names are those of
# lllyasviel/ControlNet-v1-1 and its conversions, such as control_v11e_sd15_shuffle.
_BY_NAME = (
    (
        "shuffle",
        "for shuffled contents: the engine does not average its output over the picture",
        "use a ControlNet of another type, such as canny or depth",
    ),
    (
        "inpaint",
        "for inpainting: the engine cannot mark the area to redraw in the control picture",
        phrase("redraw an area with {image} and {mask}, without {control_net}"),
    ),
)


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
        _check_name(found)
    except DrawError as error:
        error.argument = _COMPONENT
        raise
    file = ModelFile(_COMPONENT, found.path, found.header.file_bytes, found.hub_file)
    return ComponentFile(file, found.header, found.label)


def _check_name(found: AdditionFile) -> None:
    """Check that a ControlNet is none that the engine draws wrongly with, by its name.

    Raises:
        ModelFileError: It is one.
    """
    words = {word for name in _names(found) for word in re.split(r"[^a-z0-9]+", name.lower())}
    for word, reason, hint in _BY_NAME:
        if word in words:
            raise ModelFileError(
                f"{quoted(found.label)} is by its name a ControlNet {reason}", hint=hint
            )


def _names(found: AdditionFile) -> Iterator[str]:
    """Yield the names that a ControlNet has: those of its file, its repository or its folder."""
    path = found.path
    yield path.stem
    if found.hub_file is not None:
        yield found.hub_file.repository.rpartition("/")[2]
    elif path.stem.startswith(_USUAL_STEM):
        yield path.absolute().parent.name
