"""CONT, DUP and CPY: the same numbers in another order or shape, or as f16."""

import itertools

import numpy as np
import pytest
from compare import (
    Tensor,
    compute,
    compute_supported,
    each_target,
    normal,
    seeds,
    sizes,
    supports,
    threads,
    with_gaps,
)
from hypothesis import given, settings
from hypothesis import strategies as st

SPECIAL = [np.nan, np.inf, -np.inf, 65504, 65520, 1e-7, 6e-8, 2e-8, -0.0, 1e30, 2049, 2051]


@each_target
@settings(max_examples=100)
@given(
    order=st.permutations(range(4)),
    shape=st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 20), sizes),
    step=st.tuples(*[st.integers(1, 2)] * 4),
    seed=seeds,
    threads=threads,
)
def test_any_order(
    target: str,
    order: tuple[int, ...],
    shape: tuple[int, ...],
    step: tuple[int, ...],
    seed: int,
    threads: int,
) -> None:
    view = with_gaps(seed, shape, step).transpose(order)
    found = compute_supported(target, "cont", view, threads=threads)
    np.testing.assert_array_equal(found, view)


@each_target
@pytest.mark.parametrize("shape", [(2, 3, 5, 33), (1, 1, 17, 16), (3, 1, 1, 7)])
def test_as_f16(target: str, shape: tuple[int, ...]) -> None:
    for order in itertools.permutations(range(4)):
        view = normal(1, *shape).transpose(order)
        to = Tensor(np.zeros(view.shape, np.float16), "f16")
        found = compute(target, "cpy", view, to)  # strided rows are left to ggml
        assert supports("cpy", view, to) == (view.strides[-1] == view.itemsize)
        np.testing.assert_array_equal(found, view.astype(np.float16))


@each_target
@pytest.mark.parametrize("count", [5, len(SPECIAL), 24])
def test_numbers_beyond_f16(target: str, count: int) -> None:
    x = np.resize(np.float32(SPECIAL), count)
    to = Tensor(np.zeros(count, np.float16), "f16")
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(compute_supported(target, "cpy", x, to), x.astype(np.float16))


@each_target
@pytest.mark.parametrize("operation", ["cont", "dup"])
def test_copies_are_exact(target: str, operation: str) -> None:
    x = np.resize(np.float32(SPECIAL), (2, 3, 17, 40))
    for view in (x, x.transpose(0, 1, 3, 2), x[..., ::2]):
        found = compute_supported(target, operation, view)
        np.testing.assert_array_equal(
            found.view(np.uint32), np.ascontiguousarray(view).view(np.uint32)
        )


@each_target
def test_into_another_shape(target: str) -> None:
    x = normal(1, 2, 3, 4, 5)
    for name, dtype in (("f32", np.float32), ("f16", np.float16)):
        found = compute_supported(target, "cpy", x, Tensor(np.zeros((1, 10, 1, 12), dtype), name))
        np.testing.assert_array_equal(found.ravel(), x.astype(dtype).ravel())


@each_target
def test_into_a_part_of_another(target: str) -> None:
    whole = np.zeros((6, 4, 33), np.float32)
    x = normal(1, 4, 2, 33).transpose(1, 0, 2)
    compute_supported(target, "cpy", x, whole[2:4])
    np.testing.assert_array_equal(whole[2:4], x)
    assert not whole[:2].any()
    assert not whole[4:].any()


@each_target
def test_into_strided_rows_is_left_to_ggml(target: str) -> None:
    x, whole = normal(1, 5, 33), np.zeros((5, 66), np.float32)
    assert not supports("cpy", x, whole[:, :33])
    compute(target, "cpy", x, whole[:, :33])
    np.testing.assert_array_equal(whole[:, :33], x)
    assert not whole[:, 33:].any()


@each_target
def test_threads_change_nothing(target: str) -> None:
    x = normal(1, 3, 70, 90, 40).transpose(0, 2, 3, 1)
    for n in (1, 2, 3):
        np.testing.assert_array_equal(compute_supported(target, "cont", x, threads=n), x)
