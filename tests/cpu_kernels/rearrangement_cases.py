"""REPEAT, CONCAT, UPSCALE and PAD, which copy numbers unchanged."""

import numpy as np
from compare import (
    compute_supported,
    each_target,
    normal,
    seeds,
    sizes,
    supports,
    threads,
    with_gaps,
)
from hypothesis import given
from hypothesis import strategies as st

shapes = st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 20), sizes)
steps = st.tuples(*[st.integers(1, 2)] * 3, st.just(1))  # rows must be contiguous
NEAREST, BILINEAR = 0, 1


@each_target
@given(
    shape=shapes,
    times=st.tuples(*[st.integers(1, 3)] * 4),
    step=steps,
    seed=seeds,
    threads=threads,
)
def test_repeat(
    target: str,
    shape: tuple[int, ...],
    times: tuple[int, ...],
    step: tuple[int, ...],
    seed: int,
    threads: int,
) -> None:
    view = with_gaps(seed, shape, step)
    expected = np.tile(view, times)
    found = compute_supported(target, "repeat", view, np.zeros_like(expected), threads=threads)
    np.testing.assert_array_equal(found, expected)


@each_target
@given(shape=shapes, step=steps, threads=threads)
def test_each_number_twice(
    target: str, shape: tuple[int, ...], step: tuple[int, ...], threads: int
) -> None:
    """Rows of one number become rows of two, as in rotary embeddings."""
    view = with_gaps(5, (*shape[:2], shape[2] * shape[3], 1), step)
    expected = np.repeat(view, 2, axis=3)
    found = compute_supported(target, "repeat", view, np.zeros_like(expected), threads=threads)
    np.testing.assert_array_equal(found, expected)


@each_target
@given(
    shape=shapes,
    other=st.integers(1, 9),
    axis=st.integers(0, 3),
    step=steps,
    seed=seeds,
    threads=threads,
)
def test_concat(
    target: str,
    shape: tuple[int, ...],
    other: int,
    axis: int,
    step: tuple[int, ...],
    seed: int,
    threads: int,
) -> None:
    first = with_gaps(seed, shape, step)
    second = normal(seed + 1, *shape[:axis], other, *shape[axis + 1 :])
    found = compute_supported(target, "concat", first, second, numbers=[3 - axis], threads=threads)
    np.testing.assert_array_equal(found, np.concatenate([first, second], axis))


@each_target
@given(shape=shapes, times=st.tuples(*[st.integers(1, 3)] * 4), step=steps, threads=threads)
def test_upsample(
    target: str,
    shape: tuple[int, ...],
    times: tuple[int, ...],
    step: tuple[int, ...],
    threads: int,
) -> None:
    view = with_gaps(1, shape, step)
    expected = view
    for axis, count in enumerate(times):
        expected = np.repeat(expected, count, axis)
    numbers = [*reversed(expected.shape), NEAREST]
    found = compute_supported(target, "interpolate", view, numbers=numbers, threads=threads)
    np.testing.assert_array_equal(found, expected)


@each_target
@given(
    shape=shapes,
    zeros=st.tuples(*[st.tuples(st.integers(0, 3), st.integers(0, 300))] * 2),
    planes=st.tuples(*[st.tuples(st.integers(0, 2), st.integers(0, 2))] * 2),
    step=steps,
    threads=threads,
)
def test_pad(
    target: str,
    shape: tuple[int, ...],
    zeros: tuple[tuple[int, int], ...],
    planes: tuple[tuple[int, int], ...],
    step: tuple[int, ...],
    threads: int,
) -> None:
    view = with_gaps(1, shape, step)
    around = [*planes, *zeros]
    numbers = [number for pair in reversed(around) for number in pair]
    found = compute_supported(target, "pad", view, numbers=numbers, threads=threads)
    np.testing.assert_array_equal(found, np.pad(view, around))


def test_other_modes_are_left_to_ggml() -> None:
    x = normal(1, 2, 3, 4, 5)
    assert not supports("pad_circular", x, numbers=[1])
    assert not supports("interpolate", x, numbers=[10, 8, 3, 2, BILINEAR])
    assert not supports("interpolate", x, numbers=[7, 4, 3, 2, NEAREST])
    assert not supports("pad", x.transpose(0, 1, 3, 2), numbers=[0] * 8)
