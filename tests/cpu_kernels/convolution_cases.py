"""CONV_2D: pictures [picture, channel, y, x] by weights [output channel, channel, y, x]."""

import numpy as np
import pytest
from compare import (
    assert_near,
    assert_same_class,
    compute,
    compute_supported,
    each_target,
    kernels,
    normal,
    seeds,
    sparse,
    store,
    supports,
    threads,
)
from hypothesis import given, settings
from hypothesis import strategies as st

Pair = tuple[int, int]  # (x, y)


def reference(w: np.ndarray, x: np.ndarray, stride: Pair, padding: Pair, gap: Pair) -> np.ndarray:
    x = np.pad(x, ((0, 0), (0, 0), (padding[1], padding[1]), (padding[0], padding[0])))
    high, wide = w.shape[2:]
    height = (x.shape[2] - gap[1] * (high - 1) - 1) // stride[1] + 1
    width = (x.shape[3] - gap[0] * (wide - 1) - 1) // stride[0] + 1
    output = np.zeros((x.shape[0], w.shape[0], height, width))
    for i in range(high):
        for j in range(wide):
            rows = slice(i * gap[1], i * gap[1] + (height - 1) * stride[1] + 1, stride[1])
            columns = slice(j * gap[0], j * gap[0] + (width - 1) * stride[0] + 1, stride[0])
            output += np.einsum("oc,ncyx->noyx", w[:, :, i, j], x[:, :, rows, columns])
    return output


def check(
    target: str,
    weights: np.ndarray,
    x: np.ndarray,
    *,
    dtype: str = "f32",
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    gap: Pair = (1, 1),
    threads: int = 2,
) -> None:
    w = store(weights, dtype)
    numbers = (*stride, *padding, *gap)
    found = compute_supported(target, "conv_2d", w, x, numbers=numbers, threads=threads)
    pictures = x.astype(np.float64)
    expected = reference(w.numbers, pictures, stride, padding, gap)
    # Relative to the largest sum of magnitudes: fast convolutions add and subtract neighbors.
    size = reference(np.abs(w.numbers), np.abs(pictures), stride, padding, gap).max() + 1e-30
    assert_near(found, expected, (0.01 if "bf16" in target else 1e-5) * size)
    plain = compute("ggml", "conv_2d", w, x, numbers=numbers)
    assert_near(found, plain, (0.01 if "bf16" in target or dtype == "f16" else 1e-5) * size)


small = st.integers(1, 3)


@each_target
@settings(max_examples=40)
@given(
    kernel=st.tuples(st.sampled_from((1, 2, 3, 5)), st.sampled_from((1, 2, 3, 5))),
    stride=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    padding=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    gap=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    extra=st.tuples(st.integers(0, 40), st.integers(0, 20)),
    channels=st.sampled_from((1, 2, 3, 4, 7, 16, 31)),
    outputs=st.sampled_from((1, 2, 3, 5, 8, 13, 33)),
    pictures=st.integers(1, 4),
    dtype=st.sampled_from(("f32", "f16")),
    seed=seeds,
    threads=threads,
)
def test_shapes(
    target: str,
    kernel: Pair,
    stride: Pair,
    padding: Pair,
    gap: Pair,
    extra: Pair,
    channels: int,
    outputs: int,
    pictures: int,
    dtype: str,
    seed: int,
    threads: int,
) -> None:
    width, height = (
        max(1, gap[i] * (kernel[i] - 1) + 1 - 2 * padding[i]) + extra[i] for i in (0, 1)
    )
    check(
        target,
        sparse(seed, outputs, channels, kernel[1], kernel[0]),
        sparse(seed + 1, pictures, channels, height, width),
        dtype=dtype,
        stride=stride,
        padding=padding,
        gap=gap,
        threads=threads,
    )


