"""ADD, MUL, SCALE, LEAKY_RELU and the activations."""

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

# The last two exceed f16, and so ggml's lookup tables.
POISON = np.array([np.nan, np.inf, -np.inf, 0, -0.0, 1e-40, 3e38, -3e38], np.float32)
shapes = st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 9), sizes)

each_binary = pytest.mark.parametrize(
    ("operation", "reference"), [("add", np.add), ("mul", np.multiply)]
)


@each_target
@each_binary
@given(shape=shapes, data=st.data(), seed=seeds, threads=threads)
def test_broadcasts(
    target: str,
    operation: str,
    reference: np.ufunc,
    shape: tuple[int, ...],
    data: st.DataObject,
    seed: int,
    threads: int,
) -> None:
    """The second operand is broadcast along any dimension."""
    smaller = tuple(
        data.draw(st.sampled_from([n for n in range(1, size + 1) if size % n == 0]))
        for size in shape[:-1]
    )
    last = data.draw(st.sampled_from((1, shape[-1])))
    a, b = normal(seed, *shape), normal(seed + 1, *smaller, last)
    times = [n // m for n, m in zip(shape, b.shape)]
    found = compute_supported(target, operation, a, b, threads=threads)
    np.testing.assert_array_equal(found, reference(a, np.tile(b, times)))
    np.testing.assert_array_equal(found, compute("ggml", operation, a, b))


@each_target
@each_binary
def test_strided_operands(target: str, operation: str, reference: np.ufunc) -> None:
    a = normal(1, 2, 3, 5, 33)
    for other in (
        normal(3, 2, 3, 5, 66)[..., 20:53],
        normal(3, 2, 5, 3, 33).transpose(0, 2, 1, 3),
        normal(3, 2, 6, 5, 33)[:, ::2],
    ):
        for b in (a, a[:1, :, :1], a[..., :1], a[:, :1, :1, :1]):
            found = compute_supported(target, operation, other, b)
            np.testing.assert_array_equal(found, reference(other, b))
    for b in (
        normal(2, 2, 3, 5, 66)[..., :33],
        normal(2, 2, 5, 3, 33).transpose(0, 2, 1, 3),
        normal(2, 2, 3, 5, 7)[..., 3:4],
        normal(2, 2, 6, 1, 1)[:, ::2],
    ):
        found = compute_supported(target, operation, a, b)
        np.testing.assert_array_equal(found, reference(a, b))


@each_binary
def test_other_layouts_are_left_to_ggml(operation: str, reference: np.ufunc) -> None:
    a = normal(1, 2, 3, 5, 32)
    assert supports(operation, a, a)
    assert not supports(operation, a[..., ::2], a[..., ::2])
    assert not supports(operation, a, normal(2, 2, 3, 5, 16))


@each_target
@each_binary
@pytest.mark.parametrize("over", [0, 1])
def test_over_an_operand(target: str, operation: str, reference: np.ufunc, over: int) -> None:
    """ggml may place a result over an operand."""
    a, b = normal(1, 3, 70_001), normal(2, 3, 70_001)
    expected = reference(a, b)
    np.testing.assert_array_equal(compute_supported(target, operation, a, b, over=over), expected)


@each_target
@each_binary
def test_nan_and_infinity_of_binaries(target: str, operation: str, reference: np.ufunc) -> None:
    a, b = np.repeat(POISON, len(POISON)), np.tile(POISON, len(POISON))
    found = compute_supported(target, operation, a, b)
    np.testing.assert_array_equal(found.ravel(), compute("ggml", operation, a, b).ravel())
    for number in POISON:
        one = np.array([number])
        np.testing.assert_array_equal(
            compute_supported(target, operation, a, one), compute("ggml", operation, a, one)
        )


@each_target
@given(shape=shapes, scale=st.floats(-100, 100, width=32), seed=seeds, threads=threads)
def test_scale(target: str, shape: tuple[int, ...], scale: float, seed: int, threads: int) -> None:
    a = normal(seed, *shape)
    found = compute_supported(target, "scale", a, numbers=(scale, 0), threads=threads)
    np.testing.assert_array_equal(found, a * np.float32(scale))


def test_scale_with_bias_is_left_to_ggml() -> None:
    assert not supports("scale", normal(1, 9), numbers=(2, 1))


@each_target
@given(shape=shapes, slope=st.floats(0, 1, width=32), seed=seeds, threads=threads)
def test_leaky_relu(
    target: str, shape: tuple[int, ...], slope: float, seed: int, threads: int
) -> None:
    a = normal(seed, *shape)
    found = compute_supported(target, "leaky_relu", a, numbers=(slope,), threads=threads)
    np.testing.assert_array_equal(found, np.where(a > 0, a, a * np.float32(slope)))


@each_target
def test_nan_and_infinity_of_leaky_relu(target: str) -> None:
    """NaN stays NaN, so that an overflow is found; ggml would make it 0."""
    found = compute_supported(target, "leaky_relu", POISON, numbers=(0.25,))
    expected = np.where(POISON > 0, POISON, POISON * np.float32(0.25))
    np.testing.assert_array_equal(found.ravel(), expected)


def test_other_slopes_are_left_to_ggml() -> None:
    assert not supports("leaky_relu", normal(1, 9), numbers=(-0.5,))
    assert not supports("leaky_relu", normal(1, 9), numbers=(1.5,))


def sigmoid(x: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-x))


