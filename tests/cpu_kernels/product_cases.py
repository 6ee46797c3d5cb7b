"""MUL_MAT: output[..., row, column] = sum of input[..., row, :] * weights[..., column, :]."""

import numpy as np
import pytest
from compare import (
    BLOCKS,
    U32,
    Tensor,
    as_read,
    assert_near,
    assert_same_kind,
    compute,
    each_level,
    normal,
    ours,
    seeds,
    store,
    takes,
    threads,
)
from hypothesis import given
from hypothesis import strategies as st

KINDS = ("f32", "f16", "bf16", *BLOCKS)
side = st.one_of(st.sampled_from((8, 11, 13, 16, 17, 31, 33, 48, 49, 97)), st.integers(8, 200))


def repeated(weights: np.ndarray, planes: np.ndarray) -> np.ndarray:
    """Each plane of the weights for several neighbours of the input, as ggml has it."""
    for axis in (0, 1):
        weights = np.repeat(weights, planes.shape[axis] // weights.shape[axis], axis)
    return weights


def check(level: str, weights: Tensor, x: np.ndarray, threads: int = 2) -> None:
    found = ours(level, "mul_mat", weights, x, threads=threads)
    depth = x.shape[-1]
    w = repeated(weights.numbers, x)
    read_w, read_x = as_read(level, w), as_read(level, x.astype(np.float64))
    turned = (0, 1, 3, 2)
    wanted = read_x @ read_w.transpose(turned)
    size = np.abs(read_x) @ np.abs(read_w).transpose(turned)
    assert_near(found, wanted, (depth + 2) * U32 * size)
    # ggml rounds the input to 8 bits where the weights are quantised.
    plain = compute("ggml", "mul_mat", weights, x)
    assert_near(found, plain, (0.03 if weights.kind in BLOCKS else 0.01) * size.max())


@each_level
@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data(), rows=side, columns=side, seed=seeds, threads=threads)
def test_shapes(
    level: str, kind: str, data: st.DataObject, rows: int, columns: int, seed: int, threads: int
) -> None:
    block = BLOCKS.get(kind)
    depth = data.draw(
        st.integers(8, 600) if block is None else st.integers(1, 600 // block).map(block.__mul__)
    )
    planes = data.draw(st.tuples(st.integers(1, 2), st.integers(1, 2)))
    times = data.draw(st.tuples(st.integers(1, 2), st.integers(1, 2)))
    weights = store(normal(seed, *planes, columns, depth), kind)
    x = normal(seed + 1, planes[0] * times[0], planes[1] * times[1], rows, depth)
    check(level, weights, x, threads)


@each_level
@pytest.mark.parametrize("kind", BLOCKS)
def test_each_number_of_a_quantised_block(level: str, kind: str) -> None:
    """Scales of 16 numbers that differ by far; each output is one number."""
    scales = np.exp(2 * normal(1, 1, 1, 24, 512 // 16)).repeat(16, axis=-1)
    weights = store(scales * normal(2, 1, 1, 24, 512), kind)
    check(level, weights, np.eye(512, dtype=np.float32)[None, None])


@each_level
@pytest.mark.parametrize("kind", ["f32", "f16", "bf16", "q8_0", "q4_K"])
def test_few_inputs(level: str, kind: str) -> None:
    """Weights are read as they lie: what fills no register, a depth of some chunks."""
    for rows, columns in ((2, 8), (5, 47), (15, 12), (16, 97), (17, 13), (63, 31), (64, 64)):
        for depth in (256, 512, 1024, 2560) if kind in BLOCKS else (9, 517, 1023, 1025, 2100):
            check(level, store(normal(1, 1, 1, columns, depth), kind), normal(2, 1, 1, rows, depth))


@each_level
@pytest.mark.parametrize("kind", ["f16", "q8_0"])
def test_some_inputs_of_great_depth(level: str, kind: str) -> None:
    """The deeper, the more inputs count as few."""
    for rows in (31, 33, 40, 64):
        check(level, store(normal(1, 1, 1, 13, 4608), kind), normal(2, 1, 1, rows, 4608))


@each_level
def test_few_columns_in_the_last_tile(level: str) -> None:
    for rows in (65, 70, 77, 97):
        for columns in (8, 9, 16, 17, 24, 33, 40, 48, 49):
            check(level, store(normal(1, 1, 1, columns, 300), "f16"), normal(2, 1, 1, rows, 300))


@each_level
@pytest.mark.parametrize("kind", KINDS)
def test_rows_that_lie_apart(level: str, kind: str) -> None:
    weights = store(normal(1, 2, 3, 40, 512), kind)
    view = Tensor(weights.memory[:, :, ::3], kind)
    heads = normal(2, 2, 19, 3, 512).transpose(0, 2, 1, 3)  # planes are heads, side by side
    check(level, view, heads)
    part = normal(3, 2, 3, 19, 700)[..., 100:612]
    check(level, view, part)


@each_level
def test_many_blocks(level: str) -> None:
    check(level, store(normal(1, 1, 1, 389, 1031), "f16"), normal(2, 1, 1, 307, 1031), threads=3)


@each_level
@pytest.mark.parametrize("kind", ["f32", "q4_K"])
def test_threads_change_nothing(level: str, kind: str) -> None:
    weights, x = store(normal(1, 1, 1, 300, 768), kind), normal(2, 1, 2, 259, 768)
    one, *others = (ours(level, "mul_mat", weights, x, threads=n) for n in (1, 2, 3, 8))
    for other in others:
        np.testing.assert_array_equal(other, one)


@each_level
@pytest.mark.parametrize(("rows", "columns", "depth"), [(1, 64, 64), (64, 7, 64), (64, 64, 7)])
def test_small_products_are_left_to_ggml(level: str, rows: int, columns: int, depth: int) -> None:
    weights, x = normal(1, columns, depth), normal(2, rows, depth)
    assert not takes("mul_mat", weights, x)
    np.testing.assert_array_equal(
        compute(level, "mul_mat", weights, x), compute("ggml", "mul_mat", weights, x)
    )


def test_what_is_turned_is_left_to_ggml() -> None:
    assert not takes("mul_mat", normal(1, 40, 32), normal(2, 32, 24).T)


@each_level
@pytest.mark.parametrize("kind", ["f32", "f16", "bf16"])
@pytest.mark.parametrize("depth", [64, 67])
def test_nan_and_infinity(level: str, kind: str, depth: int) -> None:
    weights, x = normal(1, 33, depth), normal(2, 21, depth)
    weights[3, 5], weights[32, depth - 1], weights[7, 9] = np.nan, np.inf, -np.inf
    x[0, 9], x[11, depth - 1], x[20, 2] = 0, np.nan, np.inf
    found = ours(level, "mul_mat", store(weights, kind), x)
    assert_same_kind(found, compute("ggml", "mul_mat", store(weights, kind), x))


@each_level
def test_numbers_beyond_f16(level: str) -> None:
    check(level, store(normal(1, 1, 1, 32, 64) * 1e30, "bf16"), normal(2, 1, 1, 16, 64) * 1e5)
    check(level, Tensor(normal(1, 1, 1, 32, 64) * 1e-20), normal(2, 1, 1, 16, 64) * 1e-12)