@each_target
@settings(max_examples=40)
@given(
    size=st.tuples(st.integers(1, 50), st.integers(1, 30)),
    channels=st.sampled_from((1, 3, 8, 17, 64)),
    outputs=st.sampled_from((1, 4, 8, 9, 40)),
    pictures=st.integers(1, 3),
    dtype=st.sampled_from(("f32", "f16")),
    data=st.sampled_from((normal, sparse)),
    seed=seeds,
    threads=threads,
)
def test_three_by_three(
    target: str,
    size: Pair,
    channels: int,
    outputs: int,
    pictures: int,
    dtype: str,
    data: object,
    seed: int,
    threads: int,
) -> None:
    """The most common convolution: stride 1, output as large as the input."""
    weights = data(seed, outputs, channels, 3, 3)
    pictures_ = data(seed + 1, pictures, channels, size[1], size[0])
    check(target, weights, pictures_, dtype=dtype, padding=(1, 1), threads=threads)


def check_upsampled(
    target: str, weights: np.ndarray, x: np.ndarray, *, times: int = 2, kept: bool = False
) -> None:
    upsampled = np.maximum(x, 0).repeat(times, axis=2).repeat(times, axis=3).astype(np.float64)
    expected = reference(weights, upsampled, (1, 1), (1, 1), (1, 1)) + (upsampled if kept else 0)
    size = reference(np.abs(weights), upsampled, (1, 1), (1, 1), (1, 1)).max() + 1e-30
    for where in (target, "ggml"):
        found = compute(where, "upsampled", weights, x, numbers=(times, kept))
        assert_near(found, expected, (0.01 if "bf16" in where else 1e-5) * size)


@each_target
@settings(max_examples=30)
@given(
    size=st.tuples(st.integers(1, 25), st.integers(1, 15)),
    channels=st.sampled_from((1, 3, 8, 17, 64, 70)),
    outputs=st.sampled_from((1, 4, 9, 40)),
    pictures=st.integers(1, 3),
    data=st.sampled_from((normal, sparse)),
    seed=seeds,
)
def test_fused_upsampling(
    target: str, size: Pair, channels: int, outputs: int, pictures: int, data: object, seed: int
) -> None:
    """With few output channels ggml may place the result over the small picture."""
    weights = data(seed, outputs, channels, 3, 3)
    check_upsampled(target, weights, data(seed + 1, pictures, channels, size[1], size[0]))


@each_target
def test_upsampling_that_cannot_be_fused(target: str) -> None:
    weights, x = sparse(1, 40, 40, 3, 3), sparse(2, 2, 40, 11, 14)
    check_upsampled(target, weights, x, kept=True)
    check_upsampled(target, weights, x, times=3)


@each_target
def test_more_tiles_than_are_transformed_at_once(target: str) -> None:
    weights, x = normal(1, 26, 130, 3, 3), normal(2, 2, 130, 50, 70)
    check(target, weights, x, padding=(1, 1), threads=1)


@each_target
@pytest.mark.parametrize(("channels", "size"), [(40, (8, 40)), (100, (33, 29)), (300, (64, 30))])
@pytest.mark.parametrize("dtype", ["f32", "f16"])
def test_many_pixels(target: str, channels: int, size: Pair, dtype: str) -> None:
    """With AMX these are shifted GEMMs of several strips, row tiles and channel groups."""
    weights, x = normal(1, 70, channels, 3, 3), normal(2, 1, channels, size[1], size[0])
    check(target, weights, x, dtype=dtype, padding=(1, 1), threads=3)


AMX_TARGETS = [target for target in kernels.targets() if "amx" in target]
if AMX_TARGETS:  # on x86-64

    @pytest.mark.parametrize("target", AMX_TARGETS)
    def test_more_weights_than_are_packed_at_once(target: str) -> None:
        weights, x = sparse(1, 60_000, 16, 3, 3), sparse(2, 1, 16, 8, 16)
        check(target, weights, x, dtype="f16", padding=(1, 1))


