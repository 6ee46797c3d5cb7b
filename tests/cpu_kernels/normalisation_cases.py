"""NORM, RMS_NORM and GROUP_NORM."""

from typing import Any

import numpy as np
import pytest
from compare import (
    U32,
    assert_near,
    assert_same_kind,
    compute,
    each_level,
    normal,
    ours,
    seeds,
    sizes,
    takes,
    threads,
)
from hypothesis import given
from hypothesis import strategies as st

EPSILON = 1e-5


def layer(x: np.ndarray, epsilon: float) -> np.ndarray:
    centred = x - x.mean(axis=-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + epsilon)


def rms(x: np.ndarray, epsilon: float) -> np.ndarray:
    return x / np.sqrt((x**2).mean(axis=-1, keepdims=True) + epsilon)


def check(level: str, operation: str, x: np.ndarray, wanted: np.ndarray, **options: Any) -> None:
    found = ours(level, operation, x.copy(), **options)
    plain = compute("ggml", operation, x.copy(), numbers=options["numbers"])
    # What is lost where a mean is far from 0 comes back larger by its share of the deviation.
    spread = np.abs(x).max() / (np.abs(x - x.mean()).max() + EPSILON**0.5)
    bound = 64 * U32 * (1 + np.abs(wanted)) * (1 + spread)
    assert_near(found, wanted, bound)
    assert_near(found, plain, 100 * bound)


shapes = st.tuples(
    st.integers(1, 4),
    st.integers(1, 5),
    st.integers(1, 9),
    st.one_of(sizes, st.sampled_from((511, 512, 513, 1023, 1024, 1025, 2049))),
)


@each_level
@pytest.mark.parametrize(("operation", "reference"), [("norm", layer), ("rms_norm", rms)])
@given(
    shape=shapes,
    size=st.sampled_from((1e-3, 1, 1000)),
    shift=st.sampled_from((0, 0, 5)),
    seed=seeds,
    threads=threads,
    over=st.sampled_from((-1, 0)),
)
def test_rows(
    level: str,
    operation: str,
    reference: Any,
    shape: tuple[int, ...],
    size: float,
    shift: float,
    seed: int,
    threads: int,
    over: int,
) -> None:
    x = (normal(seed, *shape) + np.float32(shift)) * np.float32(size)
    wanted = reference(x.astype(np.float64), EPSILON)
    check(level, operation, x, wanted, numbers=(EPSILON,), threads=threads, over=over)


@each_level
@given(
    shape=st.tuples(st.integers(1, 4), st.integers(1, 12), st.integers(1, 9), sizes),
    groups=st.sampled_from((1, 2, 3, 4, 8, 32)),
    size=st.sampled_from((1e-3, 1, 1000)),
    seed=seeds,
    threads=threads,
    over=st.sampled_from((-1, 0)),
)
def test_groups(
    level: str,
    shape: tuple[int, ...],
    groups: int,
    size: float,
    seed: int,
    threads: int,
    over: int,
) -> None:
    """Of channels; the last group may have fewer, or there may be fewer groups than asked."""
    x = normal(seed, *shape) * np.float32(size)
    channels = -(-shape[1] // groups)
    wanted = np.zeros(shape)
    for begin in range(0, shape[1], channels):
        part = x[:, begin : begin + channels].astype(np.float64)
        flat = layer(part.reshape(shape[0], -1), EPSILON)
        wanted[:, begin : begin + channels] = flat.reshape(part.shape)
    check(level, "group_norm", x, wanted, numbers=(groups, EPSILON), threads=threads, over=over)


@each_level
def test_a_large_group(level: str) -> None:
    """The error of the sums does not grow with the picture."""
    x = normal(1, 1, 4, 300, 401) + np.float32(3)
    wanted = layer(x.astype(np.float64).reshape(2, -1), EPSILON).reshape(x.shape)
    check(level, "group_norm", x, wanted, numbers=(2, EPSILON))


@each_level
@pytest.mark.parametrize("operation", ["norm", "rms_norm"])
def test_rows_of_one_number_everywhere(level: str, operation: str) -> None:
    x = np.full((3, 100), 0.1, np.float32)
    found = ours(level, operation, x, numbers=(EPSILON,))
    assert_near(found, compute("ggml", operation, x, numbers=(EPSILON,)), 1e-4)


@each_level
@pytest.mark.parametrize("operation", ["norm", "rms_norm"])
@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf, 1e30])
@pytest.mark.parametrize("length", [9, 64, 1030])
def test_nan_and_infinity(level: str, operation: str, poison: float, length: int) -> None:
    x = normal(1, 3, length)
    x[1, length - 1] = poison
    found = ours(level, operation, x, numbers=(EPSILON,))
    assert_same_kind(found, compute("ggml", operation, x, numbers=(EPSILON,)))


@each_level
@pytest.mark.parametrize(("operation", "reference"), [("norm", layer), ("rms_norm", rms)])
def test_rows_that_lie_apart(level: str, operation: str, reference: Any) -> None:
    heads = normal(1, 2, 7, 3, 40).transpose(0, 2, 1, 3)
    part = normal(2, 2, 3, 7, 100)[..., 30:70]
    for x in (heads, part):
        found = ours(level, operation, x, numbers=(EPSILON,))
        assert_near(found, reference(x.astype(np.float64), EPSILON), 1e-5)


def test_what_lies_otherwise_is_left_to_ggml() -> None:
    x = normal(1, 2, 4, 6, 64)
    for operation in ("norm", "rms_norm"):
        assert takes(operation, x, numbers=(EPSILON,))
        assert not takes(operation, x[..., ::2], numbers=(EPSILON,))
    assert takes("group_norm", x, numbers=(2, EPSILON))
    assert not takes("group_norm", x[..., :32], numbers=(2, EPSILON))
