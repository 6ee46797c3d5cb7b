"""A model whose files are known, wherever they are."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gpustack_draw.request.model_reference import ModelReference
from gpustack_draw.resolver.families import Defaults, Family

if TYPE_CHECKING:
    from gpustack_draw.hub import RepositoryFile

COMPONENT_TITLES: dict[str, str] = {
    "vae": "a VAE (which turns the result into pixels)",
    "clip_l": "the CLIP-L text encoder",
    "clip_g": "the CLIP-G text encoder",
    "t5xxl": "the T5-XXL text encoder",
    "llm": "a language model (which reads the prompt)",
    "taesd": "a tiny autoencoder (TAESD)",
}


@dataclass(frozen=True)
class ModelFile:
    """A file that the engine loads.

    Attributes:
        component: ``model`` for a file with the engine's own prefixes, ``diffusion_model`` for one
            with the denoiser alone, else one of :data:`gpustack_draw.request.names.COMPONENTS`.
        path: The file, or a folder in diffusers layout. One of the hub may not be there yet.
        bytes: Its size.
        hub_file: Where on the hub it is from; ``None`` for a file that the user has.
        loaded_bytes: Its size in memory, as far as its header tells.
        origin: How it was found: ``named`` by the user, ``beside`` the model, or in one of its
            usual places on the ``hub``.
    """

    component: str
    path: Path
    bytes: int
    hub_file: "RepositoryFile | None" = None
    origin: str = "named"
    loaded_bytes: int = 0


@dataclass(frozen=True, kw_only=True)
class ResolvedModel:
    """A model that can be loaded once its files are here.

    Attributes:
        reference: What the user named.
        name: ``demo``, or the file's name without its ending; shown, and stored in pictures.
        source: Where it comes from: ``demo``, ``hub``, ``local`` or ``server``.
        family: Its family, with the sizes of this model.
        variant: ``turbo``, ``schnell``, ...; empty when its name says none.
        files: What to load.
        defaults: How it draws best.
        notes: For the user.
        user_components: Names of the components that the user chose.
    """

    reference: ModelReference
    name: str
    source: str
    family: Family
    variant: str
    files: tuple[ModelFile, ...]
    defaults: Defaults
    notes: tuple[str, ...] = ()
    user_components: tuple[str, ...] = ()

    def path_of(self, component: str) -> Path | None:
        """Give the file of a component, ``None`` when there is none of its own."""
        return next((file.path for file in self.files if file.component == component), None)

    @property
    def portable_reference(self) -> str:
        """What to type for the model on another machine; empty for a file of this one."""
        return "" if self.source == "local" else self.reference.text

    @property
    def weight_bytes(self) -> int:
        """Bytes of all files in memory; one that serves as two components counts once."""
        return sum({file.path: max(file.bytes, file.loaded_bytes) for file in self.files}.values())

    @property
    def hub_files(self) -> "list[RepositoryFile]":
        """What of it is from the hub."""
        return [file.hub_file for file in self.files if file.hub_file is not None]


def title_of(component: str, family: Family) -> str:
    """Return what people call a component of a family."""
    own = {"t5xxl": family.t5_title, "clip_l": family.clip_title}
    return own.get(component, COMPONENT_TITLES[component])


def option_of(component: str) -> str:
    """Give the option that names a component."""
    return "--" + component.replace("_", "-")
