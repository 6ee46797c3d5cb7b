"""MUL_MAT by Strassen's algorithm, which a target uses from thousands of numbers on.

The targets "strassen_..." use it for all sizes that it takes.
"""

import numpy as np
import pytest
from compare import (
    IS_EMULATED,
    U32,
    Tensor,
    assert_near,
    compute_supported,
    kernels,
    normal,
    seeds,
    sparse,
    store,
    threads,
)
from hypothesis import given
from hypothesis import strategies as st

TARGETS = kernels.strassen_targets()
each_strassen_target = pytest.mark.parametrize("target", TARGETS)
each_dtype = pytest.mark.parametrize("dtype", ["f32", "f16", "bf16"])

# Register tiles have 6 rows, blocks up to 144; packed panels have 256 numbers of each half of k.
rows = st.one_of(st.sampled_from((65, 66, 71, 72, 73, 143, 144, 145, 289)), st.integers(65, 300))
columns = st.integers(1, 6).map((32).__mul__)
depths = st.one_of(st.sampled_from((32, 512, 544, 1056)), st.integers(1, 20).map((32).__mul__))


def product(target: str, weights: Tensor, x: np.ndarray, threads: int = 2) -> np.ndarray:
    found = compute_supported(target, "mul_mat", weights, x, threads=threads)
    return found.reshape(len(x), -1)


def halves_added(numbers: np.ndarray, half_rows: int) -> np.ndarray:
    """Return the sum of the four quadrants of a matrix; the lower half repeats the last row."""
    padded = np.pad(numbers, ((0, 2 * half_rows - len(numbers)), (0, 0)), mode="edge")
    upper, lower = np.split(padded, 2)
    return sum(part for half in (upper, lower) for part in np.split(half, 2, axis=1))


def bound(weights: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return how far results may be off: four products of sums of quadrants are added."""
    half_rows = -(-len(x) // 12) * 6
    size = halves_added(np.abs(x), half_rows) @ halves_added(np.abs(weights), len(weights) // 2).T
    return (x.shape[1] / 2 + 8) * U32 * 4 * np.tile(size, (2, 2))[: len(x)]


@each_strassen_target
@each_dtype
@given(rows=rows, columns=columns, depth=depths, seed=seeds, threads=threads)
def test_integers_are_exact(
    target: str, dtype: str, rows: int, columns: int, depth: int, seed: int, threads: int
) -> None:
    weights, x = sparse(seed, columns, depth), sparse(seed + 1, rows, depth)
    found = product(target, store(weights, dtype), x, threads)
    np.testing.assert_array_equal(found, x @ weights.T)


@each_strassen_target
@each_dtype
@given(rows=rows, columns=columns, depth=depths, seed=seeds, threads=threads)
def test_numbers_are_near(
    target: str, dtype: str, rows: int, columns: int, depth: int, seed: int, threads: int
) -> None:
    weights, x = store(normal(seed, columns, depth), dtype), normal(seed + 1, rows, depth)
    found = product(target, weights, x, threads)
    expected = x.astype(np.float64) @ weights.numbers.T
    assert_near(found, expected, bound(weights.numbers, x))


@each_strassen_target
def test_errors_are_at_most_three_times_those_of_plain_products(target: str) -> None:
    weights, x = store(normal(1, 64, 2048), "f16"), normal(2, 100, 2048)
    expected = x.astype(np.float64) @ weights.numbers.T
    ours, plain = (
        np.sqrt(np.mean((product(name, weights, x) - expected) ** 2))
        for name in (target, target.removeprefix("strassen_"))
    )
    assert plain < ours < 3 * plain


@each_strassen_target
def test_strided_rows(target: str) -> None:
    weights = store(sparse(1, 192, 512), "f16")
    x = sparse(2, 200, 700)[::2, 100:612]
    found = product(target, Tensor(weights.memory[::3], "f16"), x)
    np.testing.assert_array_equal(found, x @ weights.numbers[::3].T)


if not IS_EMULATED:  # which takes minutes

    @each_strassen_target
    def test_rows_of_several_passes(target: str) -> None:
        """The packed rows of A exceed the limit of strassen_gemm.cpp."""
        weights, x = sparse(1, 32, 6208), sparse(2, 1103, 6208)
        np.testing.assert_array_equal(product(target, Tensor(weights), x), x @ weights.T)


@each_strassen_target
def test_threads_change_nothing(target: str) -> None:
    weights, x = store(normal(1, 448, 768), "f16"), normal(2, 331, 768)
    one, *others = (product(target, weights, x, threads=n) for n in (1, 2, 3, 8))
    for other in others:
        np.testing.assert_array_equal(other, one)


@each_strassen_target
@pytest.mark.parametrize(
    ("rows", "columns", "depth", "dtype"),
    [(99, 80, 64, "f32"), (99, 64, 80, "f32"), (99, 64, 64, "q8_0"), (64, 64, 64, "f32")],
)
def test_other_sizes_and_types_are_multiplied_plainly(
    target: str, rows: int, columns: int, depth: int, dtype: str
) -> None:
    weights, x = store(normal(1, columns, depth), dtype), normal(2, rows, depth)
    plain = product(target.removeprefix("strassen_"), weights, x)
    np.testing.assert_array_equal(product(target, weights, x), plain)


@each_strassen_target
def test_nan_stays(target: str) -> None:
    weights, x = normal(1, 64, 64), normal(2, 99, 64)
    x[70, 5] = np.nan
    assert np.isnan(product(target, Tensor(weights), x)[70]).all()


if "strassen_avx2" in TARGETS:

    def test_large_products_use_it() -> None:
        """Products use it from the sizes on that are stated in target.cpp."""
        weights = store(normal(1, 1024, 1024), "f16")
        for rows, is_used in ((767, False), (768, True)):
            x = normal(2, rows, 1024)
            same = np.array_equal(product("avx2", weights, x), product("strassen_avx2", weights, x))
            assert same == is_used
