"""The settings of a drawing as the engine takes them."""

from typing import Any

from gpustack_draw.request.draw_settings import DrawSettings
from gpustack_draw.request.options import LOAD_OPTIONS, SAMPLING_OPTIONS
from gpustack_draw.resolver.choose_prompts import parsed_prompts
from gpustack_draw.resolver.denoising_start import SCHEDULER_BESIDE_SIGMAS
from gpustack_draw.resolver.resolved_model import ResolvedModel

# The settings that the engine takes by these names.
_NAMES = (
    *("width", "height", "sampler", "scheduler", "seed"),
    *(option.name for option in SAMPLING_OPTIONS if option not in LOAD_OPTIONS),
)


def engine_settings(settings: DrawSettings, model: ResolvedModel) -> dict[str, Any]:
    """Return the settings of a drawing by the engine's names."""
    values = {name: getattr(settings, name) for name in _NAMES}
    # The engine needs the name of a scheduler beside noise levels, too.
    values["scheduler"] = settings.scheduler or SCHEDULER_BESIDE_SIGMAS
    return {**values, **parsed_prompts(settings, model.family, model.embedding_names)}
