"""MUL_MAT: output[..., row, column] = sum of input[..., row, :] * weights[..., column, :]."""

import numpy as np
import pytest
from compare import (
    BLOCKS,
    U32,
    Tensor,
    as_read,
    assert_near,
    assert_same_class,
    compute,
    compute_supported,
    each_target,
    normal,
    seeds,
    store,
    supports,
    threads,
)
from hypothesis import given
from hypothesis import strategies as st

DTYPES = ("f32", "f16", "bf16", *BLOCKS)
side = st.one_of(st.sampled_from((8, 11, 13, 16, 17, 31, 33, 48, 49, 97)), st.integers(8, 200))


def repeated(weights: np.ndarray, planes: np.ndarray) -> np.ndarray:
    """Repeat each plane of weights for several planes of the input, as ggml broadcasts them."""
    for axis in (0, 1):
        weights = np.repeat(weights, planes.shape[axis] // weights.shape[axis], axis)
    return weights


def check(target: str, weights: Tensor, x: np.ndarray, threads: int = 2) -> None:
    found = compute_supported(target, "mul_mat", weights, x, threads=threads)
    depth = x.shape[-1]
    w = repeated(weights.numbers, x)
    read_w, read_x = as_read(target, w), as_read(target, x.astype(np.float64))
    turned = (0, 1, 3, 2)
    expected = read_x @ read_w.transpose(turned)
    size = np.abs(read_x) @ np.abs(read_w).transpose(turned)
    assert_near(found, expected, (depth + 2) * U32 * size)
    # ggml rounds the input to 8 bits where the weights are quantized.
    plain = compute("ggml", "mul_mat", weights, x)
    assert_near(found, plain, (0.03 if weights.dtype in BLOCKS else 0.01) * size.max())


@each_target
@pytest.mark.parametrize("dtype", DTYPES)
@given(data=st.data(), rows=side, columns=side, seed=seeds, threads=threads)
def test_shapes(
    target: str, dtype: str, data: st.DataObject, rows: int, columns: int, seed: int, threads: int
) -> None:
    block = BLOCKS.get(dtype)
    depth = data.draw(
        st.integers(8, 600) if block is None else st.integers(1, 600 // block).map(block.__mul__)
    )
    planes = data.draw(st.tuples(st.integers(1, 2), st.integers(1, 2)))
    times = data.draw(st.tuples(st.integers(1, 2), st.integers(1, 2)))
    weights = store(normal(seed, *planes, columns, depth), dtype)
    x = normal(seed + 1, planes[0] * times[0], planes[1] * times[1], rows, depth)
    check(target, weights, x, threads)


@each_target
@pytest.mark.parametrize("dtype", BLOCKS)
def test_each_number_of_a_quantized_block(target: str, dtype: str) -> None:
    """Use very different scales; each output is a single number."""
    scales = np.exp(2 * normal(1, 1, 1, 24, 512 // 16)).repeat(16, axis=-1)
    weights = store(scales * normal(2, 1, 1, 24, 512), dtype)
    check(target, weights, np.eye(512, dtype=np.float32)[None, None])


@each_target
@pytest.mark.parametrize("dtype", ["f32", "f16", "bf16", "q8_0", "q4_K"])
def test_few_inputs(target: str, dtype: str) -> None:
    """Skinny GEMM: partial register tiles, and k of several kc."""
    for rows, columns in ((2, 8), (5, 47), (15, 12), (16, 97), (17, 13), (63, 31), (64, 64)):
        for depth in (256, 512, 1024, 2560) if dtype in BLOCKS else (9, 517, 1023, 1025, 2100):
            check(
                target, store(normal(1, 1, 1, columns, depth), dtype), normal(2, 1, 1, rows, depth)
            )


@each_target
@pytest.mark.parametrize("dtype", ["f16", "q8_0"])
def test_few_inputs_of_large_k(target: str, dtype: str) -> None:
    """max_skinny_columns grows with k on some targets."""
    for rows in (31, 33, 40, 64):
        check(target, store(normal(1, 1, 1, 13, 4608), dtype), normal(2, 1, 1, rows, 4608))


@each_target
def test_few_columns_in_the_last_tile(target: str) -> None:
    for rows in (65, 70, 77, 97):
        for columns in (8, 9, 16, 17, 24, 33, 40, 48, 49):
            check(target, store(normal(1, 1, 1, columns, 300), "f16"), normal(2, 1, 1, rows, 300))


@each_target
@pytest.mark.parametrize("dtype", DTYPES)
def test_strided_rows(target: str, dtype: str) -> None:
    weights = store(normal(1, 2, 3, 40, 512), dtype)
    view = Tensor(weights.memory[:, :, ::3], dtype)
    heads = normal(2, 2, 19, 3, 512).transpose(0, 2, 1, 3)  # planes are interleaved heads
    check(target, view, heads)
    part = normal(3, 2, 3, 19, 700)[..., 100:612]
    check(target, view, part)


@each_target
def test_many_blocks(target: str) -> None:
    check(target, store(normal(1, 1, 1, 389, 1031), "f16"), normal(2, 1, 1, 307, 1031), threads=3)


@each_target
@pytest.mark.parametrize("dtype", ["f32", "q4_K"])
def test_threads_change_nothing(target: str, dtype: str) -> None:
    weights, x = store(normal(1, 1, 1, 300, 768), dtype), normal(2, 1, 2, 259, 768)
    one, *others = (
        compute_supported(target, "mul_mat", weights, x, threads=n) for n in (1, 2, 3, 8)
    )
    for other in others:
        np.testing.assert_array_equal(other, one)


@each_target
@pytest.mark.parametrize(("rows", "columns", "depth"), [(1, 64, 64), (64, 7, 64), (64, 64, 7)])
def test_small_gemms_are_left_to_ggml(target: str, rows: int, columns: int, depth: int) -> None:
    weights, x = normal(1, columns, depth), normal(2, rows, depth)
    assert not supports("mul_mat", weights, x)
    np.testing.assert_array_equal(
        compute(target, "mul_mat", weights, x), compute("ggml", "mul_mat", weights, x)
    )


def test_transposed_operands_are_left_to_ggml() -> None:
    assert not supports("mul_mat", normal(1, 40, 32), normal(2, 32, 24).T)


@each_target
@pytest.mark.parametrize("dtype", ["f32", "f16", "bf16"])
@pytest.mark.parametrize("depth", [64, 67])
def test_nan_and_infinity(target: str, dtype: str, depth: int) -> None:
    weights, x = normal(1, 33, depth), normal(2, 21, depth)
    weights[3, 5], weights[32, depth - 1], weights[7, 9] = np.nan, np.inf, -np.inf
    x[0, 9], x[11, depth - 1], x[20, 2] = 0, np.nan, np.inf
    found = compute_supported(target, "mul_mat", store(weights, dtype), x)
    assert_same_class(found, compute("ggml", "mul_mat", store(weights, dtype), x))


@each_target
def test_numbers_beyond_f16(target: str) -> None:
    check(target, store(normal(1, 1, 1, 32, 64) * 1e30, "bf16"), normal(2, 1, 1, 16, 64) * 1e5)
    check(target, Tensor(normal(1, 1, 1, 32, 64) * 1e-20), normal(2, 1, 1, 16, 64) * 1e-12)
