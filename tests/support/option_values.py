"""Values of sampling options, for tests of all of them."""

from typing import Any

from gpustack_draw.request.option_types import NumberOption
from gpustack_draw.request.options import SamplingOption

_VALUES: dict[str, tuple[Any, ...]] = {
    "sigmas": ((1.0, 0.0), (14.6, 0.25, 1e-05, 0.0)),
    "skip_layers": ((0,), (7, 8, 9)),
    "cache": ("spectrum", "easycache:threshold=0.1"),
    "rng": ("cuda", "cpu"),
    "tile": ("x", "both"),
    "slg_scale": (0.5, 100.0),  # 0 switches off what a picture does not hold then
}


def option_values(option: SamplingOption) -> tuple[Any, ...]:
    """Return values that an option takes: usually the smallest and the largest number."""
    if option.name not in _VALUES:
        assert isinstance(option, NumberOption)
        return option.minimum, option.maximum
    return _VALUES[option.name]
