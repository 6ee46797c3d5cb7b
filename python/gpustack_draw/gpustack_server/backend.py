"""The inference backend that draws with a model of a server, as far as it is known."""

from typing import Literal

from gpustack_draw.gpustack_server.models import OWN_MARK, RunningModel
from gpustack_draw.gpustack_server.release import Release

# ``llama-box`` of GPUStack 0.x; ``gpustack-draw``, this program's own server; ``custom``, one that
# reports a sampler; ``other``: vLLM or SGLang, which report nothing, or a silent custom one.
Backend = Literal["llama-box", "gpustack-draw", "custom", "other"]


def backend_of(release: Release, model: RunningModel) -> Backend:
    """Return the backend of a model."""
    if release.uses_llama_box:
        return "llama-box"
    if OWN_MARK in model.meta:
        return "gpustack-draw"
    return "custom" if isinstance(model.meta.get("sample_method"), str) else "other"
