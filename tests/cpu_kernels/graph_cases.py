"""Graphs: nodes of ours and of ggml's in turn, views between them, cancellation."""

import numpy as np
import pytest
from compare import compute, each_level, normal, seeds, threads
from hypothesis import example, given, settings
from hypothesis import strategies as st


@each_level
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_nodes_in_turn(level: str, threads: int) -> None:
    """The chain in node.cpp, against the same in float64."""
    weights, x = normal(1, 24, 32), normal(2, 40, 32) / 4
    found = compute(level, "chain", weights, x, threads=threads)
    product = x.astype(np.float64) @ weights.astype(np.float64).T
    squared = (product / (1 + np.exp(-product))) ** 2
    wanted = (3 * squared.T[:, :20]) ** 2
    near = {"rtol": 0.05, "atol": 0.05} if "bf16" in level else {"rtol": 1e-4, "atol": 1e-6}
    np.testing.assert_allclose(found.squeeze(), wanted, **near)
    plain = compute("ggml", "chain", weights, x)
    np.testing.assert_allclose(found, plain, rtol=0.05, atol=0.05)


@each_level
# A result over the memory of a channel's numbers that the first node reads.
@example(
    program=[(7, 0, 0), (4, 1, 0), (4, 2, 0), (4, 3, 0)],
    side=33,
    channels=30,
    pictures=2,
    seed=1,
    threads=1,
)
@settings(max_examples=60)
@given(
    program=st.lists(
        st.tuples(st.integers(0, 8), st.integers(0, 99), st.integers(0, 99)),
        min_size=1,
        max_size=14,
    ),
    side=st.sampled_from((1, 15, 33)),
    channels=st.sampled_from((1, 8, 30)),
    pictures=st.integers(1, 2),
    seed=seeds,
    threads=threads,
)
def test_small_operations_in_any_order(
    level: str,
    program: list[tuple[int, int, int]],
    side: int,
    channels: int,
    pictures: int,
    seed: int,
    threads: int,
) -> None:
    """Part by part through some nodes, whatever memory ggml lets them share."""
    x = normal(seed, pictures, channels, side, side)
    sources = (x, normal(seed + 1, channels, 1, 1), normal(seed + 2, side))
    numbers = [number for step in program for number in step]
    found = compute(level, "small_operations", *sources, numbers=numbers, threads=threads)
    plain = compute("ggml", "small_operations", *sources, numbers=numbers)
    np.testing.assert_allclose(found, plain, rtol=1e-3, atol=1e-3)


@each_level
@pytest.mark.parametrize("operation", ["mul_mat", "add", "elu", "chain"])
def test_a_cancelled_graph_fails(level: str, operation: str) -> None:
    a, b = normal(1, 64, 64), normal(2, 64, 64)
    sources = (a,) if operation == "elu" else (a, b)
    with pytest.raises(RuntimeError, match="aborted"):
        compute(level, operation, *sources, cancelled=True)
