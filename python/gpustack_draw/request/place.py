"""Choice of the place to draw: this machine or a GPUStack server. Uses no network."""

from gpustack_draw.errors import ModelNotFoundError, UsageError, quoted
from gpustack_draw.phrases import phrase
from gpustack_draw.request.hub_address import parse_hub_address
from gpustack_draw.request.known_models import near_names_hint
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
            f"{quoted(on)} is not a place to draw",
            hint=phrase("type {on='auto'}, {on='local'} or {on='server'}"),
            argument="on",
        )
    if isinstance(reference, ServerModel):
        if on == "local":
            raise ModelNotFoundError(
                phrase(
                    "no model named {} on this machine, and {on='local'} uses no server",
                    quoted(reference.text),
                ),
                hint=near_names_hint(reference.name)
                or phrase(
                    "check the path, type {} for a model of Hugging Face, or leave {on='local'}"
                    " out",
                    hub_reference(reference.name),
                ),
                argument="model",
            )
        return True
    if on == "server" and not isinstance(reference, HubModel):
        raise UsageError(
            f"{quoted(reference.text)} is on this machine: a server cannot draw with it",
            hint=phrase(
                "leave {on='server'} out, or name a model of the server or hf.co/OWNER/REPO"
            ),
            argument="on",
        )
    return on == "server"


def hub_reference(name: str) -> str:
    """Return what to type if a name was meant as one of Hugging Face."""
    try:
        parse_hub_address(f"hf.co/{name}")
    except UsageError:
        return "hf.co/OWNER/REPO"
    return f"hf.co/{name}"
