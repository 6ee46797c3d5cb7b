"""What the cases share: nodes computed by us and by ggml, references in float64, tolerances.

Shapes are NumPy's: the dimension whose numbers lie side by side is the last, ggml's first.
"""

from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from load_kernels import load_kernels

kernels = load_kernels()

# Without looking for a smaller example: under the sanitizers that takes minutes.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
settings.register_profile("kernels", max_examples=12, deadline=None, phases=PHASES)
settings.load_profile("kernels")

each_level = pytest.mark.parametrize("level", kernels.levels())

BLOCKS = {"q8_0": 32, "q4_0": 32, "q4_1": 32, "q5_0": 32, "q5_1": 32}
BLOCKS |= {"iq4_nl": 32}  # which ggml unpacks
BLOCKS |= {"q2_K": 256, "q3_K": 256, "q4_K": 256, "q5_K": 256, "q6_K": 256}
U32 = 2.0**-24  # what a sum or product in f32 may be off, relative
PLAIN = {"f32": np.dtype(np.float32), "f16": np.dtype(np.float16), "bf16": np.dtype(np.uint16)}

# 1, primes, multiples of all tiles (6, 8, 16, 32) and their neighbours.
SIZES = (1, 2, 3, 5, 7, 8, 9, 13, 15, 16, 17, 31, 32, 33, 47, 48, 49, 63, 64, 65, 97)
sizes = st.sampled_from(SIZES)
seeds = st.integers(0, 2**32 - 1)
threads = st.integers(1, 3)


class Tensor:
    """Memory that ggml reads, and the numbers that it stands for, in float64."""

    def __init__(self, memory: np.ndarray, kind: str = "f32"):
        self.memory = memory
        self.kind = kind

    @property
    def numbers(self) -> np.ndarray:
        if self.kind == "bf16":
            return (self.memory.astype(np.uint32) << 16).view(np.float32).astype(np.float64)
        if self.kind in PLAIN:
            return self.memory.astype(np.float64)
        return kernels.dequantise(np.ascontiguousarray(self.memory), self.kind).astype(np.float64)


def store(numbers: np.ndarray, kind: str) -> Tensor:
    """Store numbers in a type of ggml's, with ggml's own rounding."""
    if kind == "f32":
        return Tensor(numbers.astype(np.float32))
    memory = kernels.quantise(numbers.astype(np.float32), kind)
    return Tensor(memory.view(PLAIN.get(kind, np.uint8)), kind)


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def sparse(seed: int, *shape: int) -> np.ndarray:
    """Small whole numbers, most of them 0: one product too few or too many shows in the sum."""
    rng = np.random.default_rng(seed)
    numbers = rng.integers(-4, 5, shape) * (rng.random(shape) < 0.3)
    return numbers.astype(np.float32)


def with_gaps(seed: int, shape: tuple[int, ...], step: tuple[int, ...]) -> np.ndarray:
    """A view of every or every second number, row and plane of an array, by each axis's step."""
    whole = normal(seed, *(n * s for n, s in zip(shape, step)))
    return whole[tuple(slice(None, None, s) for s in step)]


def _given(sources: tuple[Tensor | np.ndarray, ...]) -> list[tuple[np.ndarray, str]]:
    tensors = [x if isinstance(x, Tensor) else Tensor(x) for x in sources]
    return [(tensor.memory, tensor.kind) for tensor in tensors]


def takes(operation: str, *sources: Tensor | np.ndarray, numbers: Any = ()) -> bool:
    return kernels.takes(operation, _given(sources), list(numbers))


def compute(
    where: str,
    operation: str,
    *sources: Tensor | np.ndarray,
    numbers: Any = (),
    threads: int = 2,
    over: int = -1,
    cancelled: bool = False,
) -> np.ndarray:
    """Compute a node; `over`: the source whose memory the result takes."""
    return kernels.compute(
        where, operation, _given(sources), list(numbers), threads, over, cancelled
    )


def ours(level: str, operation: str, *sources: Tensor | np.ndarray, **options: Any) -> np.ndarray:
    """Compute a node that our kernels must take."""
    assert takes(operation, *sources, numbers=options.get("numbers", ()))
    return compute(level, operation, *sources, **options)


def as_read(level: str, numbers: np.ndarray) -> np.ndarray:
    """Give numbers as a product of this level reads them: rounded to bf16, or as they are."""
    if "bf16" not in level:
        return numbers
    return store(numbers, "bf16").numbers


def assert_near(found: np.ndarray, wanted: np.ndarray, bound: Any) -> None:
    assert found.shape[-wanted.ndim :] == wanted.shape
    found = found.reshape(wanted.shape).astype(np.float64)
    excess = np.abs(found - wanted) - bound
    worst = np.unravel_index(np.nanargmax(excess), excess.shape)
    assert np.isfinite(found).all(), f"{np.argwhere(~np.isfinite(found))[:4]} is not finite"
    assert excess[worst] <= 0, f"{worst}: {found[worst]} instead of {wanted[worst]}"


def assert_same_kind(found: np.ndarray, wanted: np.ndarray) -> None:
    """NaN where NaN is wanted, infinities alike, numbers elsewhere."""
    np.testing.assert_array_equal(np.isnan(found), np.isnan(wanted))
    np.testing.assert_array_equal(np.isposinf(found), np.isposinf(wanted))
    np.testing.assert_array_equal(np.isneginf(found), np.isneginf(wanted))
