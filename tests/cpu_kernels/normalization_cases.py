"""NORM, RMS_NORM and GROUP_NORM."""

from typing import Any

import numpy as np
import pytest
from compare import (
    U32,
    assert_near,
    assert_same_class,
    compute,
    compute_supported,
    each_target,
    normal,
    seeds,
    sizes,
    supports,
    threads,
)
from hypothesis import given
from hypothesis import strategies as st

EPSILON = 1e-5


def layer(x: np.ndarray, epsilon: float) -> np.ndarray:
    centered = x - x.mean(axis=-1, keepdims=True)
    return centered / np.sqrt((centered**2).mean(axis=-1, keepdims=True) + epsilon)


def rms(x: np.ndarray, epsilon: float) -> np.ndarray:
    return x / np.sqrt((x**2).mean(axis=-1, keepdims=True) + epsilon)


def check(target: str, operation: str, x: np.ndarray, expected: np.ndarray, **options: Any) -> None:
    found = compute_supported(target, operation, x.copy(), **options)
    plain = compute("ggml", operation, x.copy(), numbers=options["numbers"])
    # The rounding error of a mean far from 0 is amplified by its ratio to the deviation.
    spread = np.abs(x).max() / (np.abs(x - x.mean()).max() + EPSILON**0.5)
    bound = 64 * U32 * (1 + np.abs(expected)) * (1 + spread)
    assert_near(found, expected, bound)
    assert_near(found, plain, 100 * bound)


shapes = st.tuples(
    st.integers(1, 4),
    st.integers(1, 5),
    st.integers(1, 9),
    st.one_of(sizes, st.sampled_from((511, 512, 513, 1023, 1024, 1025, 2049))),
)


@each_target
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
    target: str,
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
    expected = reference(x.astype(np.float64), EPSILON)
    check(target, operation, x, expected, numbers=(EPSILON,), threads=threads, over=over)


@each_target
@given(
    shape=st.tuples(st.integers(1, 4), st.integers(1, 12), st.integers(1, 9), sizes),
    groups=st.sampled_from((1, 2, 3, 4, 8, 32)),
    size=st.sampled_from((1e-3, 1, 1000)),
    seed=seeds,
    threads=threads,
    over=st.sampled_from((-1, 0)),
)
def test_groups(
    target: str,
    shape: tuple[int, ...],
    groups: int,
    size: float,
    seed: int,
    threads: int,
    over: int,
) -> None:
    """The last group may have fewer channels, and there may be fewer groups than requested."""
    x = normal(seed, *shape) * np.float32(size)
    channels = -(-shape[1] // groups)
    expected = np.zeros(shape)
    for begin in range(0, shape[1], channels):
        part = x[:, begin : begin + channels].astype(np.float64)
        flat = layer(part.reshape(shape[0], -1), EPSILON)
        expected[:, begin : begin + channels] = flat.reshape(part.shape)
    check(target, "group_norm", x, expected, numbers=(groups, EPSILON), threads=threads, over=over)


@each_target
def test_a_large_group(target: str) -> None:
    """Errors of sums do not grow with the picture."""
    x = normal(1, 1, 4, 300, 401) + np.float32(3)
    expected = layer(x.astype(np.float64).reshape(2, -1), EPSILON).reshape(x.shape)
    check(target, "group_norm", x, expected, numbers=(2, EPSILON))


@each_target
@pytest.mark.parametrize("operation", ["norm", "rms_norm"])
def test_constant_rows(target: str, operation: str) -> None:
    x = np.full((3, 100), 0.1, np.float32)
    found = compute_supported(target, operation, x, numbers=(EPSILON,))
    assert_near(found, compute("ggml", operation, x, numbers=(EPSILON,)), 1e-4)


@each_target
@pytest.mark.parametrize("operation", ["norm", "rms_norm"])
@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf, 1e30])
@pytest.mark.parametrize("length", [9, 64, 1030])
def test_nan_and_infinity(target: str, operation: str, poison: float, length: int) -> None:
    x = normal(1, 3, length)
    x[1, length - 1] = poison
    found = compute_supported(target, operation, x, numbers=(EPSILON,))
    assert_same_class(found, compute("ggml", operation, x, numbers=(EPSILON,)))


@each_target
@pytest.mark.parametrize(("operation", "reference"), [("norm", layer), ("rms_norm", rms)])
def test_strided_rows(target: str, operation: str, reference: Any) -> None:
    heads = normal(1, 2, 7, 3, 40).transpose(0, 2, 1, 3)
    part = normal(2, 2, 3, 7, 100)[..., 30:70]
    for x in (heads, part):
        found = compute_supported(target, operation, x, numbers=(EPSILON,))
        assert_near(found, reference(x.astype(np.float64), EPSILON), 1e-5)


def test_other_layouts_are_left_to_ggml() -> None:
    x = normal(1, 2, 4, 6, 64)
    for operation in ("norm", "rms_norm"):
        assert supports(operation, x, numbers=(EPSILON,))
        assert not supports(operation, x[..., ::2], numbers=(EPSILON,))
    assert supports("group_norm", x, numbers=(2, EPSILON))
    assert not supports("group_norm", x[..., :32], numbers=(2, EPSILON))
