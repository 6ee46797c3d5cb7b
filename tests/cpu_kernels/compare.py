"""Helpers of the cases: computing nodes with a target or ggml, test data and tolerances.

Shapes are NumPy's: the contiguous dimension is the last one; in ggml it is the first.
"""

import os
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from load_kernels import load_kernels

kernels = load_kernels()

# No shrinking: it takes minutes under the sanitizers.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
IS_EMULATED = "GPUSTACK_DRAW_EMULATOR" in os.environ  # a hundred times slower
settings.register_profile(
    "kernels", max_examples=4 if IS_EMULATED else 12, deadline=None, phases=PHASES
)
settings.load_profile("kernels")

each_target = pytest.mark.parametrize("target", kernels.targets())

BLOCKS = {"q8_0": 32, "q4_0": 32, "q4_1": 32, "q5_0": 32, "q5_1": 32}
BLOCKS |= {"iq4_nl": 32}  # dequantized by ggml
BLOCKS |= {"q2_K": 256, "q3_K": 256, "q4_K": 256, "q5_K": 256, "q6_K": 256}
U32 = 2.0**-24  # relative rounding error of f32
PLAIN = {"f32": np.dtype(np.float32), "f16": np.dtype(np.float16), "bf16": np.dtype(np.uint16)}

# 1, primes, multiples of all register tiles (6, 8, 16, 32) and their neighbors.
SIZES = (1, 2, 3, 5, 7, 8, 9, 13, 15, 16, 17, 31, 32, 33, 47, 48, 49, 63, 64, 65, 97)
sizes = st.sampled_from(SIZES)
seeds = st.integers(0, 2**32 - 1)
threads = st.integers(1, 3)


class Tensor:
    """Memory in a ggml type, and its numbers in float64."""

    def __init__(self, memory: np.ndarray, dtype: str = "f32"):
        self.memory = memory
        self.dtype = dtype

    @property
    def numbers(self) -> np.ndarray:
        if self.dtype == "bf16":
            return (self.memory.astype(np.uint32) << 16).view(np.float32).astype(np.float64)
        if self.dtype in PLAIN:
            return self.memory.astype(np.float64)
        return kernels.dequantize(np.ascontiguousarray(self.memory), self.dtype).astype(np.float64)


def store(numbers: np.ndarray, dtype: str) -> Tensor:
    """Convert numbers to a ggml type, with ggml's rounding."""
    if dtype == "f32":
        return Tensor(numbers.astype(np.float32))
    memory = kernels.quantize(numbers.astype(np.float32), dtype)
    return Tensor(memory.view(PLAIN.get(dtype, np.uint8)), dtype)


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def sparse(seed: int, *shape: int) -> np.ndarray:
    """Return small integers, most of them 0: a missing or extra product changes the sum."""
    rng = np.random.default_rng(seed)
    numbers = rng.integers(-4, 5, shape) * (rng.random(shape) < 0.3)
    return numbers.astype(np.float32)


def with_gaps(seed: int, shape: tuple[int, ...], step: tuple[int, ...]) -> np.ndarray:
    """Return a view with a step along each axis."""
    whole = normal(seed, *(n * s for n, s in zip(shape, step)))
    return whole[tuple(slice(None, None, s) for s in step)]


def _typed_arrays(sources: tuple[Tensor | np.ndarray, ...]) -> list[tuple[np.ndarray, str]]:
    tensors = [x if isinstance(x, Tensor) else Tensor(x) for x in sources]
    return [(tensor.memory, tensor.dtype) for tensor in tensors]


def supports(operation: str, *sources: Tensor | np.ndarray, numbers: Any = ()) -> bool:
    return kernels.supports(operation, _typed_arrays(sources), list(numbers))


def compute(
    where: str,
    operation: str,
    *sources: Tensor | np.ndarray,
    numbers: Any = (),
    threads: int = 2,
    over: int = -1,
    cancelled: bool = False,
) -> np.ndarray:
    """Compute a node with a target or "ggml".

    Args:
        over: Index of the source whose memory the result takes, or -1.
    """
    return kernels.compute(
        where, operation, _typed_arrays(sources), list(numbers), threads, over, cancelled
    )


def compute_supported(
    target: str, operation: str, *sources: Tensor | np.ndarray, **options: Any
) -> np.ndarray:
    """Compute a node that the backend must support."""
    assert supports(operation, *sources, numbers=options.get("numbers", ()))
    return compute(target, operation, *sources, **options)


def as_read(target: str, numbers: np.ndarray) -> np.ndarray:
    """Return numbers as products of a target read them, rounded to bf16 on some."""
    if "bf16" not in target:
        return numbers
    return store(numbers, "bf16").numbers


def assert_near(found: np.ndarray, expected: np.ndarray, bound: Any) -> None:
    assert found.shape[-expected.ndim :] == expected.shape
    found = found.reshape(expected.shape).astype(np.float64)
    excess = np.abs(found - expected) - bound
    worst = np.unravel_index(np.nanargmax(excess), excess.shape)
    assert np.isfinite(found).all(), f"{np.argwhere(~np.isfinite(found))[:4]} is not finite"
    assert excess[worst] <= 0, f"{worst}: {found[worst]} instead of {expected[worst]}"


def assert_same_class(found: np.ndarray, expected: np.ndarray) -> None:
    """Check that NaN and infinities are in the same positions."""
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    np.testing.assert_array_equal(np.isposinf(found), np.isposinf(expected))
    np.testing.assert_array_equal(np.isneginf(found), np.isneginf(expected))
