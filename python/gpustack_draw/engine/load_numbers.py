"""Settings for which the engine loads the model again, as numbers of the engine."""

from gpustack_draw.memory.work import AS_IS, MemoryChoices
from gpustack_draw.request.draw_settings import DrawSettings

_CPU_RNG = 2  # in enum rng_type_t of the engine's header
# The same of enum sd_type_t, by the names of MemoryChoices.weight_type.
WEIGHT_TYPES = {
    "f32": 0,
    "f16": 1,
    "bf16": 30,
    "q8_0": 8,
    "q6_K": 14,
    "q5_K": 13,
    "q5_1": 7,
    "q5_0": 6,
    "q4_K": 12,
    "q4_1": 3,
    "q4_0": 2,
    "q3_K": 11,
    "q2_K": 10,
}


def load_numbers(settings: DrawSettings, choices: MemoryChoices = AS_IS) -> dict[str, float]:
    """Return the numbers of a model that draws with some settings; none for the defaults.

    Args:
        settings: The settings.
        choices: How the drawing is made to fit into the memory.
    """
    numbers = {
        "rng": _CPU_RNG if settings.rng == "cpu" else 0,
        "circular_x": int(settings.tile in ("x", "both")),
        "circular_y": int(settings.tile in ("y", "both")),
        "diffusion_flash_attn": int(choices.flash_attention),
        "keep_clip_on_cpu": int(choices.clip_on_cpu),
        "keep_vae_on_cpu": int(choices.vae_on_cpu),
        "max_vram": choices.max_vram or 0,
        "offload_params_to_cpu": int(choices.offload),
    }
    changed = {name: number for name, number in numbers.items() if number}
    if choices.weight_type is not None:
        changed["weight_type"] = WEIGHT_TYPES[choices.weight_type]
    return changed
