"""REPEAT, CONCAT, UPSCALE and PAD: rows of others, each number kept as it is."""

import numpy as np
from compare import each_level, normal, ours, seeds, sizes, takes, threads, with_gaps
from hypothesis import given
from hypothesis import strategies as st

shapes = st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 20), sizes)
steps = st.tuples(*[st.integers(1, 2)] * 3, st.just(1))  # rows must lie side by side
NEAREST, BILINEAR = 0, 1


@each_level
@given(
    shape=shapes,
    times=st.tuples(*[st.integers(1, 3)] * 4),
    step=steps,
    seed=seeds,
    threads=threads,
)
def test_repetitions(
    level: str,
    shape: tuple[int, ...],
    times: tuple[int, ...],
    step: tuple[int, ...],
    seed: int,
    threads: int,
) -> None:
    view = with_gaps(seed, shape, step)
    wanted = np.tile(view, times)
    found = ours(level, "repeat", view, np.zeros_like(wanted), threads=threads)
    np.testing.assert_array_equal(found, wanted)


@each_level
@given(shape=shapes, step=steps, threads=threads)
def test_each_number_twice(
    level: str, shape: tuple[int, ...], step: tuple[int, ...], threads: int
) -> None:
    """What rotary embeddings ask for: rows of one number become rows of two."""
    view = with_gaps(5, (*shape[:2], shape[2] * shape[3], 1), step)
    wanted = np.repeat(view, 2, axis=3)
    found = ours(level, "repeat", view, np.zeros_like(wanted), threads=threads)
    np.testing.assert_array_equal(found, wanted)


@each_level
@given(
    shape=shapes,
    other=st.integers(1, 9),
    axis=st.integers(0, 3),
    step=steps,
    seed=seeds,
    threads=threads,
)
def test_concatenations(
    level: str,
    shape: tuple[int, ...],
    other: int,
    axis: int,
    step: tuple[int, ...],
    seed: int,
    threads: int,
) -> None:
    first = with_gaps(seed, shape, step)
    second = normal(seed + 1, *shape[:axis], other, *shape[axis + 1 :])
    found = ours(level, "concat", first, second, numbers=[3 - axis], threads=threads)
    np.testing.assert_array_equal(found, np.concatenate([first, second], axis))


@each_level
@given(shape=shapes, times=st.tuples(*[st.integers(1, 3)] * 4), step=steps, threads=threads)
def test_enlargements(
    level: str,
    shape: tuple[int, ...],
    times: tuple[int, ...],
    step: tuple[int, ...],
    threads: int,
) -> None:
    view = with_gaps(1, shape, step)
    wanted = view
    for axis, count in enumerate(times):
        wanted = np.repeat(wanted, count, axis)
    numbers = [*reversed(wanted.shape), NEAREST]
    found = ours(level, "interpolate", view, numbers=numbers, threads=threads)
    np.testing.assert_array_equal(found, wanted)


@each_level
@given(
    shape=shapes,
    zeros=st.tuples(*[st.tuples(st.integers(0, 3), st.integers(0, 300))] * 2),
    planes=st.tuples(*[st.tuples(st.integers(0, 2), st.integers(0, 2))] * 2),
    step=steps,
    threads=threads,
)
def test_zeros_around(
    level: str,
    shape: tuple[int, ...],
    zeros: tuple[tuple[int, int], ...],
    planes: tuple[tuple[int, int], ...],
    step: tuple[int, ...],
    threads: int,
) -> None:
    view = with_gaps(1, shape, step)
    around = [*planes, *zeros]
    numbers = [number for pair in reversed(around) for number in pair]
    found = ours(level, "pad", view, numbers=numbers, threads=threads)
    np.testing.assert_array_equal(found, np.pad(view, around))


def test_what_is_left_to_ggml() -> None:
    x = normal(1, 2, 3, 4, 5)
    assert not takes("pad_circular", x, numbers=[1])
    assert not takes("interpolate", x, numbers=[10, 8, 3, 2, BILINEAR])
    assert not takes("interpolate", x, numbers=[7, 4, 3, 2, NEAREST])
    assert not takes("pad", x.transpose(0, 1, 3, 2), numbers=[0] * 8)
