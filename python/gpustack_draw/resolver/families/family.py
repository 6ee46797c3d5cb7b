"""The records that describe a family of models."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from gpustack_draw.request.prompt_syntax import PromptSyntax
from gpustack_draw.request.sampling import SamplingOptions
from gpustack_draw.resolver.component_sources import TINY_DECODERS, Source
from gpustack_draw.resolver.families.picture_inputs import EditModel, PictureInputs

# Sampling options that have an effect on every family.
COMMON_OPTIONS = ("sample_steps", "cfg_scale", "eta", "sigmas", "cache", "rng")
# Options of flow models, whose noise schedule the engine can shift.
FLOW_OPTIONS = (*COMMON_OPTIONS, "flow_shift")


@dataclass(frozen=True)
class Defaults(SamplingOptions):
    """The settings of a model where the user chose none.

    Other fields of :class:`SamplingOptions` are ``None`` for the engine's own value.

    Attributes:
        sample_steps: Sampling steps.
        cfg_scale: Classifier-free guidance; 1 is off, which distilled models need.
        scheduler: One of :data:`gpustack_draw.SCHEDULERS`.
        native_size: Width and height that the model was trained for, in pixels.
        smallest_size: Smallest width and height that it was trained for; ``None`` for the native
            size.
    """

    sample_steps: int = field()
    cfg_scale: float = field()
    scheduler: str = "discrete"
    native_size: tuple[int, int] = (1024, 1024)
    smallest_size: tuple[int, int] | None = None


@dataclass(frozen=True)
class SimilarVae:
    """A VAE of the same shapes as a family's own, which only its file name distinguishes.

    Attributes:
        title: Name of the family that it belongs to.
        file_name: Pattern to search its file names for; case does not matter.
    """

    title: str
    file_name: str

    def has_name(self, file: str) -> bool:
        """Return True if a file is named like this VAE."""
        return re.search(self.file_name, file, re.IGNORECASE) is not None


@dataclass(frozen=True, kw_only=True)
class Family:
    """A family of models.

    Attributes:
        name: Short and stable, because it is stored in pictures: ``sd1``, ``flux2-klein``.
        title: Name in messages.
        defaults: Settings of a model whose variant is unknown.
        variants: Settings by variant, for the variants whose settings differ.
        requires: Components (see ``COMPONENTS``) that it cannot draw without, in the model's file
            or in files of their own.
        optional: Components that improve its pictures.
        sources: Places to download components from, by component, in order of preference.
        evidence: Parts of tensor names that only this family has, each of them enough; empty where
            ``detect_family`` looks at sizes.
        evidence_side: First dimension of the tensor that ``evidence`` names; 0 for any.
        architecture: Value of ``general.architecture`` in its GGUF files, where the tensors do not
            show the family.
        variant_evidence: Pairs of a part of a tensor name and the variant it proves, in order; an
            empty part is in every file.
        older_variants: By variant, a part of a tensor name that only the newer of two models of
            that variant has, and the key in ``variants`` of the older one's settings.
        component_prefixes: Pairs of a prefix of tensor names in an all-in-one file and the
            component it stands for, beside the prefixes that all families share; longer ones first.
        size_multiple: Pixels that both sides must be a multiple of; the engine rounds up.
        max_side: Largest side in pixels; the engine aborts above it.
        has_ays: Whether the engine has noise levels of the scheduler ``ays`` for it.
        options: Names of the sampling options that have an effect on it.
        option_tensors: By option, part of the name of a tensor without which a model ignores it.
        network: Architecture whose sizes are checked and read from the tensors: ``flux``,
            ``mmdit``, ``wan``, or empty.
        network_heads: Attention heads by number of blocks and width, of the ``wan`` networks that
            the engine knows.
        unet: Whether it is a UNet, which the engine recognizes by its text encoders.
        latent_channels: Channels of its latents.
        token_pixels: Side, in pixels, of a token of the largest attention.
        heads: Attention heads over those tokens.
        hidden: Width of a token there.
        layers: Layers of its network that can be skipped; 0 if unknown.
        text_input: Tensor whose first dimension must fit the LLM's width; empty if unknown.
        llm_layers: Layers of the LLM that it reads side by side.
        vocabulary: Tokens that the LLM's embedding must have; the engine aborts with fewer.
        clip_title: Name of its first CLIP text encoder in messages.
        clip_width: Width of that text encoder.
        t5_title: Name of its T5 text encoder in messages.
        t5_tokens: Tokens of that text encoder.
        video_vae: Whether its VAE is one for videos, such as Wan's.
        vae_is_taesd: Whether the engine reads its VAE as a tiny autoencoder.
        takes_taesd: Whether the engine decodes its latents with a tiny autoencoder.
        similar_vae: A VAE of another family that would load but decode wrong colors.
        pictures: The pictures that it takes beside the prompt.
        takes_control_net: Whether the engine draws with it and a ControlNet.
        edit_models: Its models that were trained to edit pictures, if others were not; the first
            that fits counts.
        switches: Keywords of the engine that it needs when it is loaded.
        variant_notes: Notes by variant.
        why_not: Why this version cannot draw with it; empty if it can.
        why_not_variant: The same by variant.
        instead: Hint for a model that cannot be used.
    """

    name: str
    title: str
    defaults: Defaults
    variants: Mapping[str, Defaults] = field(default_factory=dict)
    requires: tuple[str, ...] = ("vae", "llm")
    optional: tuple[str, ...] = ()
    sources: Mapping[str, tuple[Source, ...]] = field(default_factory=dict)
    evidence: tuple[str, ...] = ()
    evidence_side: int = 0
    architecture: str = ""
    variant_evidence: tuple[tuple[str, str], ...] = ()
    older_variants: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    component_prefixes: tuple[tuple[str, str], ...] = ()
    size_multiple: int = 8
    max_side: int = 8192
    has_ays: bool = False
    options: tuple[str, ...] = COMMON_OPTIONS
    option_tensors: Mapping[str, str] = field(default_factory=dict)
    network: str = ""
    network_heads: Mapping[tuple[int, int], int] = field(default_factory=dict)
    unet: bool = False
    latent_channels: int = 16
    token_pixels: int = 16
    heads: int = 24
    hidden: int = 3072
    layers: int = 0
    text_input: str = ""
    llm_layers: int = 1
    vocabulary: int = 0
    clip_title: str = "the CLIP-L text encoder"
    clip_width: int = 768
    t5_title: str = "the T5-XXL text encoder"
    t5_tokens: int = 32_128
    video_vae: bool = False
    vae_is_taesd: bool = False
    takes_taesd: bool = True
    similar_vae: SimilarVae | None = None
    pictures: PictureInputs = field(default_factory=PictureInputs)
    takes_control_net: bool = False
    edit_models: tuple[EditModel, ...] = ()
    switches: tuple[str, ...] = ()
    variant_notes: Mapping[str, str] = field(default_factory=dict)
    why_not: str = ""
    why_not_variant: Mapping[str, str] = field(default_factory=dict)
    instead: str = "use a text-to-image model"

    @property
    def prompt_syntax(self) -> PromptSyntax:
        """Syntax of its prompts: models with a CLIP text encoder are used to weights."""
        if self.unet:
            return "chunks"
        return "weights" if "clip_l" in self.requires else "plain"

    @property
    def takes_embeddings(self) -> bool:
        """True if textual inversions work: the engine mixes those of two text encoders up."""
        return self.unet and "clip_g" not in self.requires

    def sources_of(self, component: str, text_width: int = 0) -> tuple[Source, ...]:
        """Return the places to download a component from, in order of preference.

        Args:
            component: One of :data:`gpustack_draw.request.names.COMPONENTS`.
            text_width: First dimension of ``text_input`` in this model; 0 if unknown. Language
                models of a width that does not divide it come last.
        """
        sources = self.sources.get(component, ())
        if component == "taesd" and self.takes_taesd:
            sources = TINY_DECODERS.get(self.sources.get("vae", ()), ())
        return tuple(
            sorted(sources, key=lambda source: bool(source.width and text_width % source.width))
        )

    def with_control_net(self) -> "Family":
        """Return the family with the facts of a model beside which a ControlNet is loaded."""
        return replace(self, pictures=replace(self.pictures, control_net=True))

    def as_edit_model(self, model: EditModel) -> "Family":
        """Return the family with the facts of its models that were trained to edit pictures."""
        pictures = replace(
            self.pictures,
            references="trained",
            most_references=model.most_references,
            draws_alone=False,
        )
        return replace(
            self,
            title=model.title,
            requires=(*self.requires, *model.requires),
            pictures=pictures,
            switches=(*self.switches, *model.switches),
        )