ACTIVATIONS = {
    "silu": lambda x: x * sigmoid(x),
    "gelu": lambda x: x / 2 * (1 + np.tanh(0.79788456 * (x + 0.044715 * x**3))),
    "gelu_quick": lambda x: x * sigmoid(1.702 * x),
    "relu": lambda x: np.maximum(x, 0),
    "sigmoid": sigmoid,
    "tanh": np.tanh,
}
each_activation = pytest.mark.parametrize("operation", ACTIVATIONS)


@each_target
@each_activation
@given(
    shape=shapes,
    size=st.sampled_from((1e-30, 1e-3, 1, 10, 100, 1e30)),
    seed=seeds,
    threads=threads,
    over=st.sampled_from((-1, 0)),
)
def test_activations(
    target: str,
    operation: str,
    shape: tuple[int, ...],
    size: float,
    seed: int,
    threads: int,
    over: int,
) -> None:
    x = normal(seed, *shape) * np.float32(size)
    expected = ACTIVATIONS[operation](x.astype(np.float64))
    plain = compute("ggml", operation, x).astype(np.float64)
    found = compute_supported(target, operation, x.copy(), threads=threads, over=over)
    # Sums like 1 + tanh have an error of U32, and most of them are multiplied by x.
    factor = 1 if operation in {"tanh", "sigmoid"} else np.minimum(np.abs(x), 10)
    assert_near(found, expected, 8 * U32 * (np.abs(expected) + factor) + 1e-37)
    if size < 1000:  # ggml uses an f16 lookup table for some
        assert_near(found, plain, 2e-3 * np.abs(plain) + 1e-3)


@each_target
@each_activation
def test_nan_and_infinity(target: str, operation: str) -> None:
    x = np.concatenate([POISON[:-2], np.float32([88, 89, -88, -89, 104, -104, 1e4, -1e4])])
    for count in (5, len(x)):
        found = compute_supported(target, operation, x[:count].copy()).ravel()
        assert_same_class(found, compute("ggml", operation, x[:count].copy()).ravel())


@each_target
def test_another_activation_is_left_to_ggml(target: str) -> None:
    x = normal(1, 100)
    assert not supports("elu", x)
    np.testing.assert_array_equal(compute(target, "elu", x), compute("ggml", "elu", x))


@each_target
@each_activation
def test_threads_change_nothing(target: str, operation: str) -> None:
    x = normal(1, 100_003)
    one, *others = (compute_supported(target, operation, x, threads=n) for n in (1, 2, 3))
    for other in others:
        np.testing.assert_array_equal(other, one)
