"""Resolved models without files, for tests that depend only on the family."""

from dataclasses import replace
from pathlib import Path

from gpustack_draw.request.model_reference import DemoModel, LocalModel, ModelReference
from gpustack_draw.resolver.families import FAMILIES, Defaults
from gpustack_draw.resolver.resolved_model import ModelFile, ResolvedModel

GB = 1_000_000_000


def model(
    family: str = "flux2-klein", *, source: str = "local", variant: str = ""
) -> ResolvedModel:
    found = FAMILIES[family]
    reference: ModelReference = DemoModel() if source == "demo" else LocalModel(Path("x.gguf"))
    defaults = found.variants.get(variant, found.defaults)
    return ResolvedModel(
        reference=reference,
        name="x",
        source=source,
        family=found,
        variant=variant,
        files=(),
        defaults=Defaults(8, 1.0, native_size=(256, 256)) if source == "demo" else defaults,
    )


def weighing(family: str, count: int, *components: str) -> ResolvedModel:
    """Return a model whose file has some bytes, for all components."""
    names = ("model", *components)
    return replace(
        model(family), files=tuple(ModelFile(name, Path("x.gguf"), count) for name in names)
    )
