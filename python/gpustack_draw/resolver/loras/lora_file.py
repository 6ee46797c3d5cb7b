"""The records that describe a LoRA file and how it fits a model."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gpustack_draw.headers.header import TensorInfo
from gpustack_draw.request.sampling import SamplingOptions


@dataclass(frozen=True)
class LoraModule:
    """The tensors that change one weight of a model.

    Attributes:
        name: Name in the file, without the ending that names the tensor.
        tensors: Tensors by role: ``down``, ``up``, ``mid``, ``alpha``, ``scale``, ``diff``,
            ``diff_b``, or a role of LyCORIS such as ``hada_w1_a`` and ``lokr_w1``.
    """

    name: str
    tensors: Mapping[str, TensorInfo]

    @property
    def type(self) -> str:
        """``LoRA``, ``LoHa``, ``LoKr`` or ``difference``, which changes whole weights."""
        if "down" in self.tensors or "up" in self.tensors:
            return "LoRA"
        if any(role.startswith("hada_") for role in self.tensors):
            return "LoHa"
        if any(role.startswith("lokr_") for role in self.tensors):
            return "LoKr"
        return "difference"

    @property
    def rank(self) -> int:
        """Rank of its factors; 0 if it has none, as a difference and a full LoKr."""
        for role in ("down", "hada_w1_b", "lokr_w2_b", "lokr_w1_b"):
            if role in self.tensors:
                return self.tensors[role].shape[-1]
        return 0


@dataclass(frozen=True)
class LoraBase:
    """Models that a LoRA can be made for.

    Attributes:
        title: Name in messages.
        families: Names of the families whose models it fits.
    """

    title: str
    families: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Distillation(SamplingOptions):
    """The settings that a LoRA for few steps was trained for; ``None`` for the model's own.

    Attributes:
        title: Name of the method, for notes.
        sampler: One of :data:`gpustack_draw.SAMPLERS`.
        scheduler: One of :data:`gpustack_draw.SCHEDULERS`.
        weight: The weight that its authors recommend.
    """

    title: str
    sampler: str | None = None
    scheduler: str | None = None
    weight: float = 1.0


@dataclass(frozen=True, kw_only=True)
class LoraFile:
    """A LoRA file. Its texts are printable and short, whatever the file contains.

    Attributes:
        label: Name of the file in messages.
        format: ``gguf``, ``safetensors`` or ``checkpoint``.
        naming: Program or library whose names its tensors have, such as ``kohya``; ``original`` for
            the model's own names.
        types: Types of its modules, the most frequent first: ``LoRA``, ``LoHa``, ...
        tensors: All its tensors by name, those of no module included.
        modules: Its modules by name.
        ranks: Ranks of its modules, ascending, each once.
        base: The models that its names and shapes fit; ``None`` if unknown.
        stated_base: The base model that its metadata names; empty for none.
        trigger_words: Words that its authors used in prompts for it.
        license: License that its metadata names; empty for none.
        title: Title in its metadata; empty for none.
        distillation: The settings that it asks for; ``None`` for an ordinary LoRA.
        file_bytes: Size of the file in bytes.
    """

    label: str
    format: str
    naming: str
    types: tuple[str, ...]
    tensors: Mapping[str, TensorInfo] = field(repr=False)
    modules: Mapping[str, LoraModule] = field(repr=False)
    ranks: tuple[int, ...]
    base: LoraBase | None
    stated_base: str = ""
    trigger_words: tuple[str, ...] = ()
    license: str = ""
    title: str = ""
    distillation: Distillation | None = None
    file_bytes: int = 0


@dataclass(frozen=True)
class Misfit:
    """A weight of the model that a LoRA changes and does not fit.

    Attributes:
        name: Name of a module in the LoRA's file.
        reason: The difference, such as ``it has 768 inputs, and the model 1,024``.
        hint: What to do about it.
    """

    name: str
    reason: str
    hint: str = "use a LoRA that was made for this very model"


@dataclass(frozen=True)
class LoraMatch:
    """How the tensors of a LoRA match a model.

    Attributes:
        applied: Number of its tensors that change a weight of the model.
        total: Number of its tensors.
        unmatched: Names of those that change none.
        misfits: The weights that it does not fit, which would crash the engine.
    """

    applied: int
    total: int
    unmatched: tuple[str, ...] = ()
    misfits: tuple[Misfit, ...] = ()
