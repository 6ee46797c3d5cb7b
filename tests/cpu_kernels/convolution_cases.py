"""CONV_2D: pictures [picture, channel, y, x] by weights [output channel, channel, y, x]."""

import numpy as np
import pytest
from compare import (
    assert_near,
    assert_same_kind,
    compute,
    each_level,
    kernels,
    normal,
    ours,
    seeds,
    sparse,
    store,
    takes,
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
    level: str,
    weights: np.ndarray,
    x: np.ndarray,
    *,
    kind: str = "f32",
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    gap: Pair = (1, 1),
    threads: int = 2,
) -> None:
    w = store(weights, kind)
    numbers = (*stride, *padding, *gap)
    found = ours(level, "conv_2d", w, x, numbers=numbers, threads=threads)
    pictures = x.astype(np.float64)
    wanted = reference(w.numbers, pictures, stride, padding, gap)
    # Relative to a picture's greatest sum of sizes: fast convolutions add and subtract neighbours.
    size = reference(np.abs(w.numbers), np.abs(pictures), stride, padding, gap).max() + 1e-30
    assert_near(found, wanted, (0.01 if "bf16" in level else 1e-5) * size)
    plain = compute("ggml", "conv_2d", w, x, numbers=numbers)
    assert_near(found, plain, (0.01 if "bf16" in level or kind == "f16" else 1e-5) * size)


small = st.integers(1, 3)


@each_level
@settings(max_examples=40)
@given(
    kernel=st.tuples(st.sampled_from((1, 2, 3, 5)), st.sampled_from((1, 2, 3, 5))),
    stride=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    padding=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    gap=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    room=st.tuples(st.integers(0, 40), st.integers(0, 20)),
    channels=st.sampled_from((1, 2, 3, 4, 7, 16, 31)),
    outputs=st.sampled_from((1, 2, 3, 5, 8, 13, 33)),
    pictures=st.integers(1, 4),
    kind=st.sampled_from(("f32", "f16")),
    seed=seeds,
    threads=threads,
)
def test_shapes(
    level: str,
    kernel: Pair,
    stride: Pair,
    padding: Pair,
    gap: Pair,
    room: Pair,
    channels: int,
    outputs: int,
    pictures: int,
    kind: str,
    seed: int,
    threads: int,
) -> None:
    width, height = (
        max(1, gap[i] * (kernel[i] - 1) + 1 - 2 * padding[i]) + room[i] for i in (0, 1)
    )
    check(
        level,
        sparse(seed, outputs, channels, kernel[1], kernel[0]),
        sparse(seed + 1, pictures, channels, height, width),
        kind=kind,
        stride=stride,
        padding=padding,
        gap=gap,
        threads=threads,
    )


@each_level
@settings(max_examples=40)
@given(
    size=st.tuples(st.integers(1, 50), st.integers(1, 30)),
    channels=st.sampled_from((1, 3, 8, 17, 64)),
    outputs=st.sampled_from((1, 4, 8, 9, 40)),
    pictures=st.integers(1, 3),
    kind=st.sampled_from(("f32", "f16")),
    data=st.sampled_from((normal, sparse)),
    seed=seeds,
    threads=threads,
)
def test_three_by_three(
    level: str,
    size: Pair,
    channels: int,
    outputs: int,
    pictures: int,
    kind: str,
    data: object,
    seed: int,
    threads: int,
) -> None:
    """The commonest convolution of all: step 1, as large as before."""
    weights = data(seed, outputs, channels, 3, 3)
    pictures_ = data(seed + 1, pictures, channels, size[1], size[0])
    check(level, weights, pictures_, kind=kind, padding=(1, 1), threads=threads)


def check_enlarged(
    level: str, weights: np.ndarray, x: np.ndarray, *, times: int = 2, kept: bool = False
) -> None:
    enlarged = np.maximum(x, 0).repeat(times, axis=2).repeat(times, axis=3).astype(np.float64)
    wanted = reference(weights, enlarged, (1, 1), (1, 1), (1, 1)) + (enlarged if kept else 0)
    size = reference(np.abs(weights), enlarged, (1, 1), (1, 1), (1, 1)).max() + 1e-30
    for where in (level, "ggml"):
        found = compute(where, "enlarged", weights, x, numbers=(times, kept))
        assert_near(found, wanted, (0.01 if "bf16" in where else 1e-5) * size)


@each_level
@settings(max_examples=30)
@given(
    size=st.tuples(st.integers(1, 25), st.integers(1, 15)),
    channels=st.sampled_from((1, 3, 8, 17, 64, 70)),
    outputs=st.sampled_from((1, 4, 9, 40)),
    pictures=st.integers(1, 3),
    data=st.sampled_from((normal, sparse)),
    seed=seeds,
)
def test_enlarged_on_the_way(
    level: str, size: Pair, channels: int, outputs: int, pictures: int, data: object, seed: int
) -> None:
    """Also where ggml lets the result take the small picture's memory: with fewer channels."""
    weights = data(seed, outputs, channels, 3, 3)
    check_enlarged(level, weights, data(seed + 1, pictures, channels, size[1], size[0]))


@each_level
def test_what_is_enlarged_otherwise_or_read_again(level: str) -> None:
    weights, x = sparse(1, 40, 40, 3, 3), sparse(2, 2, 40, 11, 14)
    check_enlarged(level, weights, x, kept=True)
    check_enlarged(level, weights, x, times=3)


