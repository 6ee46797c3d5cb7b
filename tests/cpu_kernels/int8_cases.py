"""MUL_MAT of quantized weights in int8: inputs are rounded to 8 bits, 32 numbers at a time."""

import numpy as np
import pytest
from compare import (
    BLOCKS,
    U32,
    Tensor,
    assert_near,
    compute,
    compute_supported,
    each_target,
    kernels,
    normal,
    seeds,
    store,
    threads,
)
from hypothesis import given
from hypothesis import strategies as st

each_int8_target = pytest.mark.parametrize("target", kernels.int8_targets())
DTYPES = ("q8_0", "q4_0", "q4_1", "q5_0", "q5_1", "q4_K", "q5_K", "q6_K")
each_dtype = pytest.mark.parametrize("dtype", DTYPES)
side = st.one_of(st.sampled_from((8, 11, 16, 17, 31, 33, 48, 49, 97)), st.integers(8, 200))
TURNED = (0, 1, 3, 2)


def rounded(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return inputs as rounded to 8 bits, and the scale of each number, in float64."""
    blocks = x.reshape(*x.shape[:-1], -1, 32)
    size = np.abs(blocks).max(axis=-1, keepdims=True)
    is_zero = size < 1e-30
    scale = np.where(is_zero, 0, size / np.float32(127)).astype(np.float64)
    inverse = np.where(is_zero, np.float32(0), np.float32(127) / np.where(is_zero, 1, size))
    integers = np.rint(blocks * inverse.astype(np.float32)).astype(np.float64)
    scales = np.broadcast_to(scale, blocks.shape).reshape(x.shape)
    return (integers * scale).reshape(x.shape), scales


def check(target: str, weights: Tensor, x: np.ndarray, threads: int = 2) -> None:
    found = compute_supported(target, "mul_mat", weights, x, threads=threads)
    w = weights.numbers
    for axis in (0, 1):
        w = np.repeat(w, x.shape[axis] // w.shape[axis], axis)
    read_x, scales = rounded(x)
    # A weight is a product plus an offset, neither larger than twice the largest of its block.
    blocks = np.abs(w).reshape(*w.shape[:-1], -1, 32)
    parts = (blocks + 2 * blocks.max(axis=-1, keepdims=True)).reshape(w.shape)
    near = (x.shape[-1] / 32 * 2 + 8) * U32 * (np.abs(read_x) @ parts.transpose(TURNED))
    assert_near(found, read_x @ w.transpose(TURNED), near)
    # Rounding changes an input by up to half its scale.
    rounding = 0.501 * scales @ np.abs(w).transpose(TURNED)
    assert_near(found, x.astype(np.float64) @ w.transpose(TURNED), near + rounding)


@each_int8_target
@each_dtype
@given(data=st.data(), rows=st.one_of(st.integers(2, 9), side), columns=side, seed=seeds, n=threads)
def test_shapes(
    target: str, dtype: str, data: st.DataObject, rows: int, columns: int, seed: int, n: int
) -> None:
    """The result is that of the rounded inputs, exact but for the additions in f32."""
    block = BLOCKS[dtype]
    depth = data.draw(st.integers(1, 2400 // block).map(block.__mul__))
    planes = data.draw(st.tuples(st.integers(1, 2), st.integers(1, 2)))
    times = data.draw(st.tuples(st.integers(1, 2), st.integers(1, 2)))
    weights = store(normal(seed, *planes, columns, depth), dtype)
    check(
        target,
        weights,
        normal(seed + 1, planes[0] * times[0], planes[1] * times[1], rows, depth),
        n,
    )


@each_int8_target
@each_dtype
def test_each_number_of_a_block(target: str, dtype: str) -> None:
    """Use very different scales; each output is a single number."""
    scales = np.exp(2 * normal(1, 1, 1, 24, 512 // 16)).repeat(16, axis=-1)
    weights = store(scales * normal(2, 1, 1, 24, 512), dtype)
    check(target, weights, np.eye(512, dtype=np.float32)[None, None])
    check(target, weights, -3 * np.eye(512, dtype=np.float32)[None, None])


@each_int8_target
@each_dtype
def test_sums_do_not_overflow(target: str, dtype: str) -> None:
    """Weights and inputs are the largest of their formats, with equal and with mixed signs."""
    for seed in range(3):
        signs = np.sign(normal(seed, 1, 1, 32, 512)) if seed else np.ones((1, 1, 32, 512))
        check(target, store(signs, dtype), np.sign(normal(7, 1, 1, 9, 512)))
        check(target, store(signs, dtype), np.ones((1, 1, 9, 512), np.float32))
        check(target, store(-signs, dtype), np.ones((1, 1, 9, 512), np.float32))


@each_int8_target
def test_each_byte_of_q8_0(target: str) -> None:
    """-128 is valid, although no quantizer writes it."""
    blocks = np.zeros((1, 1, 8, 34), np.uint8)
    blocks[..., 1] = 0x3C  # scale 1
    blocks[..., 2:] = np.arange(256, dtype=np.uint8).reshape(8, 32)
    x = np.concatenate([np.eye(32), np.ones((2, 32)) * [[1], [-1]]]).astype(np.float32)
    check(target, Tensor(blocks, "q8_0"), x[None, None])


@each_int8_target
@each_dtype
def test_strided_rows(target: str, dtype: str) -> None:
    view = Tensor(store(normal(1, 2, 3, 40, 512), dtype).memory[:, :, ::3], dtype)
    check(target, view, normal(2, 2, 19, 3, 512).transpose(0, 2, 1, 3))
    check(target, view, normal(3, 2, 3, 19, 700)[..., 100:612])


@each_int8_target
@pytest.mark.parametrize("dtype", ["q8_0", "q4_K", "q6_K"])
def test_many_blocks(target: str, dtype: str) -> None:
    weights, x = store(normal(1, 1, 1, 389, 1280), dtype), normal(2, 1, 1, 307, 1280)
    check(target, weights, x, threads=3)
    one, *others = (compute(target, "mul_mat", weights, x, threads=n) for n in (1, 2, 3, 8))
    for other in others:
        np.testing.assert_array_equal(other, one)


@each_int8_target
def test_inputs_that_are_packed_in_several_passes(target: str) -> None:
    """At most 32 MiB are packed at a time, which changes no number."""
    weights, x = store(normal(1, 1, 1, 8, 4096), "q8_0"), normal(2, 2, 1, 4200, 4096)
    halves = [compute(target, "mul_mat", weights, half) for half in np.split(x, 2, axis=2)]
    assert x.size * 9 / 8 > 2**25
    np.testing.assert_array_equal(
        compute(target, "mul_mat", weights, x), np.concatenate(halves, axis=-2)
    )


@each_int8_target
@each_dtype
def test_near_ggml(target: str, dtype: str) -> None:
    """ggml rounds inputs as well, those of K-quants 256 at a time."""
    weights, x = store(normal(1, 1, 1, 48, 1024), dtype), normal(2, 1, 1, 40, 1024)
    plain = compute("ggml", "mul_mat", weights, x)
    assert_near(compute(target, "mul_mat", weights, x), plain, 0.02 * np.abs(plain).max())


@each_int8_target
@each_dtype
def test_zeros_and_extreme_sizes(target: str, dtype: str) -> None:
    """Blocks of zeros are exact, as are signed ones; others have sizes from 1e-38 to 1e30."""
    x = normal(2, 1, 1, 12, 512)
    x[0, 0, 1], x[0, 0, 2, 32:64], x[0, 0, 3] = 0, 0, -0.0
    x[0, 0, 4] *= 1e-38
    x[0, 0, 5] *= 1e-25
    x[0, 0, 6] *= 1e30
    x[0, 0, 7, :32] *= 1e10
    weights = store(normal(1, 1, 1, 33, 512), dtype)
    check(target, weights, np.delete(x, 4, axis=2))
    found = compute(target, "mul_mat", weights, x).squeeze()
    np.testing.assert_array_equal(found[[1, 3, 4]], 0)


@each_int8_target
@each_dtype
@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity(target: str, dtype: str, number: float) -> None:
    """All products of an input with NaN or infinity are NaN; nothing happens to other inputs.

    Those of ggml's code are infinite or NaN as well, except that it may drop NaN.
    """
    weights, x = store(normal(1, 1, 1, 33, 512), dtype), normal(2, 1, 1, 21, 512)
    plain = compute(target, "mul_mat", weights, x).squeeze()
    x[0, 0, 9, 77] = x[0, 0, 20, 511] = number
    found = compute(target, "mul_mat", weights, x).squeeze()
    assert np.isnan(found[[9, 20]]).all()
    others = [i for i in range(21) if i not in (9, 20)]
    np.testing.assert_array_equal(found[others], plain[others])
    if np.isinf(number):
        assert not np.isfinite(compute("ggml", "mul_mat", weights, x).squeeze()[[9, 20]]).any()


@each_int8_target
@pytest.mark.parametrize("dtype", ["f32", "f16", "bf16", "q2_K", "q3_K", "iq4_nl"])
def test_other_formats_are_multiplied_as_numbers(target: str, dtype: str) -> None:
    weights, x = store(normal(1, 1, 1, 48, 512), dtype), normal(2, 1, 1, 80, 512)
    found = compute_supported(target, "mul_mat", weights, x)
    np.testing.assert_array_equal(found, compute("avx2", "mul_mat", weights, x))


@each_target
def test_targets_alone_multiply_as_numbers(target: str) -> None:
    """int8 has to be asked for."""
    weights, x = store(normal(1, 1, 1, 48, 512), "q8_0"), normal(2, 1, 1, 80, 512)
    found = compute(target, "mul_mat", weights, x).squeeze()
    expected = (x.astype(np.float64) @ weights.numbers.transpose(TURNED)).squeeze()
    near = 0.02 if "bf16" in target else 1e-5
    np.testing.assert_allclose(found, expected, rtol=0, atol=near * np.abs(expected).max())
