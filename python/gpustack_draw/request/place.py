"""Choice of the place to draw: this machine or a GPUStack server. Uses no network."""

from gpustack_draw.errors import ModelNotFoundError, UsageError, quoted
from gpustack_draw.request.hub_address import parse_hub_address
from gpustack_draw.request.model_reference import HubModel, ModelReference, ServerModel

PLACES = ("auto", "local", "server")


def is_drawn_on_server(reference: ModelReference, on: str) -> bool:
    """Return True if a model is drawn with on a GPUStack server.

    Args:
        reference: The model.
        on: ``auto``, ``local`` or ``server``.

    Raises:
        UsageError: The model cannot be drawn with there.
        ModelNotFoundError: Only a server could have a model of that name.
    """
    if on not in PLACES:
        raise UsageError(
            f"{quoted(on)} is not a place to draw", hint="type --on auto, --on local or --on server"
        )
    if isinstance(reference, ServerModel):
        if on == "local":
            raise ModelNotFoundError(
                f"{quoted(reference.text)} is neither 'demo' nor a file here, and --on local looks"
                " at no server",
                hint=f"check the path, type {hub_reference(reference.name)} for a model of Hugging"
                " Face, or leave --on local out",
            )
        return True
    if on == "server" and not isinstance(reference, HubModel):
        raise UsageError(
            f"{quoted(reference.text)} is on this machine: a server cannot draw with it",
            hint="leave --on server out, or name a model of the server or hf.co/OWNER/REPO",
        )
    return on == "server"


def hub_reference(name: str) -> str:
    """Return what to type if a name was meant as one of Hugging Face."""
    try:
        parse_hub_address(f"hf.co/{name}")
    except UsageError:
        return "hf.co/OWNER/REPO"
    return f"hf.co/{name}"
