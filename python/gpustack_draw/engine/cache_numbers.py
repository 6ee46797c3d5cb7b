"""The step cache of a drawing as numbers of the engine."""

from gpustack_draw.request.step_cache import SPECTRUM, cache_parts

_MODES = {"easycache": 1, "ucache": 2, "dbcache": 3, "spectrum": 6}  # in enum sd_cache_mode_t

# Spectrum mixes two predictions. The one by Chebyshev polynomials is a ridge regression that also
# shrinks the mean towards 0. Without it, the difference to a drawing without a cache is a fifth of
# that with the engine's default of 0.4, or less (benchmarks/step_caches.py).
_SPECTRUM = {"cache_chebyshev_share": 0.0}


def cache_numbers(cache: str | None) -> dict[str, float]:
    """Return the numbers for a step cache; none for no cache.

    Args:
        cache: One of ``gpustack_draw.request.step_cache.STEP_CACHES``, with its threshold.
    """
    if cache is None:
        return {}
    mode, threshold = cache_parts(cache)
    numbers: dict[str, float] = {"cache_mode": _MODES[mode]}
    if mode == SPECTRUM:
        numbers |= _SPECTRUM
    if threshold is not None:
        is_residual = mode == "dbcache"
        numbers["cache_residual_threshold" if is_residual else "cache_reuse_threshold"] = threshold
    return numbers
