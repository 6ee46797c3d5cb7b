"""Find an upscaling model, and check it before it is downloaded or loaded."""

import os
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from gpustack_draw.errors import DrawError
from gpustack_draw.progress.callbacks import ProgressFunction
from gpustack_draw.request.additions import UPSCALER
from gpustack_draw.request.draw_request import DrawRequest
from gpustack_draw.resolver.find_addition import find_addition
from gpustack_draw.resolver.resolved_model import ModelFile
from gpustack_draw.resolver.upscaling_network import read_upscaling_network
from gpustack_draw.resolver.user_components import open_hub

if TYPE_CHECKING:
    from gpustack_draw.hub import Hub, RepositoryFile


@dataclass(frozen=True, kw_only=True)
class Upscaler:
    """An upscaling model that the engine can load once its file is downloaded.

    Attributes:
        reference: Its reference as typed.
        name: Its file name without the ending; stored in pictures.
        path: The file; that of a file on the hub may still be missing.
        scale: Factor by which it enlarges both sides: 1, 2 or 4.
        bytes: Size of the file.
        hub_file: The file on the hub; ``None`` for a file of the user.
        notes: Notes for the user.
        hub: The hub that has the file; ``None`` for a file of the user.
    """

    reference: str
    name: str
    path: Path
    scale: int
    bytes: int
    hub_file: "RepositoryFile | None" = None
    notes: tuple[str, ...] = ()
    hub: "Hub | None" = field(default=None, repr=False, compare=False)

    @property
    def file(self) -> ModelFile:
        """The file as one of a drawing."""
        return ModelFile("upscaler", self.path, self.bytes, self.hub_file)

    def fetch(self, on_progress: ProgressFunction | None = None) -> tuple[str, ...]:
        """Download and verify the file, if it is on the hub.

        Args:
            on_progress: Called with the downloaded bytes, phase ``fetch``; an exception from it
                ends the download, which a later call resumes.

        Returns:
            Notes for the user.

        Raises:
            FetchError: The file cannot be downloaded, stored or verified.
        """
        if self.hub is None or self.hub_file is None:
            return ()
        return self.hub.fetch([self.hub_file], on_progress)


def find_upscaler_of(request: DrawRequest) -> Upscaler | None:
    """Find the upscaling model of a request; see :func:`find_upscaler`.

    Returns:
        The model; ``None`` if the request has none.
    """
    if request.upscale is None:
        return None
    return find_upscaler(request.upscale, argument="upscale")


def find_upscaler(reference: str | os.PathLike[str], *, argument: str) -> Upscaler:
    """Find an upscaling model and check its header; downloads nothing.

    Args:
        reference: A path, or ``hf.co/OWNER/REPO[@REVISION][:TAG]``; see
            :func:`~gpustack_draw.resolver.find_addition.find_addition`.
        argument: Name of the argument that the errors are about.

    Raises:
        UsageError: The reference is empty, or an address of another site.
        ModelNotFoundError: There is no such file.
        ModelFileError: The file is damaged, or no upscaling model.
        NotYetSupportedError: The engine does not know the model's network.
        FetchError: The hub is unavailable, or refuses the request.
    """
    shared_hub = cache(open_hub)
    found = find_addition(reference, UPSCALER, shared_hub, argument=argument)
    try:
        network = read_upscaling_network(found.header, found.label)
    except DrawError as error:
        error.argument = argument
        raise
    file_name = found.hub_file.path if found.hub_file is not None else found.path.name
    return Upscaler(
        reference=found.reference,
        name=Path(file_name).stem,
        path=found.path,
        scale=network.scale,
        bytes=found.header.file_bytes,
        hub_file=found.hub_file,
        notes=(found.note,) if found.note else (),
        hub=shared_hub() if found.hub_file is not None else None,
    )
