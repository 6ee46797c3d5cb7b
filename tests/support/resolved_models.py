"""Resolved models without files, for tests that depend only on the family."""

from pathlib import Path

from gpustack_draw.request.model_reference import DemoModel, LocalModel, ModelReference
from gpustack_draw.resolver.families import FAMILIES, Defaults
from gpustack_draw.resolver.resolved_model import ResolvedModel


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
