"""A model whose files are known, local or on the hub."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from gpustack_draw.headers.header import ModelHeader
from gpustack_draw.headers.tensor_table import TensorInfo
from gpustack_draw.request.model_reference import ModelReference
from gpustack_draw.resolver.detect_family import component_of
from gpustack_draw.resolver.families import Defaults, Family

if TYPE_CHECKING:
    from gpustack_draw.hub import Hub, RepositoryFile

COMPONENT_TITLES: dict[str, str] = {
    "vae": "a VAE (which turns the result into pixels)",
    "clip_l": "the CLIP-L text encoder",
    "clip_g": "the CLIP-G text encoder",
    "t5xxl": "the T5-XXL text encoder",
    "llm": "a language model (which reads the prompt)",
    "llm_vision": "the vision encoder of the language model (mmproj)",
    "taesd": "a tiny autoencoder (TAESD)",
    "control_net": "a ControlNet",
}


@dataclass(frozen=True)
class ModelFile:
    """A file that the engine loads.

    Attributes:
        component: ``model`` for a file whose tensor names have the engine's prefixes,
            ``diffusion_model`` for a diffusion model alone, one of
            :data:`gpustack_draw.request.names.COMPONENTS`, or ``embedding``, ``lora`` or
            ``upscaler`` for an addition.
        path: The file, or a folder in diffusers layout. A file of the hub may still be missing.
        bytes: Size of the file.
        hub_file: The file on the hub; ``None`` for a file of the user.
        origin: How it was found: ``named`` by the user, ``beside`` the model, or in a known
            place on the ``hub``.
        loaded_bytes: Size in memory according to its header; 0 if unknown.
        header: Its header; ``None`` for a file on the hub whose header was not needed.
    """

    component: str
    path: Path
    bytes: int
    hub_file: "RepositoryFile | None" = None
    origin: str = "named"
    loaded_bytes: int = 0
    header: ModelHeader | None = field(default=None, repr=False, compare=False)

    @property
    def memory_bytes(self) -> int:
        """Size in memory; of a ControlNet, whose types the engine chooses, it can be less."""
        is_converted = self.component == "control_net" and self.loaded_bytes > 0
        return self.loaded_bytes if is_converted else max(self.bytes, self.loaded_bytes)


@dataclass(frozen=True)
class EmbeddingFile:
    """The file of an embedding that fits its model.

    Attributes:
        name: The word that stands for it in prompts.
        file: The file; that of a file on the hub may still be missing.
        label: Name of the file in messages.
        vectors: Number of its vectors; each takes the place of a token.
        width: Numbers of a vector.
        note: Note for the user; empty for none.
    """

    name: str
    file: ModelFile
    label: str
    vectors: int
    width: int
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class ResolvedModel:
    """A model that can be loaded once its files are downloaded.

    Attributes:
        reference: Reference as the user typed it.
        name: ``demo``, or the file name without its ending; stored in pictures.
        source: Where it comes from: ``demo``, ``hub``, ``local`` or ``server``.
        family: Its family, with the sizes of this model.
        variant: ``turbo``, ``schnell``, ...; empty if unknown.
        files: Files to load.
        defaults: Settings where the user chose none.
        notes: Notes for the user.
        user_components: Names of the components that the user chose.
        decoder_only: Label of the file with its VAE if that cannot encode pictures, without which
            the engine takes none; empty otherwise.
        embeddings: Embeddings to load with it, in the order of the engine's words.
        hub: The hub that has :attr:`hub_files`; ``None`` if all files are the user's.
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
    decoder_only: str = ""
    embeddings: tuple[EmbeddingFile, ...] = ()
    hub: "Hub | None" = field(default=None, repr=False, compare=False)

    @cached_property
    def tensors(self) -> tuple[tuple[str, TensorInfo], ...]:
        """The tensors in the known headers of its files, each with its component.

        The component is empty for the diffusion model in a file with other components.
        """
        return tuple(each for file in self.files for each in self.tensors_of(file))

    def tensors_of(self, file: ModelFile) -> tuple[tuple[str, TensorInfo], ...]:
        """Return the part of :attr:`tensors` that one of its files has."""
        return self._tensors_by_file[file.path, file.component]

    @cached_property
    def _tensors_by_file(self) -> dict[tuple[Path, str], tuple[tuple[str, TensorInfo], ...]]:
        found = {}
        for file in self.files:
            own = "" if file.component == "model" else file.component
            tensors = () if file.header is None else file.header.tensors.values()
            found[file.path, file.component] = tuple(
                (own or component_of(each.name, self.family), each) for each in tensors
            )
        return found

    def path_of(self, component: str) -> Path | None:
        """Return the path of a component's own file; ``None`` if it has none."""
        return next((file.path for file in self.files if file.component == component), None)

    @property
    def portable_reference(self) -> str:
        """Reference that names the model on any machine; empty for a local file."""
        return "" if self.source == "local" else self.reference.text

    @property
    def weight_bytes(self) -> int:
        """Bytes of all files in memory; a file of two components counts once."""
        return sum({file.path: file.memory_bytes for file in self.files}.values())

    @property
    def hub_files(self) -> "list[RepositoryFile]":
        """Files of the model and its embeddings that are on the hub."""
        return [file.hub_file for file in self.all_files if file.hub_file is not None]

    @property
    def all_files(self) -> tuple[ModelFile, ...]:
        """Files of the model and of its embeddings."""
        return (*self.files, *(embedding.file for embedding in self.embeddings))

    @property
    def embedding_names(self) -> tuple[str, ...]:
        """Words that stand for its embeddings in prompts."""
        return tuple(embedding.name for embedding in self.embeddings)


def title_of(component: str, family: Family) -> str:
    """Return the title of a component of a family, for messages."""
    own = {"t5xxl": family.t5_title, "clip_l": family.clip_title}
    return own.get(component, COMPONENT_TITLES[component])