@each_level
def test_more_tiles_than_are_transformed_at_once(level: str) -> None:
    weights, x = normal(1, 26, 130, 3, 3), normal(2, 2, 130, 50, 70)
    check(level, weights, x, padding=(1, 1), threads=1)


@each_level
@pytest.mark.parametrize(("channels", "size"), [(40, (8, 40)), (100, (33, 29)), (300, (64, 30))])
@pytest.mark.parametrize("kind", ["f32", "f16"])
def test_many_pixels(level: str, channels: int, size: Pair, kind: str) -> None:
    """AMX goes tap by tap: some strips, tiles of output channels, groups of channels."""
    weights, x = normal(1, 70, channels, 3, 3), normal(2, 1, channels, size[1], size[0])
    check(level, weights, x, kind=kind, padding=(1, 1), threads=3)


@pytest.mark.parametrize("level", [level for level in kernels.levels() if "amx" in level])
def test_more_weights_than_are_sorted_at_once(level: str) -> None:
    weights, x = sparse(1, 60_000, 16, 3, 3), sparse(2, 1, 16, 8, 16)
    check(level, weights, x, kind="f16", padding=(1, 1))


@each_level
@pytest.mark.parametrize(
    ("kernel", "stride", "size"), [(1, 1, (9, 9)), (3, 2, (19, 17)), (5, 1, (22, 4))]
)
def test_many_output_channels_share_their_patches(
    level: str, kernel: int, stride: int, size: Pair
) -> None:
    weights, x = normal(1, 700, 61, kernel, kernel), normal(2, 2, 61, size[1], size[0])
    border = (kernel // 2, kernel // 2)
    check(level, weights, x, kind="f16", stride=(stride, stride), padding=border, threads=3)


@each_level
@pytest.mark.parametrize("size", [(1, 1), (2, 2), (3, 1), (4, 4), (5, 3), (8, 8)])
@pytest.mark.parametrize("kind", ["f32", "f16"])
def test_few_pixels(level: str, size: Pair, kind: str) -> None:
    """Weights are read as they lie: what fills no register, a depth of some chunks."""
    for channels in (9, 120):
        weights, x = normal(1, 53, channels, 3, 3), normal(2, 2, channels, size[1], size[0])
        check(level, weights, x, kind=kind, padding=(1, 1), threads=3)


@each_level
@pytest.mark.parametrize("kernel", [1, 3])
def test_channels_that_lie_apart(level: str, kernel: int) -> None:
    x = normal(1, 2, 60, 9, 13)
    weights = normal(2, 8, 20, kernel, kernel)
    check(level, weights, x[:, ::3], padding=(1, 1))
    check(level, weights, x[:, 5:25], padding=(1, 1))
    check(level, weights, x[1:, :20], padding=(1, 1))


@each_level
def test_what_lies_otherwise_is_left_to_ggml(level: str) -> None:
    weights, x = normal(1, 8, 4, 3, 3), normal(2, 1, 4, 9, 13)
    numbers = (1, 1, 1, 1, 1, 1)
    assert takes("conv_2d", weights, x, numbers=numbers)
    assert not takes("conv_2d", weights, x[..., ::2], numbers=numbers)
    assert not takes("conv_2d", weights, x.transpose(0, 1, 3, 2), numbers=numbers)
    assert not takes("conv_2d", weights.transpose(0, 1, 3, 2), x, numbers=numbers)


@each_level
@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_threads_change_nothing(level: str, kernel: int) -> None:
    weights, x = normal(1, 40, 24, kernel, kernel), normal(2, 2, 24, 37, 41)
    numbers = (1, 1, kernel // 2, kernel // 2, 1, 1)
    one, *others = (
        ours(level, "conv_2d", weights, x, numbers=numbers, threads=n) for n in (1, 2, 3, 8)
    )
    for other in others:
        np.testing.assert_array_equal(other, one)


@each_level
@pytest.mark.parametrize(("kernel", "stride"), [(1, 1), (3, 2), (5, 1), (3, 5)])
def test_nan_and_infinity(level: str, kernel: int, stride: int) -> None:
    weights, x = normal(1, 9, 5, kernel, kernel), normal(2, 2, 5, 19, 23)
    x[0, 2, 0, 0], x[0, 4, 15, 20], x[1, 0, 9, 9] = np.nan, np.inf, -np.inf
    numbers = (stride, stride, kernel // 2, kernel // 2, 1, 1)
    found = ours(level, "conv_2d", weights, x, numbers=numbers)
    assert_same_kind(found, compute("ggml", "conv_2d", weights, x, numbers=numbers))


@each_level
def test_nan_and_infinity_are_not_lost(level: str) -> None:
    """A fast convolution may spread them to neighbours that share a tile, but no further."""
    weights, x = normal(1, 16, 16, 3, 3), normal(2, 1, 16, 33, 37)
    x[0, 2, 0, 0], x[0, 4, 32, 36], x[0, 0, 20, 20] = np.nan, np.inf, -np.inf
    numbers = (1, 1, 1, 1, 1, 1)
    found = ours(level, "conv_2d", weights, x, numbers=numbers)
    plain = compute("ggml", "conv_2d", weights, x, numbers=numbers)
    assert not np.isfinite(found[~np.isfinite(plain)]).any()
    assert np.isfinite(found[0, :, 8:14]).all()