@each_target
@pytest.mark.parametrize(
    ("kernel", "stride", "size"), [(1, 1, (9, 9)), (3, 2, (19, 17)), (5, 1, (22, 4))]
)
def test_many_output_channels_share_their_patches(
    target: str, kernel: int, stride: int, size: Pair
) -> None:
    weights, x = normal(1, 700, 61, kernel, kernel), normal(2, 2, 61, size[1], size[0])
    border = (kernel // 2, kernel // 2)
    check(target, weights, x, dtype="f16", stride=(stride, stride), padding=border, threads=3)


@each_target
@pytest.mark.parametrize("size", [(1, 1), (2, 2), (3, 1), (4, 4), (5, 3), (8, 8)])
@pytest.mark.parametrize("dtype", ["f32", "f16"])
def test_few_pixels(target: str, size: Pair, dtype: str) -> None:
    """Skinny GEMM, also of Winograd tiles: partial register tiles, and k of several kc."""
    for channels in (9, 120):
        weights, x = normal(1, 53, channels, 3, 3), normal(2, 2, channels, size[1], size[0])
        check(target, weights, x, dtype=dtype, padding=(1, 1), threads=3)


@each_target
@pytest.mark.parametrize("kernel", [1, 3])
def test_strided_channels(target: str, kernel: int) -> None:
    x = normal(1, 2, 60, 9, 13)
    weights = normal(2, 8, 20, kernel, kernel)
    check(target, weights, x[:, ::3], padding=(1, 1))
    check(target, weights, x[:, 5:25], padding=(1, 1))
    check(target, weights, x[1:, :20], padding=(1, 1))


@each_target
def test_other_layouts_are_left_to_ggml(target: str) -> None:
    weights, x = normal(1, 8, 4, 3, 3), normal(2, 1, 4, 9, 13)
    numbers = (1, 1, 1, 1, 1, 1)
    assert supports("conv_2d", weights, x, numbers=numbers)
    assert not supports("conv_2d", weights, x[..., ::2], numbers=numbers)
    assert not supports("conv_2d", weights, x.transpose(0, 1, 3, 2), numbers=numbers)
    assert not supports("conv_2d", weights.transpose(0, 1, 3, 2), x, numbers=numbers)


@each_target
@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_threads_change_nothing(target: str, kernel: int) -> None:
    weights, x = normal(1, 40, 24, kernel, kernel), normal(2, 2, 24, 37, 41)
    numbers = (1, 1, kernel // 2, kernel // 2, 1, 1)
    one, *others = (
        compute_supported(target, "conv_2d", weights, x, numbers=numbers, threads=n)
        for n in (1, 2, 3, 8)
    )
    for other in others:
        np.testing.assert_array_equal(other, one)


@each_target
@pytest.mark.parametrize(("kernel", "stride"), [(1, 1), (3, 2), (5, 1), (3, 5)])
def test_nan_and_infinity(target: str, kernel: int, stride: int) -> None:
    weights, x = normal(1, 9, 5, kernel, kernel), normal(2, 2, 5, 19, 23)
    x[0, 2, 0, 0], x[0, 4, 15, 20], x[1, 0, 9, 9] = np.nan, np.inf, -np.inf
    numbers = (stride, stride, kernel // 2, kernel // 2, 1, 1)
    found = compute_supported(target, "conv_2d", weights, x, numbers=numbers)
    assert_same_class(found, compute("ggml", "conv_2d", weights, x, numbers=numbers))


@each_target
def test_nan_and_infinity_are_not_lost(target: str) -> None:
    """Winograd convolution may spread them within a tile, but no further."""
    weights, x = normal(1, 16, 16, 3, 3), normal(2, 1, 16, 33, 37)
    x[0, 2, 0, 0], x[0, 4, 32, 36], x[0, 0, 20, 20] = np.nan, np.inf, -np.inf
    numbers = (1, 1, 1, 1, 1, 1)
    found = compute_supported(target, "conv_2d", weights, x, numbers=numbers)
    plain = compute("ggml", "conv_2d", weights, x, numbers=numbers)
    assert not np.isfinite(found[~np.isfinite(plain)]).any()
    assert np.isfinite(found[0, :, 8:14]).all()
