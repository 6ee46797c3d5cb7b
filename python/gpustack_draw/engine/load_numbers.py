"""Settings for which the engine loads the model again, as numbers of the engine."""

from gpustack_draw.request.draw_settings import DrawSettings

_CPU_RNG = 2  # in enum rng_type_t of the engine's header


def load_numbers(settings: DrawSettings) -> dict[str, int]:
    """Return the numbers of a model that draws with some settings; none for the defaults."""
    numbers = {
        "rng": _CPU_RNG if settings.rng == "cpu" else 0,
        "circular_x": int(settings.tile in ("x", "both")),
        "circular_y": int(settings.tile in ("y", "both")),
    }
    return {name: number for name, number in numbers.items() if number}
